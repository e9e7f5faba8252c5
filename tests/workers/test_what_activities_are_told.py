"""What a worker tells its activities beside their task: that it ends, why they are to stop; and its client."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest

from dalsegno import Client, activity
from dalsegno.activity import ActivityCancellationDetails
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import ActivityHeartbeat, ActivityStarted
from tests.broker.witness import eventually
from tests.workers.conftest import QUICK, running
from tests.workers.engine import Engine


@activity.defn
async def until_the_end() -> list[bool]:
    before = activity.is_worker_shutdown()
    activity.heartbeat("at work")
    await activity.wait_for_worker_shutdown()
    return [before, activity.is_worker_shutdown(), activity.is_cancelled()]


@activity.defn
def until_the_end_sync() -> list[bool]:
    before = activity.is_worker_shutdown()
    activity.heartbeat("at work")
    activity.wait_for_worker_shutdown_sync(60)
    return [before, activity.is_worker_shutdown(), activity.is_cancelled()]


@pytest.mark.parametrize("function", [until_the_end, until_the_end_sync])
async def test_an_activity_may_end_of_itself_when_its_worker_is_to_end(
    broker: Broker, engine: Engine, function: Any
) -> None:
    async with running(broker, function, drain_timeout=60) as worker:
        task = await engine.schedule(function.__name__, acknowledge="early")
        await engine.expect(task, ActivityHeartbeat)
        await worker.shutdown()
        assert await engine.result(task) == [False, True, False]


async def told_when_it_stops() -> list[bool]:
    details = activity.cancellation_details()
    assert details is None, "nobody has asked it to stop yet"
    activity.heartbeat("at work")
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    details = activity.cancellation_details()
    assert details is not None
    return [details.cancel_requested, details.timed_out, details.worker_shutdown]


async def test_why_it_is_to_stop_is_told_it(broker: Broker, engine: Engine) -> None:
    seen: list[ActivityCancellationDetails | None] = []

    @activity.defn
    async def stops() -> list[bool]:
        return await told_when_it_stops()

    @activity.defn
    async def overruns() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(activity.cancellation_details())

    timing = replace(QUICK, cancel_grace=60.0)
    async with running(broker, stops, overruns, timing=timing, drain_timeout=0) as worker:
        task = await engine.schedule("stops", acknowledge="early")
        await engine.expect(task, ActivityHeartbeat)
        await engine.cancel(await engine.expect(task, ActivityStarted))
        assert await engine.result(task) == [True, False, False]
        await engine.failure(await engine.schedule("overruns", start_to_close=20_000))
        await eventually(lambda: bool(seen), "it has heard of its timeout")
        assert seen == [ActivityCancellationDetails(timed_out=True)]
        task = await engine.schedule("stops", acknowledge="early")
        await engine.expect(task, ActivityHeartbeat)
        await worker.shutdown()
        assert await engine.result(task) == [False, False, True]


@activity.defn
async def whose_client() -> bool:
    client = activity.client()
    assert isinstance(client, Client)
    return client is activity.client()


@activity.defn
def no_client_in_a_thread() -> str:
    try:
        activity.client()
    except RuntimeError as error:
        return str(error)
    return "there was one"


async def test_async_activities_have_the_client_of_their_worker(broker: Broker, engine: Engine) -> None:
    async with running(broker, whose_client, no_client_in_a_thread):
        assert await engine.result(await engine.schedule("whose_client")) is True
        refused = await engine.result(await engine.schedule("no_client_in_a_thread"))
        assert "is for async activities" in refused


def test_outside_of_a_worker_there_is_no_end_of_one_to_wait_for() -> None:
    for asked in (activity.is_worker_shutdown, activity.cancellation_details, activity.client):
        with pytest.raises(RuntimeError, match="inside a running activity only"):
            asked()


async def its_limits() -> list[float | None]:
    info = activity.info()
    limits = (info.start_to_close_timeout, info.schedule_to_close_timeout, info.heartbeat_timeout)
    return [None if limit is None else limit.total_seconds() for limit in limits]


async def test_an_activity_is_told_how_long_it_may_take(broker: Broker, engine: Engine) -> None:
    async with running(broker, activity.defn(its_limits)):
        limits = {"start_to_close": 60_000_000, "schedule_to_close": 90_000_000, "heartbeat_timeout": 5_000_000}
        task = await engine.schedule("its_limits", acknowledge="early", **limits)
        assert await engine.result(task) == [60, 90, 5]
        assert await engine.result(await engine.schedule("its_limits", start_to_close=None)) == [None] * 3
