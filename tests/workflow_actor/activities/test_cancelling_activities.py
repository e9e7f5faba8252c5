"""Activities that user code cancels, by each cancellation type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved, ActivityUnwanted
from dalsegno.actors.workflow_actor.activities.intents import CancelActivity
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, GrantEffect, TaskEffect
from dalsegno.actors.workflow_actor.interface.commands import Cancel, Command, Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.run.apply import apply
from dalsegno.actors.workflow_actor.run.events import Ran
from dalsegno.actors.workflow_actor.run.intents import CancelRun, FailRun
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.failure import Failure
from tests.workflow_actor.rig import (
    DONE,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    activity,
    canceled,
    completed,
    effects,
    failed,
    heartbeat,
    started,
    task,
    tasks,
    timer,
)

CANCEL = CancelActivity(number=1)
STOP = Signal(name="stop")


def outstanding_ids(rig: Rig) -> list[EffectID]:
    return [effect_id for effect_id, _ in rig.instance.outstanding()]


def test_try_cancel_forgets_an_activity_that_nobody_started() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [CANCEL]]))
    sent = task(rig.start())

    assert rig.send(STOP).effects == ()

    assert rig.state.activities == {}
    assert outstanding_ids(rig) == []
    assert rig.send(completed(sent)).stale
    assert isinstance(rig.programs_seen[-1], Signaled)


def test_try_cancel_asks_the_worker_to_stop_and_waits_for_nothing() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [CANCEL]]))
    sent = task(rig.start())
    rig.send(started(sent, "worker-7"))

    ((effect_id, stop),) = rig.send(STOP).effects

    assert stop == CancelTaskEffect(
        worker="worker-7",
        run_id="run-1",
        activity_id="1",
        attempt=1,
        reason="the workflow cancelled it",
        token=sent.token,
    )
    assert outstanding_ids(rig) == [effect_id]
    assert rig.state.activities == {}
    assert rig.send(canceled(sent)).stale


@pytest.mark.parametrize("shows_itself", [started, heartbeat])
def test_an_id_that_is_used_again_while_old_code_runs_is_told_apart_by_its_token(shows_itself: Any) -> None:
    second = activity(2, activity_id="1", start_to_close=1200 * SECOND)
    rig = Rig(ScriptedCode([[activity(1)], [CANCEL, second]]))
    old = task(rig.start())
    rig.send(started(old, "worker-1"))
    cancelled = rig.send(STOP)
    (stop,), new = effects(cancelled, CancelTaskEffect), task(cancelled)
    assert (new.activity_id, new.attempt) == (old.activity_id, old.attempt)
    assert (stop.token, new.token == old.token) == (old.token, False)

    (again,) = effects(rig.send(shows_itself(old, worker="worker-1")), CancelTaskEffect)
    assert again.token == old.token
    (grant,) = effects(rig.send(started(new, "worker-1")), GrantEffect)
    assert (grant.granted, grant.token) == (True, new.token)


def test_an_abandoned_activity_goes_on() -> None:
    rig = Rig(ScriptedCode([[activity(1, cancellation_type="abandon")], [CANCEL], []]))
    sent = task(rig.start())
    rig.send(started(sent))

    assert rig.send(STOP).effects == ()
    assert rig.send(completed(sent)).recorded


def test_an_abandoned_activity_that_shows_itself_when_its_run_has_ended_is_left_alone() -> None:
    abandoned = activity(1, cancellation_type="abandon")
    rig = Rig(ScriptedCode([[abandoned, activity(2)], [CANCEL, DONE]]))
    alone, other = tasks(rig.start())
    rig.send(STOP)
    assert rig.state.is_closed

    assert effects(rig.send(started(alone, "worker-7")), CancelTaskEffect) == []
    assert rig.send(heartbeat(alone, worker="worker-7")).effects == ()
    (stop,) = effects(rig.send(started(other, "worker-8")), CancelTaskEffect)
    assert (stop.worker, stop.activity_id) == ("worker-8", "2")
    (stop,) = effects(rig.send(heartbeat(other, worker="worker-8")), CancelTaskEffect)
    assert (stop.worker, stop.activity_id) == ("worker-8", "2")


def test_a_later_attempt_of_an_abandoned_activity_is_left_alone_too() -> None:
    rig = Rig(ScriptedCode([[activity(1, cancellation_type="abandon")], [CANCEL, DONE]]))
    rig.send(failed(task(rig.start())))
    again = task(rig.send(WakeUp(), after=SECOND))
    rig.send(STOP)

    assert again.attempt == 2
    assert effects(rig.send(started(again, "worker-7")), CancelTaskEffect) == []


def test_an_attempt_of_an_abandoned_activity_that_was_given_up_is_asked_to_stop_while_its_run_goes_on() -> None:
    rig = Rig(ScriptedCode([[activity(1, cancellation_type="abandon")], [CANCEL], []]))
    given_up = task(rig.start())
    rig.send(STOP)
    rig.send(failed(given_up))

    assert len(effects(rig.send(started(given_up, "worker-7")), CancelTaskEffect)) == 1


WAIT = {"cancellation_type": "wait_cancellation_completed"}


def last_resolved(rig: Rig) -> ActivityResolved | None:
    last = rig.programs_seen[-1]
    return last if isinstance(last, ActivityResolved) else None


@pytest.mark.parametrize("word", [completed, failed, canceled])
def test_late_work_may_be_running_before_it_says_so_and_its_cancellation_waits_for_its_word(
    word: Callable[[TaskEffect], Command],
) -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT)], [CANCEL], []]))
    sent = task(rig.start())

    assert rig.send(STOP).effects == ()
    assert last_resolved(rig) is None
    assert rig.instance.describe()["pending_activities"][0]["cancel_requested"]

    rig.send(word(sent))

    resolved = last_resolved(rig)
    assert resolved is not None
    assert (resolved.failure is None) == (word is completed)
    assert outstanding_ids(rig) == []


def test_a_late_attempt_that_was_cancelled_in_the_queue_is_asked_to_stop_when_it_shows_itself() -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT)], [CANCEL], []]))
    sent = task(rig.start())
    rig.send(STOP)

    (stop,) = effects(rig.send(started(sent, "worker-3")), CancelTaskEffect)
    assert stop.worker == "worker-3"

    rig.send(canceled(sent))
    resolved = last_resolved(rig)
    assert resolved is not None
    assert resolved.failure is not None
    assert resolved.failure.kind == "canceled"


@pytest.mark.parametrize("limit", ["schedule_to_start", "schedule_to_close"])
def test_waiting_for_a_task_that_no_worker_takes_ends_with_its_timeouts(limit: str) -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT, **{limit: 20 * SECOND})], [CANCEL], []]))
    rig.start()
    rig.send(STOP)

    rig.send(WakeUp(), held=False, after=20 * SECOND)

    resolved = last_resolved(rig)
    assert resolved is not None
    assert resolved.failure is not None
    assert resolved.failure.cause is not None
    assert resolved.failure.cause.timeout_type == limit


EARLY = {"heartbeat_timeout": 10 * SECOND}


def test_early_work_that_was_not_granted_is_cancelled_at_once_and_never_granted() -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT, **EARLY)], [CANCEL], []]))
    sent = task(rig.start())

    rig.send(STOP)

    assert last_resolved(rig) is not None
    (grant,) = effects(rig.send(started(sent)), GrantEffect)
    assert not grant.granted


def test_a_task_that_never_left_is_cancelled_in_the_same_activation() -> None:
    """Two inputs of one activation: the first schedules it, the second cancels it."""
    rig = Rig(
        ScriptedCode([[timer(1, T0 + SECOND), timer(2, T0 + SECOND)], [activity(1, **WAIT)], [CANCEL], []])
    )
    rig.start()

    fired = rig.send(WakeUp(), held=False, after=SECOND)

    assert fired.effects == ()
    assert last_resolved(rig) is not None


@pytest.mark.parametrize("word", [started, heartbeat])
def test_a_cancelled_attempt_is_asked_again_each_time_it_shows_itself(word: Any) -> None:
    """The first request may have gone with the worker's queue."""
    for changes in ({}, EARLY):
        rig = Rig(ScriptedCode([[activity(1, **WAIT, **changes)], [CANCEL], []]))
        sent = task(rig.start())
        rig.send(started(sent, "worker-1"))
        rig.send(STOP)

        (stop,) = effects(rig.send(word(sent, worker="worker-1")), CancelTaskEffect)

        assert (stop.worker, stop.reason) == ("worker-1", "the workflow cancelled it")


@pytest.mark.parametrize("word", [started, heartbeat])
def test_work_that_goes_on_after_its_workflow_is_asked_to_stop_when_it_shows_itself(word: Any) -> None:
    ends: list[tuple[list[Intent], Command]] = [
        ([DONE], STOP),
        ([FailRun(failure=Failure(message="no"))], STOP),
        ([CancelRun(failure=Failure(kind="canceled"))], Cancel()),
        ([], Terminate()),
    ]
    for intents, command in ends:
        rig = Rig(ScriptedCode([[activity(1, **WAIT)], intents]))
        sent = task(rig.start())
        rig.send(command)
        assert rig.state.is_closed

        (stop,) = effects(rig.send(word(sent, worker="worker-1")), CancelTaskEffect)

        assert stop.worker == "worker-1"


def test_older_journals_settle_a_task_that_was_out_as_they_did_when_they_were_written() -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT)]]))
    rig.start()
    signaled = replace(rig.state, log=rig.state.log.append(rig.now, Signaled(name="stop")))

    after = apply(signaled, Ran(("cancel activity 1",), (ActivityUnwanted(1),)))

    assert after.activities == {}


def test_waiting_for_the_cancellation_ends_with_the_worker_s_word() -> None:
    for word, kind in ((canceled, "canceled"), (failed, "activity")):
        rig = Rig(ScriptedCode([[activity(1, **WAIT)], [CANCEL], []]))
        sent = task(rig.start())
        rig.send(started(sent))
        (stop,) = effects(rig.send(STOP), CancelTaskEffect)
        assert stop.attempt == 1
        assert rig.instance.describe()["pending_activities"][0]["cancel_requested"]
        assert not isinstance(rig.programs_seen[-1], ActivityResolved)

        rig.send(word(sent))

        resolved = rig.programs_seen[-1]
        assert isinstance(resolved, ActivityResolved)
        assert resolved.failure is not None
        assert resolved.failure.kind == kind
        assert outstanding_ids(rig) == []


def test_an_activity_that_completes_although_it_was_cancelled_has_its_result() -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT)], [CANCEL], []]))
    sent = task(rig.start())
    rig.send(started(sent))
    rig.send(STOP)
    rig.send(completed(sent))
    resolved = rig.programs_seen[-1]
    assert isinstance(resolved, ActivityResolved)
    assert resolved.failure is None


def test_an_attempt_that_backs_off_is_cancelled_at_once() -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT)], [CANCEL], []]))
    rig.send(failed(task(rig.start())))
    rig.send(STOP)
    assert isinstance(rig.programs_seen[-1], ActivityResolved)
    assert rig.instance.wake_at is None


def test_the_next_worker_of_a_cancelled_late_attempt_is_asked_to_stop_too() -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT)], [CANCEL], []]))
    sent = task(rig.start())
    rig.send(started(sent, "worker-1"))
    rig.send(STOP)

    (stop,) = effects(rig.send(started(sent, "worker-2")), CancelTaskEffect)

    assert stop.worker == "worker-2"


def test_a_second_cancel_of_one_activity_asks_nobody_again() -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT)], [CANCEL], [CANCEL], []]))
    rig.send(started(task(rig.start())))
    assert len(rig.send(STOP).effects) == 1
    assert rig.send(STOP).effects == ()


def test_cancelling_what_is_settled_already_changes_nothing() -> None:
    """Its end lies in the log, and the code that cancels it has not come to it."""
    rig = Rig(ScriptedCode([[activity(1, retry=RetrySchedule(maximum_attempts=1))], [CANCEL], []]))
    sent = task(rig.start())
    rig.send(completed(sent))
    assert rig.send(STOP).recorded
    assert rig.send(WakeUp(), held=False, after=SECOND).effects == ()
