"""Early work for threads and processes asks for its grant when there is one for it, not before: its time runs
from the grant on."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from dalsegno import activity
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import ActivityStarted
from tests.broker.witness import eventually
from tests.workers.conftest import running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker
from tests.workers.in_processes import waits_for_file


class InThreads:
    def __init__(self) -> None:
        self.gate = threading.Event()
        self.runs = 0

    @activity.defn
    def work(self) -> int:
        self.runs += 1
        self.gate.wait(30)
        return self.runs


@activity.defn
async def quick() -> str:
    return "quick"


def asked(engine: Engine) -> list[str]:
    """The runs whose early work was asked for, in order."""
    told = [body.run_id for _, body in engine.received if isinstance(body, ActivityStarted)]
    return list(dict.fromkeys(told))


async def test_early_work_for_threads_asks_one_by_one_where_there_is_one_thread(
    broker: Broker, engine: Engine
) -> None:
    work = InThreads()
    async with running(broker, work.work, quick, max_concurrent_activities=10, max_sync_threads=1):
        first = await engine.schedule("work", acknowledge="early")
        second = await engine.schedule("work", acknowledge="early")
        third = await engine.schedule("quick", acknowledge="early")
        assert await engine.result(third) == "quick", "it needs no thread"
        assert asked(engine) == [first.run_id, third.run_id]
        work.gate.set()
        assert (await engine.result(first), await engine.result(second)) == (1, 2)
        assert asked(engine) == [first.run_id, third.run_id, second.run_id]


async def test_late_work_keeps_its_thread_from_early_work(broker: Broker, engine: Engine) -> None:
    work = InThreads()
    async with running(broker, work.work, quick, max_concurrent_activities=10, max_sync_threads=1):
        late = await engine.schedule("work")
        early = await engine.schedule("work", acknowledge="early")
        await engine.result(await engine.schedule("quick", acknowledge="early"))
        assert early.run_id not in asked(engine)
        work.gate.set()
        assert (await engine.result(late), await engine.result(early)) == (1, 2)


async def test_one_whose_time_is_over_gives_its_thread_to_the_next(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    work = InThreads()
    async with running(fake, work.work, max_concurrent_activities=10, max_sync_threads=1):
        hangs = await fake_engine.schedule("work", acknowledge="early", start_to_close=50_000)
        second = await fake_engine.schedule("work", acknowledge="early")
        await fake_engine.failure(hangs)
        await eventually(lambda: second.run_id in asked(fake_engine), "the second")
        work.gate.set()
        assert await fake_engine.result(second) == 2


async def test_a_grant_that_came_late_waits_for_a_thread_and_others_go_on(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    fake_engine.granting = None
    work = InThreads()
    async with running(fake, work.work, quick, max_concurrent_activities=2, max_sync_threads=1):
        first = await fake_engine.schedule("work", acknowledge="early")
        second = await fake_engine.schedule("work", acknowledge="early")
        await eventually(lambda: len(asked(fake_engine)) == 2, "both are in the waiting room")
        for task in (first, second):
            await fake_engine.grant(await fake_engine.expect(task, ActivityStarted))
        await eventually(lambda: work.runs == 1, "the first")
        assert await fake_engine.result(await fake_engine.schedule("quick")) == "quick"
        assert work.runs == 1
        work.gate.set()
        assert {await fake_engine.result(first), await fake_engine.result(second)} == {1, 2}


async def test_what_waits_is_given_back_when_the_worker_stops(fake: FakeBroker, fake_engine: Engine) -> None:
    work = InThreads()
    async with running(fake, work.work, max_concurrent_activities=10, max_sync_threads=1) as worker:
        first = await fake_engine.schedule("work", acknowledge="early")
        second = await fake_engine.schedule("work", acknowledge="early")
        await eventually(lambda: work.runs == 1, "the first")
        stopping = asyncio.create_task(worker.shutdown())
        work.gate.set()
        await stopping
        assert await fake_engine.result(first) == 1
    async with running(fake, work.work):
        assert await fake_engine.result(second) == 2


async def test_early_work_for_processes_asks_when_there_is_one(
    fake: FakeBroker, fake_engine: Engine, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    async with running(fake, waits_for_file, quick, max_concurrent_activities=10, max_processes=1):
        first = await fake_engine.schedule("waits_for_file", str(gate), acknowledge="early")
        second = await fake_engine.schedule("waits_for_file", str(gate), acknowledge="early")
        third = await fake_engine.schedule("quick", acknowledge="early")
        await fake_engine.result(third)
        assert asked(fake_engine) == [first.run_id, third.run_id]
        gate.touch()
        await fake_engine.result(first)
        await fake_engine.result(second)


async def test_late_work_that_is_sent_again_while_it_waits_for_a_thread_is_done_once(
    broker: Broker, engine: Engine
) -> None:
    """Of what waits the engine knows nothing, and takes the task for lost when it has waited for long."""
    work, then = InThreads(), threading.Event()

    @activity.defn
    def after() -> None:
        then.wait(30)

    async with running(broker, work.work, after, quick, max_concurrent_activities=10, max_sync_threads=1):
        first, waits, between = [await engine.schedule(name) for name in ("work", "work", "after")]
        await engine.send(waits)
        await engine.result(await engine.schedule("quick"))
        work.gate.set()
        assert [await engine.result(task) for task in (first, waits)] == [1, 2]
        await engine.result(await engine.schedule("quick"))  # by now its outcome is confirmed
        then.set()
        await engine.result(between)
        assert await engine.result(await engine.schedule("work")) == 3
    assert work.runs == 3
