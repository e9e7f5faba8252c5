"""Code that cannot run: what comes is recorded, and worked off in order when it can."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.commands import Resume, Suspend, Terminate, WakeUp
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.run.events import Ran, Resumed, Suspended
from dalsegno.actors.workflow_actor.run.inputs import Begin, Input
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.timers.events import TimerFired
from dalsegno.actors.workflow_actor.timers.intents import CancelTimer
from dalsegno.actors.workflow_actor.turn import STEPS_MAX
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import (
    CALLER,
    DONE,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    Step,
    activity,
    answer,
    completed,
    task,
    tasks,
    timer,
)

BUG = WorkflowCodeError("KeyError: 'total' at orders.py:30")


def mended(rig: Rig, script: ScriptedCode, *, source: str = "code-2") -> None:
    """The host gets other code, and makes the instance anew."""
    assert isinstance(rig.code, ScriptedCode)
    rig.code.script = script.script
    rig.code.source = source
    rig.reload()


def test_a_bug_suspends_the_run_and_keeps_the_input() -> None:
    rig = Rig(ScriptedCode([[], BUG]))
    rig.start()

    hit = rig.send(Signal(name="add", caller=CALLER))

    assert hit.changed is not None
    assert (hit.changed.status, hit.changed.reason) == (WorkflowStatus.SUSPENDED, BUG.reason)
    assert answer(hit).error is None
    assert answer(hit).status is WorkflowStatus.SUSPENDED
    assert answer(hit).reason == BUG.reason
    assert (len(rig.state.log), rig.state.processed) == (2, 1)
    assert rig.instance.wake_at == T0 + SECOND
    assert not rig.has_program()


def test_a_suspended_run_records_what_comes_and_does_not_run_it() -> None:
    rig = Rig(ScriptedCode([[activity(1), timer(1, T0 + SECOND // 2)], BUG]))
    sent = task(rig.start())
    rig.send(Signal(name="a"))

    assert rig.send(completed(sent)).recorded
    assert rig.send(WakeUp(), held=False, after=SECOND // 2).recorded

    assert [type(entry.input) for entry in rig.state.log] == [Begin, Signaled, ActivityResolved, TimerFired]
    assert rig.state.processed == 1
    assert len(rig.events(Ran)) == 1


def test_suspended_code_is_tried_again_less_and_less_often() -> None:
    rig = Rig(ScriptedCode([BUG]))
    rig.start()

    delays = []
    for _ in range(12):
        wake_at = rig.instance.wake_at
        assert wake_at is not None
        delays.append((wake_at - rig.now) // SECOND)
        rig.send(WakeUp(), held=False, after=wake_at - rig.now)

    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]


def test_a_try_that_changes_nothing_is_not_recorded_and_the_pauses_grow_also_where_nobody_remembers() -> None:
    rig = Rig(ScriptedCode([BUG]))
    rig.start()
    recorded = len(rig.journal)
    rig.now = T0 + 1000 * SECOND
    rig.reload()
    assert rig.instance.wake_at == T0 + SECOND, "by what is stored it is due"
    assert not rig.send(WakeUp(), held=False).recorded
    assert rig.instance.wake_at == rig.now + 600 * SECOND
    assert rig.status() is WorkflowStatus.SUSPENDED
    assert len(rig.journal) == recorded
    assert len(rig.events(Suspended)) == 1


def test_a_signal_does_not_have_suspended_code_tried_before_its_time() -> None:
    rig = Rig(ScriptedCode([[], BUG]))
    rig.start()
    rig.send(Signal(name="a"))
    rig.send(WakeUp(), held=False, after=SECOND)
    rig.send(Signal(name="b"), after=SECOND)
    assert len(rig.events(Resumed)) == 0
    assert rig.instance.wake_at == rig.now + SECOND
    rig.send(Signal(name="c"), after=SECOND)
    assert len(rig.events(Resumed)) == 1
    assert rig.instance.wake_at == rig.now + 2 * SECOND


@pytest.mark.parametrize(
    "other",
    [WorkflowCodeError("KeyError: 'total' (orders.py:31)"), WorkflowCodeError("TypeError: no (orders.py:30)")],
)
def test_a_try_that_is_stuck_elsewhere_is_recorded(other: WorkflowCodeError) -> None:
    steps: list[Step] = [WorkflowCodeError("KeyError: 'total' (orders.py:30)")]
    rig = Rig(ScriptedCode(lambda index, _: steps[index]))
    rig.start()
    steps[0] = other
    assert rig.send(WakeUp(), held=False, after=SECOND).recorded
    assert rig.state.reason == other.reason


def test_the_delay_begins_anew_after_code_ran_well() -> None:
    steps: list[Step] = [BUG]
    rig = Rig(ScriptedCode(lambda index, _: steps[index]))
    rig.start()
    rig.send(WakeUp(), held=False, after=SECOND)
    assert rig.instance.wake_at == rig.now + 2 * SECOND
    steps[0] = []
    rig.send(WakeUp(), held=False, after=2 * SECOND)
    assert rig.status() is WorkflowStatus.RUNNING
    assert rig.state.tries == 0
    steps.append(BUG)
    rig.send(Signal(name="a"))
    assert rig.instance.wake_at == rig.now + SECOND


def test_other_code_is_tried_with_the_next_cause_whatever_it_is() -> None:
    rig = Rig(ScriptedCode([[], BUG]))
    rig.start()
    rig.send(Signal(name="a"))
    mended(rig, ScriptedCode([[], [activity(1)], [activity(2)]]))
    assert rig.instance.wake_at == T0

    healed = rig.send(Signal(name="b", caller=CALLER))

    assert answer(healed).status is WorkflowStatus.RUNNING
    assert [sent.activity_id for sent in tasks(healed)] == ["1", "2"]
    assert healed.changed is not None
    assert healed.changed.status is WorkflowStatus.RUNNING


def test_the_backlog_is_run_in_order_each_input_with_the_time_of_its_coming() -> None:
    rig = Rig(ScriptedCode([[], BUG]))
    rig.start()
    rig.send(Signal(name="a"), after=SECOND)
    rig.send(Signal(name="b"), after=SECOND // 2)
    mended(rig, ScriptedCode([]))
    rig.send(WakeUp(), held=False, after=100 * SECOND)

    assert isinstance(rig.code, ScriptedCode)
    assert rig.code.built[-1].seen == [
        (Begin(), T0, True),
        (Signaled(name="a"), T0 + SECOND, False),
        (Signaled(name="b"), T0 + 3 * SECOND // 2, False),
    ]
    rig.reload()
    rig.send(Query(name="q", caller=CALLER))
    assert [seen[:2] for seen in rig.code.built[-1].seen] == [seen[:2] for seen in rig.code.built[-2].seen]


def test_activities_wanted_late_are_scheduled_now_and_timers_as_if_nothing_had_happened() -> None:
    rig = Rig(ScriptedCode([BUG]))
    rig.start()
    mended(rig, ScriptedCode([[activity(1), timer(1, T0 + 10 * SECOND)]]))
    healed = rig.send(WakeUp(), held=False, after=3600 * SECOND)
    assert task(healed).scheduled_at == T0 + 3600 * SECOND
    assert rig.state.timers == {1: T0 + 10 * SECOND}


def test_an_operator_s_suspension_is_ended_by_resume_alone() -> None:
    rig = Rig(ScriptedCode([[], []]))
    rig.start()
    suspended = rig.send(Suspend(reason="maintenance", caller=CALLER))
    assert answer(suspended).status is WorkflowStatus.SUSPENDED
    assert not rig.has_program() or rig.state.suspension is not None
    mended(rig, ScriptedCode([]))

    rig.send(Signal(name="a"))
    assert rig.instance.wake_at is None
    assert not rig.send(WakeUp(), held=False, after=3600 * SECOND).recorded
    resumed = rig.send(Resume(caller=CALLER))

    assert answer(resumed).status is WorkflowStatus.RUNNING
    assert rig.programs_seen == [Begin(), Signaled(name="a")]


def test_suspending_and_resuming_twice_is_accepted_and_recorded_once() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start()
    assert not rig.send(Resume(caller=CALLER)).recorded
    assert rig.send(Suspend(caller=CALLER)).recorded
    again = rig.send(Suspend(caller=CALLER))
    assert not again.recorded
    assert answer(again).error is None
    assert rig.send(Resume()).recorded
    assert len(rig.events(Suspended)) == 1
    assert len(rig.events(Resumed)) == 1


def test_an_operator_may_stop_code_that_is_tried_again_and_again() -> None:
    rig = Rig(ScriptedCode([BUG]))
    rig.start()
    rig.send(Suspend(reason="leave it"))
    assert rig.instance.wake_at is None
    assert rig.state.reason == "leave it"
    assert not rig.send(Suspend(reason="it struck", struck=True)).recorded


def test_code_that_struck_waits_for_other_code() -> None:
    rig = Rig(ScriptedCode([[], []]))
    rig.start()
    rig.send(Suspend(reason="it did not yield", struck=True))
    assert rig.instance.wake_at is None
    assert rig.has_program(), "nothing may be rebuilt, for that would run it"
    rig.send(Signal(name="a"))
    assert rig.status() is WorkflowStatus.SUSPENDED

    mended(rig, ScriptedCode([]))
    assert rig.instance.describe()["next_wake_up_at"] == T0
    rig.send(WakeUp(), held=False)

    assert rig.status() is WorkflowStatus.RUNNING
    assert rig.programs_seen == [Begin(), Signaled(name="a")]


def test_a_type_that_a_host_does_not_have_runs_where_it_is_known() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start(workflow_type="refund")
    assert rig.instance.wake_at == T0 + SECOND
    assert isinstance(rig.code, ScriptedCode)
    rig.code.types.add("refund")
    rig.reload()

    healed = rig.send(WakeUp(), held=False)

    assert len(tasks(healed)) == 1
    assert rig.status() is WorkflowStatus.RUNNING


def test_history_that_code_does_not_follow_suspends_it_and_says_where() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())
    rig.reload()
    mended(rig, ScriptedCode([[timer(1, T0 + SECOND)], []]), source="code-1")

    broken = rig.send(completed(sent))

    assert broken.changed is not None
    assert broken.changed.reason == (
        "after the beginning the workflow's code wants 'timer 1', but its history shows 'activity 1 charge': "
        "code and history disagree"
    )
    assert rig.state.suspension is not None
    assert rig.state.suspension.kind == "nondeterminism"
    assert (len(rig.state.log), rig.state.processed) == (2, 1)


@pytest.mark.parametrize(
    ("today", "reason"),
    [
        ([], "wants nothing more, but its history shows 'activity 1 charge'"),
        (
            [activity(1), activity(2)],
            "wants 'activity 2 charge' at orders.py:12, but its history shows nothing more",
        ),
        (
            [activity(1, activity_type="pay")],
            "wants 'activity 1 pay' at orders.py:12, but its history shows 'act",
        ),
    ],
)
def test_nondeterminism_names_the_line_and_both_sides(today: Step, reason: str) -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())
    rig.reload()
    mended(rig, ScriptedCode([today, []]), source="code-1")
    rig.send(completed(sent))
    assert rig.state.reason is not None
    assert reason in rig.state.reason


def test_nondeterminism_under_another_python_says_so() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())
    mended(rig, ScriptedCode([[], []]), source="code-1")
    other = Instance.load("w", rig.code, snapshot=None, journal=rig.journal, run_id="run-1", python="9.99")
    other.activate(completed(sent), now=T0, entropy=bytes(32), held=True)
    assert other.state is not None
    assert other.state.reason is not None
    assert other.state.reason.endswith(f"under Python {rig.state.python}, this is Python 9.99: that may be why")


def test_what_code_wanted_in_the_step_of_its_bug_is_not_done() -> None:
    """The step is atomic: it gives all its intents or none."""

    def script(index: int, input_: Input) -> Step:
        return BUG if index == 1 else [timer(1, T0 + SECOND)]

    rig = Rig(ScriptedCode(script))
    rig.start()
    rig.send(Signal(name="a"))
    assert rig.state.timers == {1: T0 + SECOND}
    mended(rig, ScriptedCode([[timer(1, T0 + SECOND)], [CancelTimer(number=1), DONE]]))
    rig.send(WakeUp(), held=False)
    assert rig.status() is WorkflowStatus.COMPLETED


def test_a_signed_state_that_today_s_code_cannot_read_suspends_the_run() -> None:
    rig = Rig(ScriptedCode([[], []]))
    rig.start()
    rig.reload()

    def unreadable(info: object, signed: object, patches: object) -> None:
        raise WorkflowCodeError("no migration from version 1 of Cart")

    rig.code.build = unreadable  # type: ignore[method-assign]
    rig.send(Signal(name="a"))
    assert rig.state.suspension is not None
    assert (rig.state.suspension.kind, rig.state.reason) == ("corrupt", "no migration from version 1 of Cart")


def test_a_suspended_run_can_be_terminated() -> None:
    rig = Rig(ScriptedCode([BUG]))
    rig.start()
    assert rig.send(Terminate()).changed is not None
    assert rig.status() is WorkflowStatus.TERMINATED
    assert rig.instance.wake_at is None


def test_a_program_can_be_rebuilt_in_slices() -> None:
    rig = Rig(ScriptedCode([[]] * 10))
    rig.start()
    for _ in range(9):
        rig.send(Signal(name="a"))
    rig.reload()
    assert not rig.has_program()

    assert len(list(rig.instance.rebuild())) == 10

    assert rig.has_program()
    assert list(rig.instance.rebuild()) == []
    rig.send(Signal(name="b"))
    assert len(rig.programs_seen) == 11


def test_a_rebuild_that_fails_is_told_by_the_next_activation() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    rig.start()
    rig.reload()
    mended(rig, ScriptedCode([[], []]), source="code-1")

    list(rig.instance.rebuild())
    assert rig.has_program(), "there is no use in trying again at once"
    rig.send(Signal(name="a"))

    assert rig.state.suspension is not None
    assert rig.state.suspension.kind == "nondeterminism"


def test_an_error_of_the_engine_leaves_the_state_as_it_was() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND)], RuntimeError("a defect of ours"), []]))
    rig.start()
    before = rig.state

    with pytest.raises(RuntimeError, match="a defect of ours"):
        rig.send(WakeUp(), held=False, after=SECOND)

    assert rig.instance.state is before
    assert not rig.has_program()
    assert rig.instance.wake_at == T0 + SECOND


def test_a_long_backlog_is_worked_off_in_several_activations() -> None:
    rig = Rig(ScriptedCode([]))
    rig.start()
    rig.send(Suspend())
    for number in range(2 * STEPS_MAX + 10):
        rig.send(Signal(name=str(number)))

    rig.send(Resume())
    assert rig.state.processed == STEPS_MAX + 1
    assert rig.instance.describe()["next_wake_up_at"] == T0
    rig.send(Signal(name="last"))
    assert rig.state.processed == 2 * STEPS_MAX + 1
    rig.send(WakeUp(), held=False)

    assert rig.instance.wake_at is None
    names = [input_.name for input_ in rig.programs_seen if isinstance(input_, Signaled)]
    assert names == [*map(str, range(2 * STEPS_MAX + 10)), "last"]
