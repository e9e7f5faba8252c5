"""Timeouts and cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import replace

from structlog.testing import capture_logs

from dalsegno import activity
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import ActivityCanceled, ActivityCompleted, ActivityStarted
from dalsegno.errors import CanceledError
from tests.broker.witness import eventually
from tests.workers.conftest import QUICK, running
from tests.workers.engine import Engine, new_task
from tests.workers.fake_broker import FakeBroker


@activity.defn
async def wait_for_ever() -> None:
    await asyncio.Event().wait()


@activity.defn
async def quick() -> str:
    return "done"


async def test_an_async_activity_is_stopped_at_its_start_to_close_timeout(
    broker: Broker, engine: Engine
) -> None:
    stopped = asyncio.Event()

    @activity.defn
    async def oversleep() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with running(broker, oversleep):
        failed = await engine.failure(await engine.schedule("oversleep", start_to_close=30_000))
        assert (failed.failure.kind, failed.failure.timeout_type) == ("timed_out", "start_to_close")
        await asyncio.wait_for(stopped.wait(), 20)
    assert await engine.depth() == 0


async def test_a_timeout_is_reported_even_by_an_activity_that_will_not_stop(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gate = asyncio.Event()

    @activity.defn
    async def stubborn() -> str:
        while not gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await gate.wait()
        return "late"

    async with running(fake, stubborn, quick, max_concurrent_activities=1):
        task = await fake_engine.schedule("stubborn", start_to_close=30_000)
        assert (await fake_engine.failure(task)).failure.kind == "timed_out"
        assert await fake_engine.result(await fake_engine.schedule("quick")) == "done"
        gate.set()
    assert not fake_engine.messages(task, ActivityCompleted)


async def test_a_sync_activity_over_its_timeout_is_abandoned_with_a_warning_and_its_thread_replaced(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gate, saw = threading.Event(), threading.Event()

    @activity.defn
    def hang() -> str:
        gate.wait(20)
        if activity.is_cancelled():
            saw.set()
        return "late"

    @activity.defn
    def next_one() -> str:
        return "done"

    with capture_logs() as logs:
        async with running(fake, hang, next_one, max_concurrent_activities=1):
            task = await fake_engine.schedule("hang", start_to_close=300_000)
            assert (await fake_engine.failure(task)).failure.kind == "timed_out"
            assert await fake_engine.result(await fake_engine.schedule("next_one")) == "done"
            gate.set()
            await eventually(saw.is_set, "the end of the abandoned thread")
    assert [line["activity_type"] for line in logs if line["event"] == "activity_thread_abandoned"] == ["hang"]
    assert not fake_engine.messages(task, ActivityCompleted)


async def test_late_work_that_lasts_is_announced_once_with_the_workers_queue(
    broker: Broker, engine: Engine
) -> None:
    gate = asyncio.Event()

    @activity.defn
    async def last() -> None:
        await gate.wait()

    async with running(broker, last) as worker:
        task = await engine.schedule("last")
        started = await engine.expect(task, ActivityStarted)
        assert started.worker == f"dalsegno.worker.{worker.identity}"
        gate.set()
        await engine.result(task)
    assert len(engine.messages(task, ActivityStarted)) == 1


async def test_short_work_is_not_announced(fake: FakeBroker, fake_engine: Engine) -> None:
    async with running(fake, quick, timing=replace(QUICK, started_after=60)):
        task = await fake_engine.schedule("quick")
        await fake_engine.result(task)
    assert not fake_engine.messages(task, ActivityStarted)


async def test_a_cancel_request_cancels_the_task_of_an_async_activity(broker: Broker, engine: Engine) -> None:
    async with running(broker, wait_for_ever):
        task = await engine.schedule("wait_for_ever")
        await engine.cancel(await engine.expect(task, ActivityStarted))
        assert isinstance(await engine.ended(task), ActivityCanceled)
    assert await engine.depth() == 0


async def test_a_cancel_request_of_an_older_host_names_no_token(fake: FakeBroker, fake_engine: Engine) -> None:
    async with running(fake, wait_for_ever):
        task = await fake_engine.schedule("wait_for_ever")
        await fake_engine.cancel(await fake_engine.expect(task, ActivityStarted), named_by_token=False)
        assert isinstance(await fake_engine.ended(task), ActivityCanceled)


async def test_a_cancel_request_stops_what_had_the_id_before_and_not_what_has_it_now(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gate = asyncio.Event()

    @activity.defn
    async def gated() -> str:
        await gate.wait()
        return "done"

    async with running(fake, gated):
        old = await fake_engine.schedule("gated")
        began = await fake_engine.expect(old, ActivityStarted)
        new = new_task("gated", run_id=old.run_id, activity_id=old.activity_id)
        await fake_engine.send(new)
        await fake_engine.expect(new, ActivityStarted)
        await fake_engine.cancel(began)
        assert isinstance(await fake_engine.ended(old), ActivityCanceled)
        gate.set()
        assert await fake_engine.result(new) == "done"


async def test_a_cancelled_activity_may_clean_up_and_complete(fake: FakeBroker, fake_engine: Engine) -> None:
    @activity.defn
    async def finish_anyway() -> list[bool]:
        before = activity.is_cancelled()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await activity.wait_for_cancelled()
        return [before, activity.is_cancelled()]

    async with running(fake, finish_anyway):
        task = await fake_engine.schedule("finish_anyway")
        await fake_engine.cancel(await fake_engine.expect(task, ActivityStarted))
        assert await fake_engine.result(task) == [False, True]


async def test_a_sync_activity_sees_its_cancellation_and_is_interrupted_once_by_heartbeat(
    broker: Broker, engine: Engine
) -> None:
    interruptions = []

    @activity.defn
    def work() -> None:
        activity.wait_for_cancelled_sync(20)
        assert activity.is_cancelled()
        for _ in range(3):
            try:
                activity.heartbeat()
            except CanceledError as error:
                interruptions.append(error)
        raise interruptions[0]

    async with running(broker, work):
        task = await engine.schedule("work")
        await engine.cancel(await engine.expect(task, ActivityStarted), "the customer called")
        assert isinstance(await engine.ended(task), ActivityCanceled)
    assert [str(error) for error in interruptions] == ["the customer called"]


async def test_a_repeated_cancel_request_does_not_interrupt_the_cleaning_up(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    cleaned, cleaning = asyncio.Event(), asyncio.Event()

    @activity.defn
    async def clean_up() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cleaning.set()
            await cleaned.wait()
        return "clean"

    async with running(fake, clean_up) as worker:
        task = await fake_engine.schedule("clean_up")
        started = await fake_engine.expect(task, ActivityStarted)
        await fake_engine.cancel(started)
        await cleaning.wait()
        await fake_engine.cancel(started)
        await eventually(lambda: fake.idle(f"dalsegno.worker.{worker.identity}"), "the second request")
        await asyncio.sleep(0)
        cleaned.set()
        assert await fake_engine.result(task) == "clean"


async def test_an_activity_that_is_cancelled_before_its_first_step_is_reported_as_cancelled(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    fake_engine.granting = None
    async with running(fake, wait_for_ever):
        task = await fake_engine.schedule("wait_for_ever", acknowledge="early")
        started = await fake_engine.expect(task, ActivityStarted)
        # Both are delivered in one turn of the loop.
        await asyncio.gather(fake_engine.grant(started), fake_engine.cancel(started))
        assert isinstance(await fake_engine.ended(task), ActivityCanceled)


async def test_a_cancel_request_for_an_attempt_that_is_gone_is_ignored(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gate = asyncio.Event()

    @activity.defn
    async def last() -> str:
        await gate.wait()
        return "done"

    async with running(fake, last, quick):
        task = await fake_engine.schedule("last")
        started = await fake_engine.expect(task, ActivityStarted)
        gate.set()
        await fake_engine.result(task)
        await fake_engine.cancel(started)
        assert await fake_engine.result(await fake_engine.schedule("quick")) == "done"
    assert not fake_engine.messages(task, ActivityCanceled)


async def test_a_cancelled_attempt_that_waits_for_a_thread_never_begins(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    """Granted when others had taken the thread. Before that it does not ask, and is a task that waits."""
    fake_engine.granting = None
    gate = threading.Event()
    ran = []

    @activity.defn
    def block(name: str) -> None:
        ran.append(name)
        gate.wait(20)

    async with running(fake, block, max_concurrent_activities=2, max_sync_threads=1):
        first = await fake_engine.schedule("block", "first", acknowledge="early")
        second = await fake_engine.schedule("block", "second", acknowledge="early")
        asks = (
            await fake_engine.expect(first, ActivityStarted),
            await fake_engine.expect(second, ActivityStarted),
        )
        await fake_engine.grant(asks[0])
        await eventually(lambda: ran == ["first"], "the first has the thread")
        await fake_engine.grant(asks[1])
        await fake_engine.cancel(asks[1])
        assert isinstance(await fake_engine.ended(second), ActivityCanceled)
        gate.set()
        await fake_engine.result(first)
    assert ran == ["first"]


async def test_async_code_behind_a_plain_wrapper_is_cancelled_and_may_clean_up_first(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    steps: list[str] = []

    async def wait() -> None:
        steps.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    @activity.defn
    def wrapper() -> object:
        return wait()

    async with running(fake, wrapper):
        task = await fake_engine.schedule("wrapper")
        started = await fake_engine.expect(task, ActivityStarted)
        await eventually(lambda: steps == ["begun"], "the code has begun")
        await fake_engine.cancel(started)
        await fake_engine.expect(task, ActivityCanceled)
        assert steps == ["begun", "cleaned up"]
