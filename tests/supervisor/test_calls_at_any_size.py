"""What an activation costs does not grow with what its workflow has pending: the Python calls from a message to
what it leads to, and the memory that it takes, are those of a small one, whatever comes."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from dalsegno import activity, workflow
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.broker.port import Message, Outcome, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import completed, signal, started, task_in
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_calls_per_activation import Calls

FEW, MANY = 100, 10_000
RATIO_MAX = 1.5
WARM = 3
COUNTED = 10

Kind = Callable[["Town", int], None]


@activity.defn
async def work() -> int:
    return 1


@workflow.defn
class Wide:
    """Waits for `number` activities and as many timers at once. `woken`: they are a wake-up's, which no message
    holds."""

    @workflow.run
    async def run(self, number: int, woken: bool) -> None:
        if woken:
            await workflow.sleep(1)
        activities = [workflow.execute_activity(work, start_to_close_timeout=60) for _ in range(number)]
        await asyncio.gather(*activities, *(workflow.sleep(3600 + index) for index in range(number // 2)))

    @workflow.signal
    async def go(self) -> None: ...


@dataclass
class Town:
    """The engine, and what its one workflow has let out."""

    world: ScriptedWorld
    tasks: list[Outgoing]

    def deliver(self, message: Message) -> None:
        self.world.deliver(message)
        self.world.loaded()  # which commands were answered before it was known
        self.world.committed()

    def task(self, index: int) -> wire.ActivityTask:
        return task_in(self.tasks[index])


def town(number: int, *, woken: bool, confirmed: bool) -> Town:
    world = ScriptedWorld(WorkflowRegistry([(Wide, None)], step_limit=2 * MANY))
    world.own()
    args = (Payload("json/plain", b"%d" % number), Payload("json/plain", b"true" if woken else b"false"))
    world.deliver(encode(wire.StartWorkflow(workflow_id="w", workflow_type="Wide", args=args), message_id="w"))
    world.committed()
    if woken:
        world.pass_time(1.2)
        world.committed()
    world.declared()
    tasks, world.published = world.published, []
    assert len(tasks) == number
    if confirmed:
        for outgoing in tasks[:-100]:
            outgoing.on_outcome(Outcome.CONFIRMED)
        world.run()
    return Town(world, tasks)


def a_result(town: Town, turn: int) -> None:
    town.deliver(completed(town.task(turn)))


def a_worker_begins(town: Town, turn: int) -> None:
    town.deliver(started(town.task(20 + turn)))


def a_heartbeat(town: Town, turn: int) -> None:
    task = town.task(50)
    if turn == 0:
        town.deliver(started(task))
    body = wire.ActivityHeartbeat(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        details=Payload("json/plain", b"%d" % turn),
    )
    town.world.deliver(encode(body, message_id=f"heartbeat {turn}"))
    town.world.run()


def a_signal(town: Town, turn: int) -> None:
    town.deliver(signal(f"signal {turn}"))


def a_confirm(town: Town, turn: int) -> None:
    town.tasks[-1 - turn].on_outcome(Outcome.CONFIRMED)
    town.world.run()


def a_tick(town: Town, _: int) -> None:
    town.world.engine.tick()
    town.world.engine.sweep()
    town.world.run()


KINDS: list[Kind] = [a_result, a_worker_begins, a_heartbeat, a_signal, a_confirm, a_tick]


def cost_of(kind: Kind, town: Town) -> tuple[int, int]:
    """Calls, and the bytes that were in use at most beyond those at the beginning, of the dearest turn."""
    for turn in range(WARM):
        kind(town, turn)
    most = 0
    gc.collect()
    tracemalloc.start()
    for turn in range(WARM, WARM + COUNTED // 2):
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        kind(town, turn)
        most = max(most, tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    calls = Calls()
    with calls.counted():
        for turn in range(WARM + COUNTED // 2, WARM + COUNTED):
            kind(town, turn)
    return calls.total, most


@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed", "unconfirmed"])
@pytest.mark.parametrize("woken", [True, False], ids=["unheld", "held"])
def test_with_ten_thousand_pending_things_it_is_hardly_more_than_with_a_hundred(
    *, woken: bool, confirmed: bool
) -> None:
    small, large = (town(number, woken=woken, confirmed=confirmed) for number in (FEW, MANY))
    for kind in KINDS:
        assert small.world.status() == large.world.status() == WorkflowStatus.RUNNING
        calls, memory = cost_of(kind, small)
        calls_of_many, memory_of_many = cost_of(kind, large)
        assert calls_of_many <= RATIO_MAX * calls, kind.__name__
        assert memory_of_many <= RATIO_MAX * memory + 16 * 1024, kind.__name__
