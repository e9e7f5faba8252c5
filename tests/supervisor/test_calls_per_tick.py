"""What a tick costs, in Python calls: it comes ten times a second, whether there is anything to do or not."""

from __future__ import annotations

import pytest

from dalsegno import activity, workflow
from dalsegno.actors.supervisor.partition.passivation import LOOKS_AGAIN_LIMIT, Passivation
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from tests.partition_ids import FIRST, nths
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_calls_per_activation import Calls

FEW, MANY = 300, 1500
"""Hot instances. The second is more than a tick looks at."""


@activity.defn
async def serve() -> None:
    """It takes long."""


@workflow.defn
class Served:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(serve, start_to_close_timeout=3600)


@workflow.defn
class Listening:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


def hot_world(instances: int, *, of: str, partitions: int = 1, idle_seconds: float = 3600.0) -> ScriptedWorld:
    """More than may be hot, in memory, and nothing to do for any of them. Who asks for it waits for the end."""
    world = ScriptedWorld(
        WorkflowRegistry([(Served, None), (Listening, None)]),
        settings=HostSettings(max_idle_instances=instances // 3, idle_seconds=idle_seconds),
        partitions=partitions,
    )
    for partition in nths(partitions):
        world.own(partition)
    for number in range(instances):
        body = wire.StartWorkflow(workflow_id=f"w{number}", workflow_type=of)
        world.deliver(encode(body, message_id=f"start {number}"))
        ask = wire.AwaitResult(workflow_id=f"w{number}")
        world.deliver(encode(ask, message_id=f"ask {number}", correlation_id="c", reply_to=f"client-{number}"))
        if number % 100 == 99:
            world.go_on()
    world.go_on()
    return world


def calls_of_a_tick(world: ScriptedWorld) -> int:
    """The most of some, when all that was to be done once is done."""
    for _ in range(20):
        world.time += 0.1
        world.engine.tick()
        world.go_on()
    most = 0
    for _ in range(20):
        world.time += 0.1
        calls = Calls()
        with calls.counted():
            world.engine.tick()
            world.run()
        most = max(most, calls.total)
        world.go_on()
    return most


def hot_instances(world: ScriptedWorld) -> int:
    return len(world.engine.workflow_dispatcher)


def test_a_tick_costs_the_same_however_many_hot_instances_are_served_by_workers() -> None:
    few, many = hot_world(FEW, of="Served"), hot_world(MANY, of="Served")
    assert calls_of_a_tick(many) == calls_of_a_tick(few) <= 50
    assert hot_instances(many) == MANY, "they are about to be used again"


def test_a_tick_looks_at_few_of_those_that_cannot_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Passivation, "may_leave", lambda self, actor, partition: False)
    world = hot_world(MANY, of="Listening")
    assert 0 < calls_of_a_tick(world) <= 10 * LOOKS_AGAIN_LIMIT + 50
    assert hot_instances(world) == MANY


def test_those_that_nobody_works_for_leave_until_there_are_no_more_than_may_be_hot() -> None:
    world = hot_world(FEW, of="Listening")
    calls_of_a_tick(world)
    assert hot_instances(world) == FEW // 3


def test_idle_ones_leave_though_there_is_room_for_them_the_longest_unused_first() -> None:
    world = hot_world(30, of="Served", idle_seconds=10.0)
    world.time += 5.0
    query = wire.QueryWorkflow(workflow_id="w0", name="nothing")
    world.deliver(encode(query, message_id="q", correlation_id="q", reply_to="client"))
    world.go_on()
    world.time += 5.0
    world.engine.sweep()
    world.run()
    assert world.engine.partitions[FIRST].actors.peek("w0") is not None
    assert hot_instances(world) == 1
    world.time += 5.0
    world.engine.sweep()
    world.run()
    assert hot_instances(world) == 0


def test_a_tick_costs_the_same_however_many_partitions_there_are() -> None:
    one, many = ScriptedWorld(partitions=1), ScriptedWorld(partitions=64)
    one.own(FIRST)
    for partition in nths(64):
        many.own(partition)
    one.go_on()
    many.go_on()
    assert calls_of_a_tick(many) == calls_of_a_tick(one) <= 50
