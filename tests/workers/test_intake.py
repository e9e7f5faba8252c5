"""How much a worker fetches while early work, which the broker does not count, holds its slots."""

from __future__ import annotations

import asyncio

from dalsegno import activity
from dalsegno.broker.port import Broker
from tests.broker.witness import depth_reached, eventually
from tests.workers.conftest import running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

TASKS = "dalsegno.tasks.default"


class Gated:
    """Each activity waits for the gate that it is told to wait for."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.begun: list[str] = []

    @activity.defn
    async def work(self, gate: str) -> str:
        self.begun.append(gate)
        await self.gates.setdefault(gate, asyncio.Event()).wait()
        return gate

    def open(self, gate: str) -> None:
        self.gates.setdefault(gate, asyncio.Event()).set()


async def test_tasks_that_wait_behind_long_early_work_go_back_for_other_workers(
    broker: Broker, engine: Engine
) -> None:
    gated, other = Gated(), Gated()
    async with running(broker, gated.work, max_concurrent_activities=2):
        long = [await engine.schedule("work", "long", acknowledge="early") for _ in range(2)]
        await eventually(lambda: len(gated.begun) == 2, "the early work")
        waiting = [await engine.schedule("work", "short") for _ in range(2)]
        await depth_reached(engine.session, TASKS, 2)
        other.open("short")
        async with running(broker, other.work):
            for task in waiting:
                assert await engine.result(task) == "short"
        gated.open("long")
        for task in long:
            assert await engine.result(task) == "long"
        gated.open("after")
        assert await engine.result(await engine.schedule("work", "after")) == "after"
    assert gated.begun == ["long", "long", "after"]


async def test_a_worker_that_fetches_less_fetches_as_much_as_before_when_early_work_is_done(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, max_concurrent_activities=8):
        long = [await fake_engine.schedule("work", "long", acknowledge="early") for _ in range(8)]
        await eventually(lambda: len(gated.begun) == 8, "the early work")
        for _ in range(8):
            await fake_engine.schedule("work", "short")
        await eventually(lambda: len(fake.queues[TASKS].ready) == 8, "the tasks given back")
        gated.open("long")
        for task in long:
            await fake_engine.result(task)
        await eventually(lambda: gated.begun.count("short") == 8, "eight at work at once")
        gated.open("short")
        await eventually(lambda: fake.idle(TASKS), "the acknowledgements")
        assert sum(consumer.prefetch for consumer in fake.queues[TASKS].consumers) == 8


async def test_late_work_goes_on_on_the_channel_that_is_given_up(fake: FakeBroker, fake_engine: Engine) -> None:
    gated = Gated()
    async with running(fake, gated.work, max_concurrent_activities=2):
        late = await fake_engine.schedule("work", "late")
        long = await fake_engine.schedule("work", "long", acknowledge="early")
        await eventually(lambda: len(gated.begun) == 2, "the work")
        waiting = await fake_engine.schedule("work", "waiting")
        await eventually(lambda: not fake.queues[TASKS].consumers, "the end of the first channel's consuming")
        gated.open("late")
        assert await fake_engine.result(late) == "late"
        gated.open("waiting")
        assert await fake_engine.result(waiting) == "waiting"
        gated.open("long")
        assert await fake_engine.result(long) == "long"
        await eventually(lambda: fake.idle(TASKS), "the acknowledgements")
    assert gated.begun.count("late") == 1


async def test_short_early_work_is_fetched_at_full_width(fake: FakeBroker, fake_engine: Engine) -> None:
    gated = Gated()
    gated.open("short")
    async with running(fake, gated.work, max_concurrent_activities=4):
        (consumer,) = fake.queues[TASKS].consumers
        tasks = [await fake_engine.schedule("work", "short", acknowledge="early") for _ in range(40)]
        for task in tasks:
            await fake_engine.result(task)
        assert fake.queues[TASKS].consumers == [consumer]
