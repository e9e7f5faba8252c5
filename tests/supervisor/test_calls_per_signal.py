"""What a signal costs, in Python calls: the same however many came before it, and nothing is read for it."""

from __future__ import annotations

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor import again
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_calls_per_activation import Calls

AT_ONCE = 50
LIMIT = 200
MANY = 1_000
"""Several times what an actor remembers itself, here."""


@workflow.defn
class Counting:
    def __init__(self) -> None:
        self.beats = 0

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    def beat(self) -> None:
        self.beats += 1


def calls_of_signals(world: ScriptedWorld, first: int) -> int:
    calls = Calls()
    messages = [
        encode(wire.SignalWorkflow(workflow_id="w", name="beat"), message_id=f"signal {first + number}")
        for number in range(AT_ONCE)
    ]
    with calls.counted():
        for message in messages:
            tag = world.deliver(message)
        world.committed()
        world.run()
    assert world.acknowledged() == tag
    assert world.loads == []
    return calls.total


def test_a_signal_costs_the_same_after_many_that_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(again, "SEEN_LIMIT", LIMIT)
    world = ScriptedWorld(WorkflowRegistry([(Counting, None)]))
    world.own()
    world.deliver(encode(wire.StartWorkflow(workflow_id="w", workflow_type="Counting"), message_id="start"))
    world.go_on()
    counts = [calls_of_signals(world, first) for first in range(0, MANY, AT_ONCE)]
    few, many = min(counts[:4]), min(counts[-4:])
    assert few <= many <= 1.05 * few, counts
