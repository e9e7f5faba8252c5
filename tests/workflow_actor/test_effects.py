"""Outstanding effects: what is confirmed, forgotten, parked, settled, failed."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.sends import TaskEffect
from dalsegno.actors.workflow_actor.interface.commands import FailEffect, Park, Settle, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect, EffectID, ResultEffect
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.policies import WorkflowIDConflictPolicy
from tests.workflow_actor.rig import (
    DONE,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    activity,
    completed,
    failed,
    start,
    started,
    task,
    task_id,
    timer,
)


def ids(rig: Rig) -> list[EffectID]:
    return [effect_id for effect_id, _ in rig.instance.outstanding()]


def test_effects_stay_outstanding_over_a_load_until_an_activation_has_recorded_their_confirm() -> None:
    rig = Rig(ScriptedCode([[activity(1), activity(2)], []]))
    rig.start()
    rig.instance.confirm("run-1", (1, 0))
    assert ids(rig) == [(1, 1)]

    rig.reload()
    assert ids(rig) == [(1, 0), (1, 1)]
    rig.instance.confirm("run-1", (1, 0))
    rig.send(Signal(name="a"))
    rig.reload()

    assert ids(rig) == [(1, 1)]


def test_a_new_cause_neither_sends_nor_forgets_what_is_unconfirmed() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [activity(2)]]))
    rig.start()

    second = rig.send(Signal(name="a"))

    assert [effect_id for effect_id, _ in second.effects] == [(2, 0)]
    assert ids(rig) == [(1, 0), (2, 0)]


def unsent(rig: Rig, now: int) -> list[tuple[EffectID, DurableEffect]]:
    """While nothing is on its way."""
    found = rig.instance.unsent(lambda *_: False, now)
    assert rig.instance.has_unsent(lambda *_: False, now) == bool(found)
    return found


def test_confirms_of_what_is_not_outstanding_are_passed_over() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.instance.confirm("run-1", (1, 0))
    rig.start()
    rig.instance.confirm("run-1", (7, 7))
    rig.instance.confirm("run-0", (1, 0))
    assert ids(rig) == [(1, 0)]
    assert not rig.needs_settle()


def test_effects_that_a_message_holds_wake_nobody() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start()
    assert rig.instance.wake_at == T0 + 600 * SECOND
    assert unsent(rig, rig.now) == []


def woken_with_a_task() -> Rig:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND)], [activity(1)], []]))
    rig.start()
    rig.send(WakeUp(), held=False, after=SECOND)
    return rig


def test_effects_of_a_wake_up_are_due_at_once_until_they_are_settled() -> None:
    rig = woken_with_a_task()
    assert rig.instance.wake_at == T0 + SECOND
    assert [effect_id for effect_id, _ in unsent(rig, rig.now)] == [(2, 0)]
    assert not rig.needs_settle()
    assert not rig.send(WakeUp(), held=False).recorded

    rig.instance.confirm("run-1", (2, 0))
    assert rig.needs_settle()
    assert unsent(rig, rig.now) == []
    settled = rig.send(Settle(), held=False)

    assert settled.recorded
    assert not rig.needs_settle()
    assert rig.instance.wake_at == T0 + 601 * SECOND
    assert ids(rig) == []
    assert not rig.send(Settle(), held=False).recorded


def test_after_a_crash_effects_of_a_wake_up_are_still_due() -> None:
    rig = woken_with_a_task()
    rig.instance.confirm("run-1", (2, 0))
    rig.reload()
    assert rig.instance.wake_at == T0 + SECOND
    assert [effect_id for effect_id, _ in unsent(rig, rig.now)] == [(2, 0)]


def test_another_cause_may_settle_what_a_wake_up_left() -> None:
    rig = woken_with_a_task()
    rig.instance.confirm("run-1", (2, 0))
    rig.send(Signal(name="a"))
    assert not rig.needs_settle()
    assert rig.instance.wake_at == T0 + 601 * SECOND


def test_a_parked_effect_is_woken_up_for() -> None:
    rig = Rig(ScriptedCode([[activity(1), activity(2)]]))
    rig.start()

    parked = rig.send(Park(effects=((1, 0), (9, 9)), retry_at=T0 + 10 * SECOND), held=False)

    assert parked.recorded
    assert rig.instance.wake_at == T0 + 10 * SECOND
    assert unsent(rig, T0 + 9 * SECOND) == []
    assert [effect_id for effect_id, _ in unsent(rig, T0 + 10 * SECOND)] == [(1, 0)]
    assert ids(rig) == [(1, 0), (1, 1)]
    rig.instance.confirm("run-1", (1, 0))
    assert rig.needs_settle()
    assert not rig.send(Park(effects=((9, 9),), retry_at=T0), held=False).recorded


def test_a_task_that_cannot_be_sent_fails_its_activity_for_good() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    rig.start()

    rig.send(FailEffect(effect=(1, 0), reason="the message is larger than 16 MiB"), held=False)

    resolved = rig.programs_seen[-1]
    assert isinstance(resolved, ActivityResolved)
    assert resolved.failure is not None
    cause = resolved.failure.cause
    assert cause is not None
    assert (cause.type, cause.message) == ("TaskTooLarge", "the message is larger than 16 MiB")
    assert ids(rig) == []


def test_a_result_that_cannot_be_sent_is_dropped() -> None:
    rig = Rig(ScriptedCode([[DONE]]))
    rig.start(wants_result=True)

    assert rig.send(FailEffect(effect=(1, 0), reason="too large"), held=False).recorded

    assert ids(rig) == []
    assert not rig.send(FailEffect(effect=(1, 0), reason="too large"), held=False).recorded


def test_effects_of_an_earlier_run_can_be_parked_and_dropped() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start(wants_result=True)
    rig.send_all(start("run-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))

    park = Park(effects=((2, 0),), retry_at=T0 + 5 * SECOND, run_id="run-1")
    assert rig.send(park, held=False).recorded
    assert rig.instance.wake_at == T0 + 5 * SECOND
    ((effect_id, effect),) = unsent(rig, T0 + 5 * SECOND)
    assert (effect_id, effect.run_id) == ((2, 0), "run-1")
    assert rig.send(FailEffect(effect=(2, 0), reason="gone", run_id="run-1"), held=False).recorded

    assert rig.state.earlier == ()
    assert rig.instance.wake_at == T0 + 600 * SECOND


def test_an_effect_of_an_earlier_run_that_was_parked_can_be_settled() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start(wants_result=True)
    rig.send_all(start("run-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))
    rig.send(Park(effects=((2, 0),), retry_at=T0 + 5 * SECOND, run_id="run-1"), held=False)

    rig.instance.confirm("run-1", (2, 0))
    assert rig.needs_settle()
    assert rig.send(Settle(), held=False).recorded

    assert rig.state.earlier == ()
    assert not rig.needs_settle()


def test_a_result_stays_outstanding_after_the_end_of_its_run() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [DONE]]))
    begun = rig.start(wants_result=True)
    rig.send(completed(task(begun)))

    rig.reload()

    ((effect_id, effect),) = rig.instance.outstanding()
    assert effect_id == (2, 0)
    assert not rig.instance.is_over
    assert isinstance(effect, ResultEffect)
    assert effect.result == DONE.result


def test_results_of_a_wake_up_keep_a_closed_run_awake_until_they_are_settled() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND)], [DONE]]))
    rig.start(wants_result=True)
    rig.send(WakeUp(), held=False, after=SECOND)
    assert rig.instance.wake_at == T0 + SECOND

    rig.instance.confirm("run-1", (2, 0))
    rig.send(Settle(), held=False)

    assert rig.instance.wake_at is None


def test_a_retry_replaces_the_task_of_the_attempt_before() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    begun = rig.start()
    rig.send(failed(task(begun)))
    assert ids(rig) == []
    retried = rig.send(WakeUp(), held=False, after=SECOND)
    assert ids(rig) == [task_id(retried)]


def test_a_grant_means_nothing_once_its_attempt_is_over() -> None:
    rig = Rig(ScriptedCode([[activity(1, retry=RetrySchedule(maximum_attempts=1))], []]))
    sent = task(rig.start())
    rig.send(started(sent))
    assert len(ids(rig)) == 1
    rig.send(completed(sent))
    assert ids(rig) == []


def test_outstanding_tasks_are_built_from_the_state() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    begun = rig.start()
    rig.reload()
    ((_, effect),) = rig.instance.outstanding()
    assert isinstance(effect, TaskEffect)
    assert effect == task(begun)
