"""`ActivityEnvironment`."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from dalsegno import activity
from dalsegno.activity import ActivityCancellationDetails
from dalsegno.errors import CanceledError, PayloadError
from dalsegno.testing import ActivityEnvironment


@activity.defn
async def counted(up_to: int) -> str:
    for number in range(up_to):
        activity.heartbeat(number)
    return f"{activity.info().activity_type} {activity.info().attempt}"


@activity.defn
def counted_in_thread(up_to: int) -> str:
    for number in range(up_to):
        activity.heartbeat(number)
    return activity.info().workflow_id


async def test_an_activity_sees_its_info_and_its_heartbeats_are_told() -> None:
    env, told = ActivityEnvironment(), list[tuple[object, ...]]()
    env.on_heartbeat = lambda *details: told.append(details)
    env.info = replace(env.info, attempt=3, workflow_id="o-1")
    assert await env.run(counted, 2) == "counted 3"
    assert env.run(counted_in_thread, 1) == "o-1"
    assert told == [(0,), (1,), (0,)]


async def test_a_heartbeat_that_could_not_be_sent_is_refused() -> None:
    @activity.defn
    async def odd() -> None:
        activity.heartbeat(object())

    with pytest.raises(PayloadError):
        await ActivityEnvironment().run(odd)


async def test_an_async_activity_is_cancelled_and_sees_why() -> None:
    @activity.defn
    async def patient() -> str:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            assert activity.is_cancelled()
            details = activity.cancellation_details()
            assert details is not None and details.timed_out
            return str(error)
        return "never"

    env, begun = ActivityEnvironment(), asyncio.Event()
    running = env.run(patient)
    await begun.wait()
    env.cancel("too late", details=ActivityCancellationDetails(timed_out=True))
    env.cancel("twice is ordinary")
    assert await running == "too late"


async def test_a_sync_activity_hears_of_it_by_its_heartbeat_in_its_thread() -> None:
    @activity.defn
    def patient() -> None:
        begun.set()
        activity.wait_for_cancelled_sync(10)
        activity.heartbeat()

    env, begun = ActivityEnvironment(), threading.Event()
    running = asyncio.create_task(asyncio.to_thread(env.run, patient))
    await asyncio.to_thread(begun.wait, 10)
    env.cancel("enough")
    with pytest.raises(CanceledError, match="enough"):
        await running


async def test_a_sync_activity_that_is_interrupted_hears_of_it_where_it_stands() -> None:
    @activity.defn(no_thread_cancel_exception=False)
    def busy() -> str:
        begun.set()
        try:
            while True:
                pass
        except CanceledError:
            return "interrupted"

    env, begun = ActivityEnvironment(), threading.Event()
    running = asyncio.create_task(asyncio.to_thread(env.run, busy))
    await asyncio.to_thread(begun.wait, 10)
    env.cancel()
    assert await running == "interrupted"


async def test_what_begins_after_it_was_cancelled_is_cancelled() -> None:
    env = ActivityEnvironment()
    env.cancel()
    with pytest.raises(CanceledError):
        env.run(counted_in_thread, 1)


def test_a_plain_test_needs_no_loop_and_the_end_of_the_worker_is_seen() -> None:
    @activity.defn
    def ending() -> bool:
        return activity.is_worker_shutdown()

    env = ActivityEnvironment()
    assert not env.run(ending)
    env.worker_shutdown()
    assert env.run(ending)
    with pytest.raises(RuntimeError):
        activity.info()  # nothing of it is left
