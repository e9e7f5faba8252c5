"""Shutting down."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from dalsegno import activity
from dalsegno.broker.port import Broker, Outcome
from dalsegno.broker.protocol.messages import ActivityCompleted, ActivityStarted
from dalsegno.workers import Worker
from tests.broker.witness import depth_reached, eventually
from tests.workers.conftest import QUICK, running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

TASKS = "dalsegno.tasks.default"


class Gated:
    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Event()

    @activity.defn
    async def work(self) -> str:
        self.begun += 1
        await self.gate.wait()
        return "done"


async def test_running_activities_finish_and_are_acknowledged_and_the_rest_goes_back(
    broker: Broker, engine: Engine
) -> None:
    gated = Gated()
    tasks = [await engine.schedule("work") for _ in range(25)]
    async with running(broker, gated.work, max_concurrent_activities=10) as worker:
        await eventually(lambda: gated.begun == 10, "ten activities at work")
        shutdown = asyncio.create_task(worker.shutdown())
        # Ten run and one was fetched ahead; when the ten are done, that one goes back to the others.
        await asyncio.sleep(0)
        gated.gate.set()
        await shutdown
    assert gated.begun == 10
    for task in tasks[:10]:
        assert await engine.result(task) == "done"
    await depth_reached(engine.session, TASKS, 15)


async def test_what_was_fetched_ahead_goes_back_even_while_early_work_still_runs(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    patient = replace(QUICK, backlog_patience=60)
    async with running(fake, gated.work, max_concurrent_activities=1, timing=patient) as worker:
        running_on = await fake_engine.schedule("work", acknowledge="early")
        await eventually(lambda: gated.begun == 1, "the work")
        await fake_engine.schedule("work")
        await eventually(lambda: not fake.queues[TASKS].ready, "the task fetched ahead")
        shutdown = asyncio.create_task(worker.shutdown())
        await eventually(lambda: bool(fake.queues[TASKS].ready), "the task given back")
        assert not shutdown.done()
        gated.gate.set()
        await shutdown
        assert await fake_engine.result(running_on) == "done"
    assert gated.begun == 1


async def test_late_work_that_does_not_finish_in_time_is_cancelled_and_given_back(
    broker: Broker, engine: Engine
) -> None:
    gated = Gated()
    async with running(broker, gated.work, drain_timeout=0.01):
        task = await engine.schedule("work")
        await eventually(lambda: gated.begun == 1, "the work")
    await depth_reached(engine.session, TASKS, 1)
    gated.gate.set()
    async with running(broker, gated.work):
        assert await engine.result(task) == "done"
    assert gated.begun == 2


async def test_early_work_that_does_not_finish_in_time_is_reported_as_failed(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, drain_timeout=0.01):
        task = await fake_engine.schedule("work", acknowledge="early")
        await eventually(lambda: gated.begun == 1, "the work")
    failed = await fake_engine.failure(task)
    assert (failed.failure.type, failed.failure.non_retryable) == ("WorkerShutdown", False)
    assert await fake_engine.depth() == 0


async def test_an_activity_may_complete_while_it_is_cancelled_by_a_shutdown(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    @activity.defn
    async def finish_anyway() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "just in time"
        return "never"

    async with running(fake, finish_anyway, drain_timeout=0.01):
        task = await fake_engine.schedule("finish_anyway")
        await fake_engine.expect(task, ActivityStarted)
    assert await fake_engine.result(task) == "just in time"


async def test_a_shutdown_does_not_wait_for_a_thread_that_hangs(fake: FakeBroker, fake_engine: Engine) -> None:
    gate = threading.Event()

    @activity.defn
    def hang() -> None:
        gate.wait(20)

    quick = Worker(fake, activities=[hang], drain_timeout=0.01, timing=QUICK)
    async with quick:
        task = await fake_engine.schedule("hang")
        await fake_engine.expect(task, ActivityStarted)
    assert not fake_engine.message_ids(task)
    assert await fake_engine.depth() == 1
    gate.set()


async def test_a_shutdown_waits_for_the_confirms_of_outcomes(fake: FakeBroker, fake_engine: Engine) -> None:
    gated = Gated()
    gated.gate.set()
    fake.verdict = lambda outgoing: None if outgoing.exchange else Outcome.CONFIRMED
    async with running(fake, gated.work) as worker:
        task = await fake_engine.schedule("work")
        await eventually(lambda: any(outgoing.exchange for outgoing in fake.published), "the outcome")
        shutdown = asyncio.create_task(worker.shutdown())
        await eventually(lambda: not fake.queues[TASKS].consumers, "the end of the consuming")
        assert not shutdown.done()
        fake.verdict = lambda outgoing: Outcome.CONFIRMED
        fake.break_sessions()
        await shutdown
    await fake_engine.expect(task, ActivityCompleted)


async def test_work_that_is_cancelled_because_its_loop_ends_has_not_failed(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    of_others = asyncio.all_tasks()
    run = asyncio.create_task(Worker(fake, activities=[gated.work], timing=QUICK).run())
    late = await fake_engine.schedule("work")
    early = await fake_engine.schedule("work", acknowledge="early")
    await eventually(lambda: gated.begun == 2, "the work")

    for task in asyncio.all_tasks() - of_others:  # as asyncio.run does it
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await run
    assert not fake_engine.message_ids(late)
    assert await fake_engine.depth() == 1
    assert (await fake_engine.failure(early)).failure.type == "WorkerShutdown"


async def test_an_activity_that_cancels_itself_has_failed_also_while_its_worker_drains(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gate = asyncio.Event()

    @activity.defn
    async def cancel_itself() -> None:
        await gate.wait()
        raise asyncio.CancelledError

    run = asyncio.create_task(Worker(fake, activities=[cancel_itself], timing=QUICK).run())
    task = await fake_engine.schedule("cancel_itself")
    await fake_engine.expect(task, ActivityStarted)
    run.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert "nobody had cancelled it" in (await fake_engine.failure(task)).failure.message


async def test_cancelling_the_run_drains_as_well(fake: FakeBroker, fake_engine: Engine) -> None:
    gated = Gated()
    worker = Worker(fake, activities=[gated.work], timing=QUICK)
    run = asyncio.create_task(worker.run())
    task = await fake_engine.schedule("work")
    await eventually(lambda: gated.begun == 1, "the work")
    run.cancel()
    await asyncio.sleep(0)
    gated.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await fake_engine.result(task) == "done"


async def test_shutting_down_twice_or_before_the_run_is_ordinary(fake: FakeBroker, fake_engine: Engine) -> None:
    never = Worker(fake, activities=[Gated().work])
    await never.shutdown()
    await never.run()
    async with running(fake, Gated().work) as worker:
        await worker.shutdown()
        await worker.shutdown()
    with pytest.raises(RuntimeError, match="runs once"):
        await worker.run()
