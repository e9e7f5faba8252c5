"""Timers and wake-ups."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.run.inputs import Begin, Continue, Input
from dalsegno.actors.workflow_actor.run.intents import AskContinue
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed, TimerFired
from dalsegno.actors.workflow_actor.timers.intents import CancelTimer
from dalsegno.actors.workflow_actor.turn import STEPS_MAX
from dalsegno.actors.workflow_actor.wake_up import DUE_MAX
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import (
    DONE,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    Step,
    activity,
    failed,
    task,
    tasks,
    timer,
)


def test_a_timer_fires_when_it_is_due_and_not_before() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + 5 * SECOND)], []]))
    rig.start()
    assert rig.instance.wake_at == T0 + 5 * SECOND

    early = rig.send(WakeUp(), held=False, after=5 * SECOND - 1)
    due = rig.send(WakeUp(), held=False, after=1)

    assert not early.recorded
    assert due.recorded
    assert rig.programs_seen == [Begin(), TimerFired(number=1)]
    assert rig.instance.wake_at is None


def test_all_that_is_due_is_done_in_one_activation_in_the_order_of_time() -> None:
    rig = Rig(
        ScriptedCode(
            [
                [timer(1, T0 + 3 * SECOND), timer(2, T0 + SECOND), timer(3, T0 + SECOND), activity(1)],
                *[[]] * 3,
            ]
        )
    )
    rig.send(failed(task(rig.start()), next_retry_delay=2 * SECOND))

    woken = rig.send(WakeUp(), held=False, after=10 * SECOND)

    assert woken.sequence == 3
    assert rig.programs_seen[1:] == [TimerFired(number=2), TimerFired(number=3), TimerFired(number=1)]
    assert [type(event).__name__ for event in rig.history["run-1"][-7:]] == [
        "TimerElapsed",
        "Ran",
        "TimerElapsed",
        "Ran",
        "AttemptScheduled",
        "TimerElapsed",
        "Ran",
    ]
    assert len(tasks(woken)) == 1


def test_a_timer_that_code_cancels_when_another_fires_does_not_fire() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND), timer(2, T0 + 2 * SECOND)], [CancelTimer(number=2)]]))
    rig.start()

    rig.send(WakeUp(), held=False, after=10 * SECOND)

    assert rig.programs_seen == [Begin(), TimerFired(number=1)]
    assert rig.instance.wake_at is None


def test_more_timers_than_one_activation_runs_fire_in_several_in_order() -> None:
    count = 2 * STEPS_MAX + 10
    timers = [timer(number, T0 + SECOND + number) for number in range(1, count + 1)]
    rig = Rig(ScriptedCode([timers]))
    rig.start()
    rig.now += 60 * SECOND
    for _ in range(3):
        assert rig.send(WakeUp(), held=False).recorded
    assert rig.programs_seen[1:] == [TimerFired(number=number) for number in range(1, count + 1)]
    assert rig.instance.wake_at is None


def test_a_timer_of_no_time_waits_for_the_next_wake_up() -> None:
    def again(index: int, input_: Input) -> Step:
        return [timer(index + 1, T0)]

    rig = Rig(ScriptedCode(again))
    rig.start()
    for sequence in (2, 3, 4):
        assert rig.instance.wake_at == T0
        assert rig.send(WakeUp(), held=False).sequence == sequence
    assert len(rig.events(TimerElapsed)) == 3


def test_what_comes_after_the_end_of_the_run_is_not_done() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND), timer(2, T0 + 2 * SECOND)], [DONE]]))
    rig.start(execution_timeout=3 * SECOND)

    closed = rig.send(WakeUp(), held=False, after=10 * SECOND)

    assert closed.changed is not None
    assert closed.changed.status is WorkflowStatus.COMPLETED
    assert not rig.send(WakeUp(), held=False).recorded


def test_a_timer_beats_the_execution_timeout_of_the_same_instant() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND)], [DONE]]))
    rig.start(execution_timeout=SECOND)
    rig.send(WakeUp(), held=False, after=SECOND)
    assert rig.status() is WorkflowStatus.COMPLETED


def test_time_never_runs_backwards() -> None:
    rig = Rig(ScriptedCode([[], [], []]))
    rig.start()
    rig.send(Signal(name="a"), after=5 * SECOND)
    late = rig.send(Signal(name="b"), after=-60 * SECOND)
    assert late.time == T0 + 5 * SECOND


def test_a_pause_goes_on_at_the_next_wake_up() -> None:
    rig = Rig(ScriptedCode([[AskContinue()], []]))
    rig.start()
    assert rig.instance.wake_at == T0

    rig.send(WakeUp(), held=False)

    assert rig.programs_seen == [Begin(), Continue()]
    assert rig.instance.wake_at is None


def test_wake_at_stays_right_over_thousands_of_changes() -> None:
    """Old entries of the agenda are thrown out on the way."""
    step = RetrySchedule(initial_interval=SECOND, maximum_interval=SECOND)
    rig = Rig(ScriptedCode([[activity(1, retry=step), timer(1, T0 + 10_000 * SECOND)]]))
    sent = task(rig.start())
    for attempt in range(1, 200):
        rig.send(failed(sent))
        assert rig.instance.wake_at == T0 + attempt * SECOND
        sent = task(rig.send(WakeUp(), held=False, after=SECOND))
        rig.settle()
    assert rig.instance.wake_at == T0 + 199 * SECOND + 600 * SECOND


def test_a_thousand_timers_of_the_same_time_are_done_in_several_activations_in_order() -> None:
    first = [timer(number, T0 + SECOND) for number in range(1, 1_001)]
    rig = Rig(ScriptedCode(lambda index, _: first if index == 0 else ()))
    rig.start(execution_timeout=SECOND)
    fired: list[int] = []
    wakeups = 0
    rig.now += SECOND
    while rig.status() is WorkflowStatus.RUNNING:
        assert rig.instance.wake_at == T0 + SECOND
        rig.send(WakeUp(), held=False)
        wakeups += 1
        assert len(rig.events(TimerElapsed)) - len(fired) <= DUE_MAX
        fired = [event.number for event in rig.events(TimerElapsed)]
    assert fired == list(range(1, 1_001))
    assert rig.status() is WorkflowStatus.TIMED_OUT
    assert wakeups == 1_001 // DUE_MAX + 1
