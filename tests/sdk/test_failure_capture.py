"""Whatever is raised becomes a failure that can be sent and restored: the conversion never raises."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.errors import ActivityError, ApplicationError, TimedOutError
from dalsegno.failure import Failure
from dalsegno.failure_capture import (
    CAUSES_MAX,
    DETAILS_BYTES_MAX,
    FAILURES_MAX,
    MESSAGE_CHARACTERS_MAX,
    TEXT_BYTES_MAX,
)
from tests.default_converter import from_failure, to_failure
from tests.protocol.strategies import failures
from tests.sdk.hostile_errors import (
    HOSTILE,
    EndsTheProcessError,
    NeverToldError,
    ToldByASubclassOfStrError,
    UnbornError,
)
from tests.sdk.sent_failures import LARGEST, sent


@pytest.mark.parametrize("how", HOSTILE)
def test_every_error_becomes_a_failure_that_can_be_sent_and_restored(how: str) -> None:
    made = HOSTILE[how]()
    try:
        raise made
    except BaseException as error:  # noqa: BLE001 - given to the conversion
        failure = to_failure(error)
    assert sent(failure) == failure
    assert to_failure(from_failure(failure)).kind == failure.kind


@pytest.mark.parametrize("how", HOSTILE)
def test_every_error_may_be_part_of_a_group_and_a_cause(how: str) -> None:
    group = BaseExceptionGroup("several", [HOSTILE[how](), ValueError("plain")])
    outer = ApplicationError("outer")
    outer.__cause__ = group
    failure = to_failure(outer)
    assert sent(failure) == failure
    assert failure.cause is not None
    assert failure.cause.parts[1].message == "plain"


def test_an_error_whose_init_skips_the_base_has_its_own_text_and_the_name_of_its_class() -> None:
    failure = to_failure(UnbornError("tea"))
    assert (failure.message, failure.type, failure.non_retryable) == ("no tea left", "UnbornError", False)
    assert UnbornError("tea").next_retry_delay is None


def test_the_text_of_a_message_that_cannot_be_told_says_why() -> None:
    assert to_failure(NeverToldError()).message == "<the error's own __str__ raised RuntimeError>"
    assert to_failure(EndsTheProcessError()).message == "<the error's own __str__ raised SystemExit>"
    assert to_failure(ToldByASubclassOfStrError()).message == "loud"
    assert len(to_failure(ValueError("x" * 10_000_000)).message) == MESSAGE_CHARACTERS_MAX


def test_causes_that_go_round_are_told_once_and_long_chains_are_cut() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert depth_of(to_failure(first)) == 2
    error = ValueError("0")
    for number in range(100):
        outer = ValueError(str(number))
        outer.__cause__ = error
        error = outer
    assert depth_of(to_failure(error)) == CAUSES_MAX


def depth_of(failure: Failure | None) -> int:
    return 0 if failure is None else 1 + depth_of(failure.cause)


def test_a_failure_fits_into_a_message_however_much_it_was_given() -> None:
    sizes = (DETAILS_BYTES_MAX // 2, 3_000_000) * 30
    errors = [ApplicationError("😀" * 20_000, "x" * size, 7) for size in sizes]
    failure = to_failure(ExceptionGroup("much", errors))
    assert sent(failure) == failure
    first, second = failure.parts[:2]
    assert [len(payload.data) for payload in first.details] == [DETAILS_BYTES_MAX // 2 + 2, 1]
    assert not second.details
    assert second.message.endswith(" (Its details are left out: they have 3,000,023 bytes.)")


def test_the_delay_before_the_next_attempt_survives() -> None:
    error = ApplicationError("later", next_retry_delay=timedelta(minutes=2))
    restored = from_failure(sent(to_failure(error)))
    assert isinstance(restored, ApplicationError)
    assert restored.next_retry_delay == 120


# Groups


def test_a_group_keeps_all_its_parts_and_names_them_in_its_message() -> None:
    group = ExceptionGroup(
        "inspection",
        [ApplicationError("brakes", 7, type="Broken"), ExceptionGroup("in", [ValueError("lights")])],
    )
    restored = from_failure(sent(to_failure(group)))
    assert isinstance(restored, ApplicationError)
    assert restored.type == "ExceptionGroup"
    assert restored.message == (
        "inspection (2 sub-exceptions): Broken: brakes; "
        "ExceptionGroup: in (1 sub-exception): ValueError: lights"
    )
    first, second = restored.exceptions
    assert isinstance(first, ApplicationError)
    assert isinstance(second, ApplicationError)
    assert (first.type, first.message, list(first.details)) == ("Broken", "brakes", [7])
    assert [part.message for part in second.exceptions] == ["lights"]
    assert restored.__cause__ is first


def test_a_group_that_was_restored_and_is_raised_again_is_the_same() -> None:
    failure = to_failure(ExceptionGroup("several", [ValueError("a"), ExceptionGroup("more", [KeyError("b")])]))
    assert to_failure(from_failure(failure)) == failure


def test_a_group_is_non_retryable_when_a_part_is() -> None:
    inner = ExceptionGroup("in", [ApplicationError("never", non_retryable=True)])
    assert to_failure(ExceptionGroup("several", [ValueError("a"), inner])).non_retryable
    assert not to_failure(ExceptionGroup("several", [ValueError("a"), KeyError("b")])).non_retryable


def test_a_group_with_a_cause_of_its_own_keeps_it() -> None:
    group = ExceptionGroup("several", [ValueError("part")])
    group.__cause__ = ValueError("cause")
    restored = from_failure(to_failure(group))
    assert str(restored.__cause__) == "cause"


def test_a_group_with_more_parts_than_a_failure_may_have_says_how_many_are_left_out() -> None:
    failure = to_failure(ExceptionGroup("many", [ValueError("x" * 20_000) for _ in range(1_000)]))
    assert len(failure.parts) == FAILURES_MAX - 1
    assert "and 951 more, left out here" in failure.message
    assert sent(failure) == failure


def test_groups_within_groups_without_end_are_cut() -> None:
    group: ExceptionGroup[Exception] = ExceptionGroup("0", [ValueError("x"), ValueError("y")])
    for number in range(200):
        group = ExceptionGroup(str(number), [group, group])
    failure = to_failure(group)
    assert sent(failure) == failure
    assert characters_in(failure) <= TEXT_BYTES_MAX + FAILURES_MAX * MESSAGE_CHARACTERS_MAX


def characters_in(failure: Failure) -> int:
    inner = (*failure.parts, *(() if failure.cause is None else (failure.cause,)))
    return len(failure.message) + len(failure.stack) + sum(map(characters_in, inner))


@pytest.mark.parametrize("much", LARGEST)
def test_the_largest_failures_can_be_read_by_their_receivers(much: str) -> None:
    failure = to_failure(LARGEST[much]())
    assert sent(failure) == failure


def test_many_details_are_left_out_where_no_message_could_have_so_many_items() -> None:
    failure = to_failure(ExceptionGroup("many", [ApplicationError("x", *range(1_000)) for _ in range(40)]))
    kept = [len(part.details) for part in failure.parts]
    assert set(kept) == {0, 1_000}
    assert "Its details are left out" in failure.parts[-1].message


TYPES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
ERRORS = st.recursive(
    st.builds(ApplicationError, st.text(), non_retryable=st.booleans(), type=st.none() | TYPES)
    | st.builds(ValueError, st.text(alphabet=st.characters(categories=["Cs", "Cc", "L"])))
    | st.builds(TimedOutError, st.text(), timeout_type=st.sampled_from(["heartbeat", "start_to_close"]))
    | st.builds(
        ActivityError,
        st.text(),
        activity_type=st.just("a"),
        activity_id=st.just("1"),
        attempt=st.integers(0, 9),
    ),
    lambda inner: st.builds(ExceptionGroup, st.text(), st.lists(inner, min_size=1, max_size=4)),
    max_leaves=12,
)


@given(error=ERRORS, cause=st.none() | ERRORS)
def test_what_is_restored_and_converted_again_is_equal(
    error: BaseException, cause: BaseException | None
) -> None:
    error.__cause__ = cause
    failure = sent(to_failure(error))
    assert to_failure(from_failure(failure)) == failure


@given(failure=failures)
def test_whatever_a_worker_in_another_language_may_send_can_be_restored_and_told_again(
    failure: Failure,
) -> None:
    again = to_failure(from_failure(failure))
    assert again.kind == failure.kind
    assert sent(again) == again


def test_failures_from_before_there_were_parts_and_delays_are_read() -> None:
    old = {"message": "x", "cause": {"message": "y"}}
    assert msgspec.convert(old, Failure) == Failure(message="x", cause=Failure(message="y"))
