"""Local activities in the state: what of a host's word counts, when one is tried again, or begun again."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.intents import CancelLocalActivity, ScheduleLocalActivity
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.local_activities.commands import (
    LocalWorkCanceled,
    LocalWorkCompleted,
    LocalWorkFailed,
)
from dalsegno.actors.workflow_actor.local_activities.local_activity import PATIENCE, LocalActivity
from dalsegno.actors.workflow_actor.local_activities.work import RunLocalActivity, StopAll
from dalsegno.actors.workflow_actor.run.events import Suspended
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.failure import Failure
from tests.workflow_actor.rig import SECOND, Rig, ScriptedCode, payload

NO = Failure(message="no", type="No")


def local(**changes: Any) -> ScheduleLocalActivity:
    fields: dict[str, Any] = {
        "number": 1,
        "activity_id": "1",
        "activity_type": "price",
        "args": (payload(),),
        "start_to_close": 600 * SECOND,
        "schedule_to_close": None,
        "schedule_to_start": None,
        "retry": RetrySchedule(),
        "retry_threshold": 0,
        "line": "offers.py:3",
    }
    return ScheduleLocalActivity(**(fields | changes))


def begun(*more: Any, passivating: bool = False, **changes: Any) -> Rig:
    rig = Rig(ScriptedCode([[local(**changes)], *more]), passivating=passivating)
    rig.start()
    return rig


def pending(rig: Rig) -> LocalActivity:
    (only,) = rig.state.local_activities.values()
    return only


def word(rig: Rig) -> dict[str, Any]:
    return {"run_id": "run-1", "number": 1, "token": pending(rig).token}


def resolved(rig: Rig) -> ActivityResolved:
    last = rig.state.log[len(rig.state.log) - 1].input
    assert isinstance(last, ActivityResolved)
    return last


def works(activation: Activation) -> list[Any]:
    return list(activation.works)


@pytest.mark.parametrize("passivating", [False, True])
def test_what_it_gives_is_an_input_and_a_second_word_is_nothing(passivating: bool) -> None:
    rig = begun(passivating=passivating)
    done = LocalWorkCompleted(**word(rig), result=payload("7"))
    rig.send(done, held=False)
    assert resolved(rig).result == payload("7")
    assert not rig.send(done, held=False).recorded


def test_a_word_with_another_token_does_not_count() -> None:
    rig = begun()
    stranger = word(rig) | {"token": b"another"}
    assert not rig.send(LocalWorkCompleted(**stranger, result=payload()), held=False).recorded
    assert not rig.send(LocalWorkFailed(**stranger, failure=NO, attempt=1), held=False).recorded
    assert not rig.send(LocalWorkCanceled(**stranger), held=False).recorded


def test_one_that_failed_is_tried_again_by_a_timer_with_the_attempts_of_its_host_counted() -> None:
    rig = begun()
    rig.send(LocalWorkFailed(**word(rig), failure=NO, attempt=3), held=False)
    assert (pending(rig).attempt, pending(rig).backing_off, pending(rig).last_failure) == (3, True, NO)
    assert rig.instance.wake_at == rig.now + 4 * SECOND
    assert not rig.send(LocalWorkFailed(**word(rig), failure=NO, attempt=3), held=False).recorded
    (work,) = works(rig.send(WakeUp(), held=False, after=4 * SECOND))
    assert isinstance(work, RunLocalActivity)
    assert (work.attempt, work.spec.activity_type) == (4, "price")


@pytest.mark.parametrize(
    ("changes", "attempt", "failure", "why"),
    [
        ({"retry": RetrySchedule(maximum_attempts=2)}, 2, NO, "maximum_attempts_reached"),
        ({}, 1, Failure(message="no", non_retryable=True), "non_retryable_failure"),
        ({"retry": RetrySchedule(non_retryable_error_types=("No",))}, 1, NO, "non_retryable_failure"),
        ({"schedule_to_close": SECOND}, 1, NO, "timeout"),
    ],
)
def test_one_that_has_failed_for_good_says_so(changes: Any, attempt: int, failure: Failure, why: str) -> None:
    rig = begun(**changes)
    rig.send(LocalWorkFailed(**word(rig), failure=failure, attempt=attempt), held=False)
    told = resolved(rig).failure
    assert told is not None
    assert (told.kind, told.cause, told.attempt) == ("activity", failure, attempt)
    assert told.retry_state == why


def test_one_that_nothing_is_heard_of_is_begun_again_less_and_less_often() -> None:
    rig = begun(passivating=True)
    assert rig.instance.wake_at == rig.now + PATIENCE
    first = pending(rig)
    (work,) = works(rig.send(WakeUp(), held=False, after=PATIENCE))
    assert (work.token, work.attempt, work.fence) == (first.token, 1, first.fence + 1)
    assert rig.instance.wake_at == rig.now + 2 * PATIENCE


def test_one_whose_time_has_run_out_meanwhile_is_not() -> None:
    rig = begun(schedule_to_close=SECOND)
    assert works(rig.send(WakeUp(), held=False, after=PATIENCE)) == []
    told = resolved(rig).failure
    assert told is not None
    assert told.cause is not None
    assert (told.cause.timeout_type, told.retry_state) == ("schedule_to_close", "timeout")


@pytest.mark.parametrize(("kind", "left"), [("try_cancel", 0), ("abandon", 1)])
def test_cancelling_it_waits_for_nothing(kind: str, left: int) -> None:
    rig = begun([CancelLocalActivity(number=1)], cancellation_type=kind)
    rig.send(Signal(name="go"))
    assert len(rig.state.local_activities) == left


def test_cancelling_it_may_wait_for_its_end_and_outlives_its_host() -> None:
    rig = begun([CancelLocalActivity(number=1)], cancellation_type="wait_cancellation_completed")
    rig.send(Signal(name="go"))
    (work,) = works(rig.send(WakeUp(), held=False, after=PATIENCE))
    assert work.cancel_requested
    rig.send(LocalWorkCanceled(**word(rig)), held=False)
    told = resolved(rig).failure
    assert told is not None
    assert told.kind == "canceled"


def test_nothing_goes_on_when_the_run_has_ended() -> None:
    rig = begun()
    (work,) = works(rig.send(Terminate()))
    assert isinstance(work, StopAll)
    assert rig.state.local_activities == {}


def test_as_long_as_an_older_format_is_written_the_run_is_suspended_and_says_what_to_do() -> None:
    rig = Rig(ScriptedCode([[local()]]))
    rig.instance.codec = CODEC.writing(2)
    rig.start()
    (suspended,) = rig.events(Suspended)
    assert "a local activity" in suspended.reason
    assert "dalsegno init" in suspended.reason
    rig.instance.codec = CODEC
    rig.send(WakeUp(), held=False, after=SECOND)
    assert pending(rig).spec.activity_type == "price"
