"""What user code hands over is taken in a plain type, or refused in a sentence, and nothing else happens."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example
from hypothesis import given as given_by_hypothesis

from dalsegno import ApplicationError, RetryPolicy, given
from dalsegno.name_rules import why_not_name, why_not_task_queue
from dalsegno.policies import ActivityCancellationType
from tests.sdk.odd_values import ODD, Index, Loud, Named, NumpyLike, Timedelta, odd_values

TAKERS: dict[str, tuple[Callable[[Any], Any], type, Callable[[Any], bool]]] = {
    "text": (
        lambda value: given.text("it", value),
        str,
        lambda got: "\0" not in got and isinstance(got.encode(), bytes),
    ),
    "name": (lambda value: given.name("it", value), str, lambda got: why_not_name(got) is None),
    "task queue": (
        lambda value: given.task_queue("it", value),
        str,
        lambda got: why_not_task_queue(got) is None,
    ),
    "flag": (lambda value: given.flag("it", value), bool, lambda got: got in (True, False)),
    "whole": (lambda value: given.whole("it", value, least=0, most=9), int, lambda got: 0 <= got <= 9),
    "number": (lambda value: given.number("it", value, least=1), float, lambda got: 1 <= got < math.inf),
    "seconds": (lambda value: given.seconds("it", value), float, lambda got: 0 <= got < math.inf),
    "microseconds": (
        lambda value: given.microseconds("it", value, positive=True),
        int,
        lambda got: 0 < got <= 2**53,
    ),
    "span": (lambda value: given.span("it", value), float, math.isfinite),
    "choice": (
        lambda value: given.choice("it", value, ActivityCancellationType),
        ActivityCancellationType,
        lambda got: got in ActivityCancellationType,
    ),
    "arguments": (lambda value: given.arguments("it", value), tuple, lambda got: True),
}


@pytest.mark.parametrize("kind", TAKERS)
@given_by_hypothesis(value=odd_values)
def test_every_value_is_taken_as_a_plain_one_that_may_be_or_refused_in_a_sentence(
    kind: str, value: Any
) -> None:
    take, plain, may_be = TAKERS[kind]
    try:
        got = take(value)
    except (TypeError, ValueError) as refusal:
        assert str(refusal).startswith("it ")
        assert str(refusal).endswith(".")
        assert len(str(refusal).encode()) < 500
    else:
        assert type(got) is plain
        assert may_be(got)


@pytest.mark.parametrize("kind", TAKERS)
def test_no_odd_value_makes_it_raise_anything_else(kind: str) -> None:
    for value in ODD:
        try:
            TAKERS[kind][0](value)
        except (TypeError, ValueError):
            continue


def test_what_is_of_another_type_by_name_only_is_taken() -> None:
    assert given.name("it", Named.ONE) == "one"
    assert given.name("it", Loud("loud")) == "loud"
    assert given.whole("it", Index(3), least=0, most=9) == 3
    assert given.microseconds("it", NumpyLike(2.5)) == 2_500_000
    assert given.microseconds("it", Timedelta(seconds=2)) == 2_000_000
    assert given.microseconds("it", 1e15) == 2**53
    assert given.choice("it", "abandon", ActivityCancellationType) is ActivityCancellationType.ABANDON


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: RetryPolicy(maximum_attempts=3.0),
            TypeError,
            r"maximum_attempts must be a whole number.* not 3\.0",
        ),  # type: ignore[arg-type]
        (lambda: RetryPolicy(maximum_attempts=True), TypeError, "not True"),
        (lambda: RetryPolicy(maximum_attempts=2**70), ValueError, "maximum_attempts"),
        (
            lambda: RetryPolicy(backoff_coefficient=float("nan")),
            ValueError,
            "backoff_coefficient must be a finite",
        ),
        (lambda: RetryPolicy(backoff_coefficient="2"), TypeError, "not '2'"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(initial_interval=0), ValueError, "more than 0 seconds, not 0"),
        (lambda: RetryPolicy(maximum_interval=float("inf")), ValueError, "finite"),
        (lambda: RetryPolicy(initial_interval=2, maximum_interval=1), ValueError, "not be less than"),
        (lambda: RetryPolicy(non_retryable_error_types="Broke"), TypeError, "a list of names, not 'Broke'"),
        (lambda: RetryPolicy(non_retryable_error_types=[5]), TypeError, "must be text, not 5"),  # type: ignore[list-item]
        (lambda: ApplicationError("x", non_retryable=None), TypeError, "True or False, not None"),  # type: ignore[arg-type]
        (lambda: ApplicationError("x", non_retryable=1), TypeError, "not 1"),  # type: ignore[arg-type]
        (lambda: ApplicationError("x", type=5), TypeError, "type of an ApplicationError must be text, not 5"),  # type: ignore[arg-type]
        (lambda: ApplicationError("x", type="\ud800"), ValueError, "lone surrogate"),
        (lambda: ApplicationError("x", next_retry_delay=-1), ValueError, "next_retry_delay"),
        (lambda: ApplicationError("x", next_retry_delay="1"), TypeError, "next_retry_delay"),  # type: ignore[arg-type]
    ],
)
def test_policies_and_errors_say_what_was_wrong(
    make: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make()


def test_a_class_among_the_non_retryable_types_stands_for_its_name() -> None:
    assert RetryPolicy(non_retryable_error_types=[ValueError, "Broke"]).error_types == ("ValueError", "Broke")


@given_by_hypothesis(
    interval=odd_values, coefficient=odd_values, maximum=odd_values, attempts=odd_values, types=odd_values
)
@example(interval=1, coefficient=2, maximum=timedelta(days=10**6), attempts=3, types=[KeyError])
def test_a_policy_is_made_of_plain_values_or_not_at_all(
    interval: Any, coefficient: Any, maximum: Any, attempts: Any, types: Any
) -> None:
    for options in (
        {"initial_interval": interval, "maximum_interval": maximum},
        {"backoff_coefficient": coefficient},
        {"maximum_attempts": attempts},
        {"non_retryable_error_types": types},
    ):
        try:
            policy = RetryPolicy(**options)
        except (TypeError, ValueError) as refusal:
            assert "RetryPolicy." in str(refusal)
        else:
            assert type(policy.backoff_coefficient) is float
            assert type(policy.maximum_attempts) is int
            assert all(type(name) is str for name in policy.error_types)


def test_text_takes_any_unicode() -> None:
    assert given.text("it", "ü€😀") == "ü€😀"
