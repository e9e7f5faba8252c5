"""Starting runs: policies, duplicates, and what the caller is told."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.interface import recipients
from dalsegno.actors.workflow_actor.interface.commands import AwaitEnd, Caller, Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, ResultEffect
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.actors.workflow_actor.run.events import CallerAdded, RunClosed, RunStarted
from dalsegno.actors.workflow_actor.run.intents import CompleteRun, FailRun
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowIDReusePolicy, WorkflowStatus
from tests.workflow_actor.rig import (
    CALLER,
    DONE,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    activity,
    answer,
    completed,
    effects,
    payload,
    sent,
    start,
    task,
    tasks,
)


def test_a_start_is_answered_and_sends_what_the_code_wants_first() -> None:
    rig = Rig(ScriptedCode([[activity(1), activity(2)]]))

    begun = rig.start(memo={"owner": payload('"me"')})

    assert begun.recorded
    assert begun.sequence == 1
    assert [effect_id for effect_id, _ in begun.effects] == [None, (1, 0), (1, 1)]
    assert answer(begun) == AnswerEffect(
        caller=CALLER,
        kind="accepted",
        workflow_id="w",
        run_id="run-1",
        status=WorkflowStatus.RUNNING,
    )
    assert [effect.activity_id for effect in tasks(begun)] == ["1", "2"]
    assert begun.opened is not None
    assert begun.opened.status is WorkflowStatus.RUNNING
    assert begun.opened.started_at == T0
    assert CODEC.decode_memo(begun.opened.memo) == {"owner": payload('"me"')}
    assert begun.changed is None


def test_who_wants_no_answer_gets_none() -> None:
    rig = Rig(ScriptedCode([[]]))
    assert rig.start(wants_accepted=False).effects == ()


def test_a_run_that_ends_at_once_is_opened_and_closed_in_one_activation() -> None:
    rig = Rig(ScriptedCode([[DONE]]))

    begun = rig.start(wants_result=True)

    assert begun.opened is not None
    assert begun.opened.status is WorkflowStatus.RUNNING
    assert begun.changed is not None
    assert begun.changed.status is WorkflowStatus.COMPLETED
    assert begun.changed.closed_at == T0
    assert begun.changed.result is not None
    assert CODEC.decode_outcome(begun.changed.result) == (WorkflowStatus.COMPLETED, DONE.result, None)
    (result,) = effects(begun, ResultEffect)
    assert (result.caller, result.result, result.status) == (CALLER, DONE.result, WorkflowStatus.COMPLETED)
    assert rig.instance.wake_at is None


def test_a_start_that_comes_again_is_answered_again_and_changes_nothing() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    begun = rig.start()

    again = rig.start()

    assert not again.recorded
    assert again.effects == begun.effects
    assert rig.instance.sequence == 1


def test_a_start_is_refused_while_a_run_is_open() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start()

    refused = rig.start("run-2", wants_accepted=False)

    assert not refused.recorded
    assert answer(refused).error == ("already_started", "workflow 'w' has the run run-1, which is still open")
    assert answer(refused).run_id == "run-1"


def test_use_existing_answers_with_the_open_run_and_tells_the_new_caller_its_result() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [DONE]]))
    first = rig.start(wants_result=True)
    other = Caller("replies", "call-2")

    joined = rig.start(
        "run-2",
        conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        caller=other,
        wants_result=True,
    )
    joined_again = rig.start(
        "run-2",
        conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        caller=other,
        wants_result=True,
    )

    assert joined.recorded
    assert answer(joined).run_id == "run-1"
    assert not joined_again.recorded
    assert len(rig.events(CallerAdded)) == 1
    closed = rig.send(completed(task(first)))
    assert [effect.caller for effect in effects(closed, ResultEffect)] == [CALLER, other]


def test_who_finds_it_running_again_and_again_does_not_make_it_grow_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recipients, "CLIENTS_MAX", 3)
    rig = Rig(ScriptedCode([[activity(1)], [DONE]]))
    first = rig.start(wants_result=True)
    joined = [
        rig.start(
            f"run-{number}",
            conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            caller=Caller("replies", f"call {number}"),
            wants_result=True,
        )
        for number in range(2, 8)
    ]
    moved = rig.start(wants_result=True, caller=Caller("new-queue", "call-1"))

    assert {answer(activation).run_id for activation in (*joined, moved)} == {"run-1"}, "each is taken"
    assert len(rig.events(CallerAdded)) == 2
    parent = WorkflowOf("parent", "run-of-parent", 1)
    assert rig.send(AwaitEnd(workflow_id="w", run_id=None, asker=parent)).recorded, (
        "a workflow does not ask again"
    )
    closed = rig.send(completed(task(first)))
    told = [effect.caller.correlation_id for effect in effects(closed, ResultEffect)]
    assert told == [CALLER.correlation_id, "call 2", "call 3"]


def test_a_start_that_comes_again_from_a_new_queue_is_told_the_outcome_there_too() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [DONE]]))
    first = rig.start(wants_result=True)
    moved = Caller("new-queue", "call-1")

    again = rig.start(wants_result=True, caller=moved)
    once_more = rig.start(wants_result=True, caller=moved)

    assert again.recorded
    assert (answer(again).run_id, answer(again).caller) == ("run-1", moved)
    assert not once_more.recorded
    assert len(rig.events(CallerAdded)) == 1
    closed = rig.send(completed(task(first)))
    assert [effect.caller for effect in effects(closed, ResultEffect)] == [CALLER, moved]


def test_a_start_that_comes_again_from_a_new_queue_after_the_end_is_told_the_outcome_at_once() -> None:
    rig = Rig(ScriptedCode([[DONE]]))
    rig.start(wants_result=True)
    moved = Caller("new-queue", "call-1")

    again = rig.start(wants_result=True, caller=moved)

    assert not again.recorded
    told = [
        (effect_id, effect.caller) for effect_id, effect in again.effects if isinstance(effect, ResultEffect)
    ]
    assert told == [(None, moved), ((1, 0), CALLER)]


def test_terminate_existing_closes_the_open_run_and_opens_the_new_one_together() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start(wants_result=True)

    closed, opened = rig.send_all(start("run-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))

    assert (closed.run_id, closed.sequence) == ("run-1", 2)
    assert closed.changed is not None
    assert closed.changed.status is WorkflowStatus.TERMINATED
    assert closed.changed.reason == "its place was taken by run run-2"
    (result,) = effects(closed, ResultEffect)
    assert result.failure is not None
    assert result.failure.kind == "terminated"
    assert (opened.run_id, opened.sequence) == ("run-2", 1)
    assert opened.opened is not None
    assert answer(opened).run_id == "run-2"
    assert rig.instance.run_id == "run-2"


def test_a_result_of_the_run_before_stays_outstanding_in_the_run_that_took_its_place() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start(wants_result=True)
    replacing = start("run-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    rig.send_all(replacing)

    rig.reload()

    (first_id, first), (second_id, second) = rig.instance.outstanding()
    assert (first_id, first.run_id) == ((2, 0), "run-1")
    assert isinstance(first, ResultEffect)
    assert first.status is WorkflowStatus.TERMINATED
    assert (second_id, second.run_id) == ((1, 0), "run-2")
    again = rig.send_all(replacing)
    assert {(activation.run_id, effect_id) for activation in again for effect_id, _ in activation.effects} == {
        ("run-1", (2, 0)),
        ("run-2", None),
        ("run-2", (1, 0)),
    }
    rig.instance.confirm("run-1", (2, 0))
    assert [effect.run_id for _, effect in rig.instance.outstanding()] == ["run-2"]
    rig.send(completed(second))  # type: ignore[arg-type]
    assert rig.state.earlier == ()


@pytest.mark.parametrize(
    ("policy", "outcome", "allowed"),
    [
        (WorkflowIDReusePolicy.ALLOW_DUPLICATE, "completed", True),
        (WorkflowIDReusePolicy.ALLOW_DUPLICATE, "failed", True),
        (WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY, "completed", False),
        (WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY, "failed", True),
        (WorkflowIDReusePolicy.REJECT_DUPLICATE, "completed", False),
        (WorkflowIDReusePolicy.REJECT_DUPLICATE, "failed", False),
    ],
)
def test_a_closed_run_is_followed_by_another_as_the_reuse_policy_says(
    policy: WorkflowIDReusePolicy, outcome: str, allowed: bool
) -> None:
    end: CompleteRun | FailRun = DONE if outcome == "completed" else FailRun(failure=Failure(message="no"))
    rig = Rig(ScriptedCode([[end]]))
    rig.start()

    second = rig.start("run-2", reuse_policy=policy)

    assert second.recorded is allowed
    if allowed:
        assert (rig.instance.run_id, rig.instance.sequence) == ("run-2", 1)
    else:
        assert answer(second).error == (
            "already_started",
            f"workflow 'w' has the run run-1, which has ended: {outcome}",
        )


def test_results_that_were_confirmed_are_not_handed_on_to_the_next_run() -> None:
    rig = Rig(ScriptedCode([[DONE]]))
    begun = rig.start(wants_result=True)
    (result_id,) = [effect_id for effect_id, effect in begun.effects if isinstance(effect, ResultEffect)]
    assert result_id is not None
    rig.instance.confirm("run-1", result_id)

    rig.start("run-2")

    assert rig.state.earlier == ()


def test_results_that_were_delivered_before_the_instance_was_put_away_are_not_handed_on() -> None:
    """Their confirms are recorded nowhere; but the message that held them would have come again by now."""
    rig = Rig(ScriptedCode([[DONE]]))
    rig.start(wants_result=True)
    rig.reload()
    rig.start("run-2", wants_result=True)
    assert rig.state.earlier == ()


def test_results_that_were_on_their_way_when_the_instance_was_put_away_are_handed_on() -> None:
    rig = Rig(ScriptedCode([[DONE]]))
    begun = rig.start(wants_result=True)
    (result_id,) = [effect_id for effect_id, effect in begun.effects if isinstance(effect, ResultEffect)]
    rig.reload()
    rig.instance.confirmations.still_sent({("run-1", result_id)})
    rig.start("run-2", wants_result=True)
    assert [entry.run_id for entry in rig.state.earlier] == ["run-1"]


def test_results_that_are_being_sent_again_are_handed_on() -> None:
    rig = Rig(ScriptedCode([[DONE]]))
    rig.start(wants_result=True)
    rig.reload()
    rig.start(wants_result=True)  # the message that holds the result comes again
    rig.start("run-2", wants_result=True)
    assert [entry.run_id for entry in rig.state.earlier] == ["run-1"]


def test_what_is_handed_on_from_run_to_run_is_dropped_after_a_day() -> None:
    rig = Rig(ScriptedCode([[DONE]]))
    rig.start(wants_result=True)
    rig.start("run-2", wants_result=False)
    assert len(rig.state.earlier) == 1

    rig.send(start("run-3"), after=25 * 3600 * SECOND)

    assert list(rig.state.earlier) == []


def test_an_unknown_type_is_recorded_suspended_and_accepted() -> None:
    rig = Rig(ScriptedCode([[]]))

    begun = rig.start(workflow_type="refund")

    assert begun.recorded
    assert answer(begun).error is None
    assert answer(begun).status is WorkflowStatus.SUSPENDED
    assert answer(begun).reason == "this host has no workflow 'refund' for the task queue 'default'"
    assert begun.opened is not None
    assert begun.opened.status is WorkflowStatus.SUSPENDED
    assert begun.opened.reason == answer(begun).reason


def test_the_execution_timeout_closes_the_run() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start(execution_timeout=60 * SECOND, wants_result=True)
    assert rig.instance.wake_at == T0 + 60 * SECOND

    timed_out = rig.send(WakeUp(), held=False, after=60 * SECOND)

    assert timed_out.changed is not None
    assert timed_out.changed.status is WorkflowStatus.TIMED_OUT
    (result,) = effects(timed_out, ResultEffect)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.timeout_type) == ("timed_out", "execution")
    assert rig.state.activities == {}


def test_a_terminated_run_takes_a_new_start() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start()
    rig.send(Terminate(reason="enough"))
    (closed,) = rig.events(RunClosed)
    assert closed.failure is not None
    assert closed.failure.message == "enough"

    opened = sent(rig.send_all(start("run-2")))

    assert len(rig.events(RunStarted, "run-2")) == 1
    assert [effect_id for effect_id, _ in opened] == [None, (1, 0)]
