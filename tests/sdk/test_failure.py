"""Errors survive the way through failures, and no error can hinder its own report."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno.errors import (
    ActivityError,
    ApplicationError,
    CanceledError,
    ChildWorkflowError,
    FailureError,
    RetryState,
    TerminatedError,
    TimedOutError,
    TimeoutType,
    WorkerLostError,
)
from dalsegno.failure import Failure
from dalsegno.failure_capture import STACK_CHARACTERS_MAX
from dalsegno.payload import Payload
from tests.default_converter import from_failure, from_payload, to_failure


class Unknown:
    """What no payload can carry."""


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001 - given back to the test
        return caught


def test_an_application_error_comes_back_whole() -> None:
    original = ApplicationError("no funds", 3, {"a": b"x"}, type="Broke", non_retryable=True)
    restored = from_failure(to_failure(raised(original)))
    assert isinstance(restored, ApplicationError)
    assert (restored.message, restored.type, restored.non_retryable) == ("no funds", "Broke", True)
    assert list(restored.details) == [3, {"a": "eA=="}]


class BrokeError(Exception):
    pass


class BrokeOnPurposeError(ApplicationError):
    pass


@pytest.mark.parametrize(
    ("error", "type_name"),
    [
        (BrokeError("x"), "BrokeError"),
        (BrokeOnPurposeError("x"), "BrokeOnPurposeError"),
        (FailureError("x"), "FailureError"),
    ],
)
def test_other_errors_come_back_as_application_errors_of_their_class_name(
    error: Exception, type_name: str
) -> None:
    restored = from_failure(to_failure(error))
    assert isinstance(restored, ApplicationError)
    assert (restored.message, restored.type, restored.non_retryable) == ("x", type_name, False)


@pytest.mark.parametrize(
    "error",
    [
        CanceledError("stop"),
        TerminatedError("by hand"),
        WorkerLostError("gone"),
        ActivityError("failed", activity_type="charge", activity_id="3", attempt=2),
        ActivityError(
            "failed", activity_type="a", activity_id="1", attempt=1, retry_state=RetryState.CANCEL_REQUESTED
        ),
        ChildWorkflowError(
            "failed", workflow_id="w", run_id="r", workflow_type="W", retry_state=RetryState.TIMEOUT
        ),
        TimedOutError("late", timeout_type=TimeoutType.HEARTBEAT, last_heartbeat={"page": 3}),
    ],
)
def test_each_kind_comes_back_as_its_own_class(error: FailureError) -> None:
    restored = from_failure(to_failure(error))
    assert type(restored) is type(error)
    assert restored.message == error.message
    own = {name: value for name, value in vars(restored).items() if not name.startswith("__")}
    assert own == vars(error)


def test_a_failure_that_does_not_say_why_there_was_no_other_attempt_says_none() -> None:
    for said in ("", "of a later version"):
        error = from_failure(Failure(kind="activity", retry_state=said))
        assert isinstance(error, ActivityError)
        assert error.retry_state is None


def test_a_cancelled_coroutine_is_a_cancellation() -> None:
    assert to_failure(asyncio.CancelledError()).kind == "canceled"


def test_causes_are_kept_in_order() -> None:
    error = raised(
        ActivityError("outer", activity_type="a", activity_id="1", attempt=1), raised(BrokeError("inner"))
    )
    restored = from_failure(to_failure(error))
    assert isinstance(restored.__cause__, ApplicationError)
    assert restored.__cause__.message == "inner"


def test_a_deep_stack_is_cut_to_its_innermost_frames() -> None:
    def innermost() -> None:
        raise BrokeError

    # Two functions in turn: a traceback folds a line that repeats.
    def odd(levels: int) -> None:
        even(levels - 1) if levels else innermost()

    def even(levels: int) -> None:
        odd(levels - 1) if levels else innermost()

    try:
        even(400)
    except BrokeError as error:
        stack = to_failure(error).stack
    assert len(stack) == STACK_CHARACTERS_MAX
    assert "in innermost" in stack


def test_the_stack_of_where_it_was_first_raised_survives_being_raised_again() -> None:
    failure = to_failure(raised(BrokeError("x")))
    assert "in raised" in failure.stack
    again = to_failure(raised(from_failure(failure)))
    assert again.stack == failure.stack
    assert any("in raised" in note for note in from_failure(again).__notes__)


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_error_that_cannot_be_told_still_travels() -> None:
    assert to_failure(HostileError()).message == "<the error's own __str__ raised RuntimeError>"
    assert to_failure(ValueError("a\0b\udc80")).message == "a\\x00b\\udc80"
    detail = to_failure(ApplicationError("x", Unknown())).details[0]
    assert "type Unknown cannot be sent" in from_payload(detail, str)


def test_details_in_an_encoding_unknown_here_stay_payloads() -> None:
    own = Payload("protobuf/order", b"\x08")
    restored = from_failure(Failure(message="x", details=(own,)))
    assert isinstance(restored, ApplicationError)
    assert list(restored.details) == [own]


def test_a_timeout_that_this_version_does_not_know_is_still_a_timeout() -> None:
    assert isinstance(from_failure(Failure(kind="timed_out", timeout_type="??")), TimedOutError)
