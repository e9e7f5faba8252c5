"""What a child costs its parent does not grow with how many there are, and is not much more than a start."""

from __future__ import annotations

import asyncio
from typing import Any

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.between_workflows import WorkflowAnswered, WorkflowEnded
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_calls_per_activation import Calls

FEW, MANY = 50, 500
RATIO_MAX = 1.5
ONE = Payload("json/plain", b"1")


@workflow.defn
class Family:
    @workflow.run
    async def run(self, number: int) -> int:
        children = [workflow.execute_child_workflow("Lonely", id=f"child-{index}") for index in range(number)]
        return sum(await asyncio.gather(*children))


@workflow.defn
class Lonely:
    """With a parent or without, it ends at once."""

    @workflow.run
    async def run(self) -> int:
        return 1


def world_of() -> ScriptedWorld:
    world = ScriptedWorld(WorkflowRegistry([(Family, None), (Lonely, None)]))
    world.engine.format_written(CODEC.newest)
    world.own()
    return world


def of_parent(number: int) -> float:
    """Calls for each of so many children, from the start of their parent to its end."""
    world, calls = world_of(), Calls()
    args = (Payload("json/plain", b"%d" % number),)
    begin = wire.StartWorkflow(workflow_id="w", workflow_type="Family", args=args)

    def go_on() -> None:
        with calls.counted():
            world.committed()
            world.confirm_all()

    with calls.counted():
        world.deliver(encode(begin, message_id="w"))
        world.committed()
    starts: list[Any] = [decode(outgoing.message) for outgoing in world.published_of(wire.StartWorkflow)]
    with calls.counted():
        world.confirm_all()
    while len(starts) < number:  # of what leaves at once there is a bound
        starts += [decode(outgoing.message) for outgoing in world.published_of(wire.StartWorkflow)]
        with calls.counted():
            world.confirm_all()
    for start in starts:
        told = {"workflow_id": "w", "run_id": start.parent.run_id, "number": start.parent.number}
        began = WorkflowAnswered(**told, asked="start", by_run_id="r")
        ended = WorkflowEnded(
            **told,
            ended_workflow_id=start.workflow_id,
            ended_run_id="r",
            status=WorkflowStatus.COMPLETED,
            result=ONE,
        )
        messages = [encode(body, message_id="m") for body in (began, ended)]
        for message in messages:
            with calls.counted():
                world.deliver(message)
        go_on()
    assert world.status("w") is WorkflowStatus.COMPLETED
    return calls.total / number


def of_start(*, parent: wire.RequestOf | None, number: int = 20) -> float:
    world, calls = world_of(), Calls()
    for index in range(2 * number):
        body = wire.StartWorkflow(workflow_id=f"s-{index}", workflow_type="Lonely", parent=parent)
        message = encode(body, message_id=f"s-{index}")
        with Calls().counted() if index < number else calls.counted():
            world.deliver(message)
            world.committed()
            world.confirm_all()
    return calls.total / number


def test_each_of_many_children_costs_its_parent_what_each_of_few_does() -> None:
    of_parent(FEW)  # what is asked for the first time is remembered
    assert of_parent(MANY) < of_parent(FEW) * RATIO_MAX


def test_a_start_with_a_parent_costs_little_more_than_one_without() -> None:
    parent = wire.RequestOf(workflow_id="parent", run_id="r", number=1)
    assert of_start(parent=parent) < of_start(parent=None) * RATIO_MAX
