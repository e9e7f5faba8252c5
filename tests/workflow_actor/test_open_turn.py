"""The states of a turn that stays open, and an instance meanwhile: it is as it was before."""

from __future__ import annotations

from itertools import product

import pytest

from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import (
    Cancel,
    Command,
    Describe,
    Settle,
    Start,
    Suspend,
    Terminate,
    WakeUp,
)
from dalsegno.actors.workflow_actor.open_turn import BOUNDS, NEXT, OpenTurn, TurnState
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.run.events import Ran
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.turn import STEPS_MAX
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from tests.workflow_actor.local_work import LOCAL_QUEUE, ScriptedLocalActivity, local_activities
from tests.workflow_actor.rig import (
    CALLER,
    DONE,
    SECOND,
    Rig,
    ScriptedCode,
    Step,
    activity,
    answer,
    completed,
    payload,
    start,
    task,
    tasks,
    timer,
)

ASK = Query(name="total", caller=CALLER)
LOCAL = activity(1, task_queue=LOCAL_QUEUE)


def rig_with(*steps: Step) -> Rig:
    rig = Rig(ScriptedCode(steps))
    rig.instance.does_local_work = True
    return rig


def opened(rig: Rig, command: Command, *, held: bool = True, after: int = 0) -> list[ScriptedLocalActivity]:
    """The turn stays open, for this local work."""
    assert rig.send_all(command, held=held, after=after) == []
    return works_of(rig)


def works_of(rig: Rig) -> list[ScriptedLocalActivity]:
    assert rig.instance.unsealed is not None
    works = rig.instance.unsealed.take_works()
    assert all(isinstance(work, ScriptedLocalActivity) for work in works)
    return [work for work in works if isinstance(work, ScriptedLocalActivity)]


def go_on(rig: Rig, *outcomes: Command, left: int = 0, is_overdue: bool = False) -> list[Activation]:
    activations = rig.instance.go_on(outcomes, left=left, is_overdue=is_overdue)
    for activation in activations:
        rig._write(activation)
    rig.check_replay_identity()
    return activations


# --- its states ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), list(product(TurnState, TurnState)))
def test_only_what_the_table_shows_may_follow_and_all_else_changes_nothing(
    before: TurnState, after: TurnState
) -> None:
    turn = OpenTurn(Cause(WakeUp(), name="wake-up"), before)
    if after in NEXT[before]:
        turn.to(after)
        assert turn.state is after
    else:
        with pytest.raises(RuntimeError, match=f"{before.name} cannot become {after.name}"):
            turn.to(after)
        assert turn.state is before


def test_a_turn_has_a_bound_in_each_state_that_lasts() -> None:
    lasting = {state for state, following in NEXT.items() if following} - {TurnState.STEPPING}
    assert set(BOUNDS) == lasting


@pytest.mark.parametrize(
    ("about", "asks", "passes"),
    [
        (WakeUp(), ASK, True),
        (WakeUp(), Describe(caller=CALLER), True),
        (Signal(name="mine"), ASK, False),
        (start(), ASK, False),
        (Signal(name="mine"), Describe(caller=CALLER), True),
        *((WakeUp(), other, False) for other in (Signal(name="x"), Cancel(), Suspend(), Terminate(), Settle())),
    ],
)
def test_who_asks_is_answered_meanwhile_unless_it_may_be_about_what_he_sent_himself(
    about: Command, asks: Command, passes: bool
) -> None:
    turn = OpenTurn(Cause(about, name="first"), TurnState.PREPARING)
    assert turn.can_take([turn.cause, Cause(asks, name="second")]) is passes


# --- local work ----------------------------------------------------------------------------------------------


def test_a_step_its_local_work_and_the_next_step_are_one_activation() -> None:
    with local_activities():
        rig = rig_with([LOCAL], [DONE])
        (work,) = opened(rig, start())
        assert rig.instance.state is None, "nothing has happened yet"

        (activation,) = go_on(rig, work.completed(payload()))

    assert activation.sequence == 1
    assert rig.status() is WorkflowStatus.COMPLETED
    assert tasks(activation) == []
    assert [type(it).__name__ for it in rig.history["run-1"]] == [
        "RunStarted",
        "Ran",
        "ActivityCompleted",
        "Ran",
        "RunClosed",
    ]


def test_local_work_that_follows_from_local_work_is_of_the_same_activation() -> None:
    with local_activities():
        rig = rig_with([LOCAL], [activity(2, task_queue=LOCAL_QUEUE)], [DONE])
        (first,) = opened(rig, start())
        assert go_on(rig, first.completed(payload())) == []
        (second,) = works_of(rig)
        go_on(rig, second.completed(payload()))
    assert rig.status() is WorkflowStatus.COMPLETED
    assert rig.state.sequence == 1


def test_of_two_pieces_each_is_taken_as_it_comes_and_the_last_one_seals() -> None:
    with local_activities():
        rig = rig_with([LOCAL, activity(2, task_queue=LOCAL_QUEUE)], [], [DONE])
        first, second = opened(rig, start())
        assert go_on(rig, second.completed(payload()), left=1) == []
        go_on(rig, first.completed(payload()))
    assert rig.status() is WorkflowStatus.COMPLETED


def test_local_work_that_fails_is_tried_again_as_any_activity() -> None:
    with local_activities():
        rig = rig_with([LOCAL], [DONE])
        (work,) = opened(rig, start())
        (activation,) = go_on(rig, work.failed(Failure(message="no", type="No")))
    assert tasks(activation) == []
    again = rig.send(WakeUp(), held=False, after=SECOND)
    assert task(again).attempt == 2
    rig.send(completed(task(again)))
    assert rig.status() is WorkflowStatus.COMPLETED


def test_what_is_done_at_the_bound_is_committed_and_the_rest_comes_later() -> None:
    with local_activities():
        rig = rig_with([LOCAL, activity(2, task_queue=LOCAL_QUEUE)], [], [DONE])
        first, second = opened(rig, start())
        (activation,) = go_on(rig, first.completed(payload()), left=1, is_overdue=True)
        assert [sent.activity_id for sent in tasks(activation)] == ["2"], "as what was not done may be lost"
        rig.send(second.completed(payload()))
    assert rig.status() is WorkflowStatus.COMPLETED


def test_a_run_that_ends_or_is_stuck_waits_for_nothing() -> None:
    with local_activities():
        for steps in ([[LOCAL, DONE]], [[LOCAL], WorkflowCodeError("a bug")]):
            rig = rig_with(*steps)
            rig.send_all(start())
            if rig.instance.unsealed is not None:
                (work,) = works_of(rig)
                go_on(rig, work.completed(payload()), left=1)
            assert rig.instance.unsealed is None
            assert rig.status() in (WorkflowStatus.COMPLETED, WorkflowStatus.SUSPENDED)


def test_a_turn_of_too_many_steps_is_sealed_and_the_rest_is_due_at_once() -> None:
    with local_activities():
        rig = Rig(ScriptedCode(lambda index, _: [activity(index + 1, task_queue=LOCAL_QUEUE)]))
        rig.instance.does_local_work = True
        works = opened(rig, start())
        for _ in range(STEPS_MAX):
            if go_on(rig, works[0].completed(payload())):
                break
            works = works_of(rig)
        assert rig.instance.unsealed is None
        assert len(rig.events(Ran)) == STEPS_MAX


def test_where_nobody_does_local_work_no_turn_stays_open() -> None:
    with local_activities():
        rig = Rig(ScriptedCode([[LOCAL], [DONE]]))
        assert task(rig.start()).activity_id == "1"


# --- the instance meanwhile ----------------------------------------------------------------------------------


def test_who_asks_meanwhile_is_answered_by_code_and_state_before_the_turn() -> None:
    with local_activities():
        rig = rig_with([timer(1, 2**52)], [LOCAL], [])
        rig.start()
        before = CODEC.encode_state(rig.state)
        (work,) = opened(rig, Signal(name="go"))

        assert answer(rig.send(ASK)).result == payload('["total", 1]')
        description = answer(rig.send(Describe(caller=CALLER))).description
        assert description is not None
        assert description["pending_activities"] == ()
        assert CODEC.encode_state(rig.state) == before

        go_on(rig, work.completed(payload()))
        assert answer(rig.send(ASK)).result == payload('["total", 3]')
    code = rig.code
    assert isinstance(code, ScriptedCode)
    assert [program.dropped for program in code.built] == [False, True], "that for who asked is let go"


def test_what_is_due_is_due_until_the_turn_that_does_it_is_sealed() -> None:
    with local_activities():
        at = rig_with().now + SECOND
        rig = rig_with([timer(1, at)], [LOCAL], [timer(2, at + SECOND)])
        rig.start()
        rig.settle()
        (work,) = opened(rig, WakeUp(), held=False, after=SECOND)
        assert rig.instance.wake_at == at
        go_on(rig, work.completed(payload()))
        assert rig.instance.due_at == at + SECOND


def test_an_effect_that_is_confirmed_meanwhile_is_known_to_be_when_the_turn_is_sealed() -> None:
    with local_activities():
        rig = rig_with([activity(1), activity(2)], [activity(3, task_queue=LOCAL_QUEUE)], [])
        begun = rig.start()
        first, second = (effect_id for effect_id, effect in begun.effects if effect in tasks(begun))
        assert first is not None
        assert second is not None
        rig.instance.confirm("run-1", first)
        (work,) = opened(rig, Signal(name="go"))
        rig.instance.confirm("run-1", second)
        go_on(rig, work.completed(payload()))
        assert first not in rig.state.outstanding
        assert second in rig.state.outstanding
        assert rig.instance.outstanding() == []
        rig.send(Signal(name="more"))
        assert second not in rig.state.outstanding


def test_a_signal_and_its_answer_wait_for_the_seal() -> None:
    with local_activities():
        rig = rig_with([], [LOCAL], [])
        rig.start()
        (work,) = opened(rig, Signal(name="go", caller=CALLER))
        (activation,) = go_on(rig, work.completed(payload()))
    assert answer(activation).error is None


def test_a_start_that_takes_the_place_of_an_open_run_does_not_wait() -> None:
    with local_activities():
        rig = rig_with([LOCAL], [DONE])
        opened(rig, start())
        go_on(rig, is_overdue=True, left=1)
        policy = WorkflowIDConflictPolicy.TERMINATE_EXISTING
        ended, begun = rig.send_all(start("run-2", conflict_policy=policy))
    assert ended.run_id == "run-1"
    assert task(begun).run_id == "run-2"


def test_a_run_after_another_begins_in_a_turn_that_may_stay_open() -> None:
    with local_activities():
        rig = rig_with([LOCAL], [DONE])
        (work,) = opened(rig, start())
        go_on(rig, work.completed(payload()))
        (work,) = opened(rig, start("run-2"))
        assert rig.instance.run_id == "run-1"
        assert answer(rig.send(ASK)).run_id == "run-1"
        go_on(rig, work.completed(payload()))
    assert rig.instance.run_id == "run-2"
    assert rig.status() is WorkflowStatus.COMPLETED


# --- what could not be prepared ------------------------------------------------------------------------------


def test_what_cannot_be_run_now_is_recorded_and_tried_again() -> None:
    rig = rig_with([], [DONE])
    rig.start()
    activations = rig.instance.activate(
        Signal(name="go"), now=rig.now, entropy=bytes(32), held=True, hindrance="the store is away"
    )
    rig._write(activations[0])
    assert rig.status() is WorkflowStatus.SUSPENDED
    assert rig.state.reason == "the store is away"
    rig.send(WakeUp(), held=False, after=SECOND)
    assert rig.status() is WorkflowStatus.COMPLETED


@pytest.mark.parametrize("command", [Signal(name="go", caller=CALLER), start(), ASK])
def test_what_is_found_unfit_is_refused_and_leaves_nothing(command: Command) -> None:
    rig = rig_with()
    refused = rig.instance.refuse(command, ("rejected", "no"), now=rig.now)
    assert not refused.recorded
    assert answer(refused).error == ("rejected", "no")
    assert answer(refused).kind == ("accepted" if isinstance(command, Start) else "answer")
