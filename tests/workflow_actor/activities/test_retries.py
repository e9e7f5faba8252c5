"""Failed attempts: whether there is another, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved, RetryPlanned
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule, retry_delay
from dalsegno.failure import Failure
from tests.workflow_actor.rig import (
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    activity,
    completed,
    failed,
    heartbeat,
    payload,
    started,
    task,
)


def resolved(rig: Rig) -> ActivityResolved:
    (only,) = rig.programs_seen[1:]
    assert isinstance(only, ActivityResolved)
    return only


def test_a_failed_attempt_is_followed_by_another_after_the_policy_s_delay() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    first = task(rig.start())

    failing = rig.send(failed(first))
    assert failing.recorded
    assert failing.effects == ()
    assert rig.instance.wake_at == T0 + SECOND
    assert not rig.send(WakeUp(), held=False, after=SECOND - 1).recorded
    second = task(rig.send(WakeUp(), held=False, after=1))

    assert (second.attempt, second.scheduled_at) == (2, T0 + SECOND)
    assert second.token != first.token
    assert rig.send(completed(first)).stale
    assert rig.send(completed(second)).recorded


def test_a_result_of_an_attempt_that_already_failed_is_stale() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    sent = task(rig.start())
    rig.send(failed(sent))
    assert rig.send(completed(sent)).stale
    assert rig.send(failed(sent)).stale


def test_delays_grow_by_the_coefficient_up_to_the_maximum() -> None:
    schedule = RetrySchedule(initial_interval=SECOND, backoff_coefficient=2.0, maximum_interval=10 * SECOND)
    assert [retry_delay(schedule, attempt) // SECOND for attempt in (1, 2, 3, 4, 5, 6)] == [1, 2, 4, 8, 10, 10]


@given(
    st.integers(1, 2**53),
    st.floats(min_value=1.0, allow_nan=False) | st.just(float("nan")),
    st.integers(1, 2**53),
    st.integers(1, 2**53),
)
def test_a_delay_is_never_more_than_the_maximum_whatever_the_numbers(
    initial: int, coefficient: float, maximum: int, attempt: int
) -> None:
    schedule = RetrySchedule(
        initial_interval=initial, backoff_coefficient=coefficient, maximum_interval=maximum
    )
    assert 0 <= retry_delay(schedule, attempt) <= maximum


def test_the_worker_s_own_delay_replaces_the_policy_s_once() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())
    rig.send(failed(sent, next_retry_delay=60 * SECOND))
    assert rig.instance.wake_at == T0 + 60 * SECOND
    second = task(rig.send(WakeUp(), held=False, after=60 * SECOND))
    rig.send(failed(second))
    assert rig.instance.wake_at == T0 + 62 * SECOND


@pytest.mark.parametrize(
    ("failure", "schedule", "why"),
    [
        (Failure(message="no", non_retryable=True), RetrySchedule(), "non_retryable_failure"),
        (
            Failure(message="no", type="Declined"),
            RetrySchedule(non_retryable_error_types=("Declined",), maximum_attempts=1),
            "non_retryable_failure",
        ),
        (
            Failure(message="no", type="ExceptionGroup", parts=(Failure(), Failure(type="Declined"))),
            RetrySchedule(non_retryable_error_types=("Declined",)),
            "non_retryable_failure",
        ),
        (Failure(message="no"), RetrySchedule(maximum_attempts=1), "maximum_attempts_reached"),
    ],
)
def test_a_final_failure_is_given_to_the_code_with_its_cause(
    failure: Failure, schedule: RetrySchedule, why: str
) -> None:
    rig = Rig(ScriptedCode([[activity(1, retry=schedule)], []]))
    rig.send(failed(task(rig.start()), failure))

    wrapped = resolved(rig).failure
    assert wrapped is not None
    assert (wrapped.kind, wrapped.activity_type, wrapped.activity_id) == ("activity", "charge", "1")
    assert wrapped.attempt == 1
    assert wrapped.message == "activity charge failed: no"
    assert (wrapped.cause, wrapped.retry_state) == (failure, why)


def test_a_delay_of_centuries_is_cut_not_refused() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.send(failed(task(rig.start()), next_retry_delay=2**53))
    assert rig.instance.wake_at == 2**53


def test_attempts_are_counted() -> None:
    rig = Rig(ScriptedCode([[activity(1, retry=RetrySchedule(maximum_attempts=3))], []]))
    sent = task(rig.start())
    for _ in range(2):
        rig.send(failed(sent))
        sent = task(rig.send(WakeUp(), held=False, after=10 * SECOND))
    rig.send(failed(sent))

    failure = resolved(rig).failure
    assert failure is not None
    assert failure.attempt == 3
    assert len(rig.events(RetryPlanned)) == 2


def test_there_is_no_retry_beyond_the_schedule_to_close_timeout() -> None:
    rig = Rig(ScriptedCode([[activity(1, schedule_to_close=3 * SECOND)], []]))
    rig.send(failed(task(rig.start())))
    second = task(rig.send(WakeUp(), held=False, after=SECOND))
    rig.send(failed(second), after=SECOND // 2)
    assert rig.events(RetryPlanned)[-1].retry_at == T0 + SECOND
    failure = resolved(rig).failure
    assert failure is not None
    assert (failure.attempt, failure.retry_state) == (2, "timeout")


def test_the_last_heartbeat_s_details_go_to_the_next_attempt() -> None:
    rig = Rig(ScriptedCode([[activity(1, heartbeat_timeout=10 * SECOND)], []]))
    first = task(rig.start())
    rig.send(started(first))
    rig.send(heartbeat(first, payload("41")))
    rig.send(heartbeat(first, payload("42")))
    rig.send(heartbeat(first))
    rig.send(failed(first))

    second = task(rig.send(WakeUp(), held=False, after=SECOND))
    assert second.heartbeat_details == payload("42")
    rig.send(started(second))
    rig.send(failed(second))
    third = task(rig.send(WakeUp(), held=False, after=2 * SECOND))
    assert third.heartbeat_details == payload("42")


def test_a_long_message_of_a_failure_is_cut_in_the_failure_that_wraps_it() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    rig.send(failed(task(rig.start()), Failure(message="x" * 9000, non_retryable=True)))
    failure = resolved(rig).failure
    assert failure is not None
    assert len(failure.message) < 600
    assert failure.cause is not None
    assert len(failure.cause.message) == 9000
