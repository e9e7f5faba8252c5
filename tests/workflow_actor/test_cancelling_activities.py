"""Activities that user code cancels, by each cancellation type."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.commands import Signal, WakeUp
from dalsegno.actors.workflow_actor.effects import CancelTaskEffect, EffectID
from dalsegno.actors.workflow_actor.inputs import ActivityResolved, Signaled
from dalsegno.actors.workflow_actor.intents import CancelActivity, RetrySchedule
from tests.workflow_actor.rig import (
    SECOND,
    Rig,
    ScriptedCode,
    activity,
    canceled,
    completed,
    effects,
    failed,
    started,
    task,
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
        worker="worker-7", run_id="run-1", activity_id="1", attempt=1, reason="the workflow cancelled it"
    )
    assert outstanding_ids(rig) == [effect_id]
    assert rig.state.activities == {}
    assert rig.send(canceled(sent)).stale


def test_an_abandoned_activity_goes_on() -> None:
    rig = Rig(ScriptedCode([[activity(1, cancellation_type="abandon")], [CANCEL], []]))
    sent = task(rig.start())
    rig.send(started(sent))

    assert rig.send(STOP).effects == ()
    assert rig.send(completed(sent)).recorded


WAIT = {"cancellation_type": "wait_cancellation_completed"}


def test_waiting_for_the_cancellation_of_what_was_not_started_ends_in_the_same_activation() -> None:
    rig = Rig(ScriptedCode([[activity(1, **WAIT)], [CANCEL], []]))
    rig.start()

    stopped = rig.send(STOP)

    assert stopped.effects == ()
    resolved = rig.programs_seen[-1]
    assert isinstance(resolved, ActivityResolved)
    assert resolved.failure is not None
    assert resolved.failure.kind == "canceled"
    assert rig.instance.sequence == 2
    assert outstanding_ids(rig) == []


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
