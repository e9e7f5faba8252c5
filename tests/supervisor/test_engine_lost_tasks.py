"""Tasks that lay in a task queue that was deleted are sent again at once, each once, with the token it had."""

from __future__ import annotations

from collections import Counter

import pytest

from dalsegno.actors.supervisor.partition import lost_tasks
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.again import SeenCommands
from dalsegno.actors.workflow_actor.run.inputs import Begin, Input
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.port import Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.policies import WorkflowStatus
from dalsegno.priority import at_level
from tests.partition_ids import FIRST
from tests.supervisor.mail import completed, signal, start, started
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import DONE, ScriptedCode, Step, activity

QUEUE = "default"
IDLE_SECONDS = 15.0
"""After so long an instance has left memory."""


def one_activity(_: int, input_: Input) -> Step:
    match input_:
        case Begin():
            return [activity(1)]
        case ActivityResolved():
            return [DONE]
        case _:
            return []


@pytest.fixture
def world() -> ScriptedWorld:
    world = ScriptedWorld(ScriptedCode(one_activity))
    world.own()
    return world


def begin(world: ScriptedWorld, *names: str) -> None:
    """Each sends a task, and the broker has it."""
    for name in names:
        world.deliver(start(f"start {name}", name))
    world.go_on()


def tasks(world: ScriptedWorld) -> list[wire.ActivityTask]:
    """All that were ever sent."""
    bodies = [decode(sent) for sent in world.sent if sent.type == wire.ActivityTask.TYPE]
    return [body for body in bodies if isinstance(body, wire.ActivityTask)]


def times_sent(world: ScriptedWorld) -> Counter[str]:
    return Counter(task.workflow_id for task in tasks(world))


def in_memory(world: ScriptedWorld) -> int:
    return len(world.engine.partitions[FIRST].actors)


def test_the_task_of_an_instance_in_memory_is_sent_again_as_the_same_attempt(world: ScriptedWorld) -> None:
    begin(world, "w")
    world.engine.task_queue_lost(QUEUE)
    world.go_on()
    lost, again = tasks(world)
    assert again == lost
    world.deliver(completed(again))
    world.go_on()
    assert world.status() is WorkflowStatus.COMPLETED
    world.deliver(completed(lost))
    world.go_on()
    assert world.status() is WorkflowStatus.COMPLETED


def test_the_tasks_of_instances_that_have_left_memory_are_sent_again_page_by_page(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_tasks, "PAGE", 2)
    names = [f"w{number}" for number in range(5)]
    begin(world, *names)
    world.live_through(IDLE_SECONDS)
    assert in_memory(world) == 0
    world.engine.task_queue_lost(QUEUE)
    world.live_through(5)
    assert times_sent(world) == dict.fromkeys(names, 2)
    world.live_through(IDLE_SECONDS)
    assert in_memory(world) == 0
    assert times_sent(world) == dict.fromkeys(names, 2)


def test_what_is_of_another_queue_or_begun_or_over_is_left_alone(world: ScriptedWorld) -> None:
    begin(world, "begun", "over")
    for task in tasks(world):
        world.deliver((completed if task.workflow_id == "over" else started)(task))
    world.go_on()
    begin(world, "waiting")
    world.engine.task_queue_lost("another")
    world.live_through(1)
    assert times_sent(world) == {"begun": 1, "over": 1, "waiting": 1}
    world.engine.task_queue_lost(QUEUE)
    world.live_through(1)
    assert times_sent(world) == {"begun": 1, "over": 1, "waiting": 2}


def test_a_task_that_is_on_its_way_or_about_to_be_comes_to_the_new_queue_once(world: ScriptedWorld) -> None:
    world.deliver(start("start on its way", "on its way"))
    world.go_on(confirm=False)
    world.declared()
    (sent,) = world.published_of(wire.ActivityTask)
    world.deliver(start("start being written", "being written"))
    world.run()
    assert world.rounds
    world.engine.task_queue_lost(QUEUE)
    world.answer(sent, Outcome.RETURNED)
    world.live_through(3)
    returned, *others = tasks(world)
    assert sorted(task.workflow_id for task in others) == ["being written", "on its way"]
    assert returned in others


def test_a_queue_that_is_lost_twice_has_its_tasks_sent_twice_and_told_twice_once(world: ScriptedWorld) -> None:
    begin(world, "w")
    world.engine.task_queue_lost(QUEUE)
    world.engine.task_queue_lost(QUEUE)
    world.live_through(1)
    assert times_sent(world) == {"w": 2}
    world.engine.task_queue_lost(QUEUE)
    world.live_through(1)
    assert times_sent(world) == {"w": 3}


def test_what_is_begun_while_lost_tasks_are_looked_for_is_not_taken_for_lost(world: ScriptedWorld) -> None:
    world.engine.task_queue_lost(QUEUE)
    world.pass_time(0.05)
    begin(world, "w")
    supervisor = world.engine.partitions[FIRST]
    supervisor.actors.discard(supervisor.actors.child("w"))
    supervisor.actors.child("w")
    world.live_through(3)
    assert times_sent(world) == {"w": 1}


def test_queues_are_heeded_that_an_earlier_process_has_sent_tasks_to(world: ScriptedWorld) -> None:
    begin(world, "w")
    assert not world.heeded
    world.live_through(IDLE_SECONDS)
    world.engine.partitions[FIRST].actors.child("w")
    world.go_on()
    assert world.heeded == {QUEUE}


def test_what_an_actor_was_told_to_send_again_is_sent_though_another_takes_its_place(
    world: ScriptedWorld,
) -> None:
    """Its round was not written: a command among it was answered before."""
    begin(world, "w")
    world.deliver(signal("old"))
    world.go_on()
    actor = world.engine.partitions[FIRST].actors.peek("w")
    assert actor is not None
    actor.seen = SeenCommands()  # it remembers some only
    world.deliver(signal("old"))
    world.engine.task_queue_lost(QUEUE)
    world.go_on()
    assert times_sent(world) == {"w": 2}
    world.live_through(5)
    assert times_sent(world) == {"w": 2}


@pytest.mark.parametrize(
    "where", ["at the broker", "at a queue that takes nothing", "before its queue is there"]
)
def test_a_task_that_the_broker_has_not_confirmed_is_not_looked_for(world: ScriptedWorld, where: str) -> None:
    """Its queue is empty for as long as that takes, and it would be done twice."""
    world.deliver(start())
    world.go_on(confirm=False)
    if where != "before its queue is there":
        world.declared()
    for _ in range(200):
        if where == "at a queue that takes nothing":
            for outgoing in world.published_of(wire.ActivityTask):
                world.answer(outgoing, Outcome.REFUSED)
        world.pass_time(10.0)
        world.engine.outbox.taken_beside(0.1)
        world.confirm_all_but(wire.ActivityTask)
        while world.rounds:
            world.committed()
            world.confirm_all_but(wire.ActivityTask)
    assert world.probes == []
    world.go_on()
    assert len(tasks(world)) >= 1
    assert len({message.message_id for message in world.sent if message.type == wire.ActivityTask.TYPE}) == 1
    world.live_through(4000)
    assert len(world.probes) >= 1, "it is in the queue by now"


def test_an_answer_that_its_queue_was_empty_comes_too_late_for_a_task_that_was_sent_again_meanwhile(
    world: ScriptedWorld,
) -> None:
    begin(world, "w")
    world.live_through(700)
    ((name, probe),) = world.probes
    world.engine.task_queue_lost(QUEUE)
    world.live_through(5)
    assert times_sent(world) == {"w": 2}
    world.engine.task_queue_found_empty(FIRST, name, probe)
    world.live_through(5)
    assert times_sent(world) == {"w": 2}


def test_a_level_that_is_lost_is_not_the_task_queue() -> None:
    level = at_level(QUEUE, 1)

    def urgent(_: int, input_: Input) -> Step:
        return [activity(1, task_queue=level)] if isinstance(input_, Begin) else [DONE]

    world = ScriptedWorld(ScriptedCode(urgent))
    world.engine.format_written(CODEC.newest)
    world.own()
    begin(world, "w")
    assert [(task.task_queue, task.priority) for task in tasks(world)] == [(QUEUE, 1)]
    world.engine.task_queue_lost(QUEUE)
    world.go_on()
    assert times_sent(world) == {"w": 1}
    world.engine.task_queue_lost(level)
    world.go_on()
    lost, again = tasks(world)
    assert again == lost
