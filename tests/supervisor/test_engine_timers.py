"""Timers fire once, in time, while the partition is live; nothing that is stuck hides them."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.run.inputs import Begin, Input
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.timers.events import TimerFired
from dalsegno.broker.port import Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import query, signal, start, started, task_in
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import DONE, SECOND, T0, ScriptedCode, Step, activity, timer


def until_timer(*first: Step) -> ScriptedCode:
    """Does `first` at its start, and ends when a timer has fired."""

    def script(index: int, input_: Input) -> Step:
        if isinstance(input_, TimerFired):
            return [DONE]
        return first[index] if index < len(first) else []

    return ScriptedCode(script)


def test_a_timer_far_away_of_an_instance_that_stays_in_memory_fires() -> None:
    """An activity whose heartbeats are awaited keeps it there, and nothing else happens to it."""
    beating = activity(1, heartbeat_timeout=3600 * SECOND)
    world = ScriptedWorld(until_timer([beating, timer(1, T0 + 60 * SECOND)]))
    world.own()
    world.deliver(start())
    world.go_on(confirm=False)
    world.declared()
    (task,) = world.published_of(wire.ActivityTask)
    world.go_on()
    world.deliver(started(task_in(task)))
    world.go_on()
    world.live_through(75)
    assert world.status() is WorkflowStatus.COMPLETED


def test_a_timer_fires_while_an_effect_of_a_wake_up_is_stuck() -> None:
    def script(index: int, input_: Input) -> Step:
        match index:
            case 0:
                return [timer(1, T0 + 2 * SECOND), timer(2, T0 + 5 * SECOND)]
            case 1:
                return [activity(1)]
            case _:
                return [DONE]

    world = ScriptedWorld(ScriptedCode(script))
    world.own()
    world.deliver(start())
    world.go_on()
    world.live_through(4, confirm=False)
    assert world.published_of(wire.ActivityTask) or world.declaring
    assert world.status() is WorkflowStatus.RUNNING
    world.live_through(3, confirm=False)
    assert world.status() is WorkflowStatus.COMPLETED


def test_an_instance_with_a_stuck_effect_is_looked_at_once_a_second_however_much_it_does() -> None:
    world = ScriptedWorld(ScriptedCode([[timer(1, T0 + SECOND)], [activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    world.live_through(2, confirm=False)
    for number in range(50):
        world.deliver(signal(f"s{number}"))
        world.live_through(0.1, confirm=False)
    assert len(world.timers) < 20


def test_an_instance_with_a_parked_effect_rests_when_what_it_sent_since_is_confirmed() -> None:
    first, second = activity(1, task_queue="full"), activity(2)
    world = ScriptedWorld(ScriptedCode([[first, timer(1, T0 + 8 * SECOND)], [second]]))
    world.own()
    tag = world.deliver(start())
    for step in range(140):
        world.go_on(confirm=False)
        if step % 10 == 0:
            world.deliver(query(f"q{step}"))
        for outgoing in list(world.published):
            refused = outgoing.message.type == wire.ActivityTask.TYPE and task_in(outgoing).task_queue == "full"
            world.answer(outgoing, Outcome.REFUSED if refused else Outcome.CONFIRMED)
        world.pass_time(0.1)
        if step > 85:
            assert world.steps < 100
    assert world.acknowledged() > tag
    assert world.published_of(wire.ActivityTask) or len(world.engine.outbox) == 1


def test_a_wake_up_from_before_the_channel_was_lost_does_not_fire_a_deadline() -> None:
    """The approval that was queued before it comes again first."""

    inputs: list[type[Input]] = []

    def script(index: int, input_: Input) -> Step:
        inputs.append(type(input_))
        return [timer(1, T0 + 60 * SECOND)] if index == 0 else []

    world = ScriptedWorld(ScriptedCode(script))
    world.own()
    world.deliver(start())
    world.go_on()
    world.live_through(30)
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    world.pass_time(31)
    world.found_due()
    world.pass_time(0.2)
    assert world.loads, "it is woken, but not loaded yet"
    world.deliver(signal("approve"))
    world.lose_channel()
    world.loaded()
    assert not world.rounds
    world.open_channel_of(live=False)
    world.deliver(signal("approve"), redelivered=True)
    marker = world.published_of(wire.Marker)[0]
    world.deliver(marker.message)
    world.go_on()
    world.live_through(2)
    assert [input_ for input_ in inputs if input_ is not Begin] == [Signaled, TimerFired]
