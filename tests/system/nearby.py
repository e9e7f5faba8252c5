"""Workflows that have short things done by their host itself."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from dalsegno import ActivityError, ApplicationError, RawValue, activity, workflow
from dalsegno.policies import RetryPolicy


@activity.defn
async def where(text: str) -> tuple[str, int, bool, str]:
    """What is said, by which process and thread, and whether that is a host."""
    return text, os.getpid(), activity.info().is_local, threading.current_thread().name


@activity.defn
def where_in_a_thread(text: str) -> tuple[str, int, bool, str]:
    return text, os.getpid(), activity.info().is_local, threading.current_thread().name


@activity.defn
async def third_time_lucky(pause: float) -> int:
    attempt = activity.info().attempt
    if attempt < 3:
        raise ApplicationError("not yet", next_retry_delay=timedelta(seconds=pause))
    return attempt


@activity.defn
async def refuses(text: str) -> str:
    raise ValueError(text)


@activity.defn
async def waits(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "waited"


@activity.defn
def sleeps(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def _marked(folder: Path) -> int:
    """How often, with this time."""
    (folder / f"{uuid4()}").touch()
    return len(list(folder.iterdir()))


@activity.defn
async def holds_on(folder: str) -> str:
    """The first attempt to come never ends; it leaves a file in the folder."""
    if _marked(Path(folder)) == 1:
        await asyncio.Event().wait()
    return "at last"


@activity.defn(dynamic=True)
async def anything(args: Sequence[RawValue]) -> str:
    return f"{activity.info().activity_type} of {len(args)}"


@activity.defn
async def large(size: int) -> str:
    return "x" * size


@workflow.defn
class Nearby:
    @workflow.run
    async def run(self, text: str) -> list[tuple[str, int, bool, str]]:
        first = await workflow.execute_local_activity(where, text)
        second = await workflow.start_local_activity(where_in_a_thread, text)
        third = await workflow.execute_activity(where, text)
        return [first, second, third]


@workflow.defn
class NearbyByName:
    @workflow.run
    async def run(self, name: str) -> str:
        result: str = await workflow.execute_local_activity(name, args=[1, 2])
        return result


@workflow.defn
class Retries:
    @workflow.run
    async def run(self, pause: float, threshold: float) -> int:
        return await workflow.execute_local_activity(third_time_lucky, pause, local_retry_threshold=threshold)


@workflow.defn
class Fails:
    @workflow.run
    async def run(self, name: str) -> list[str]:
        try:
            if name == "refuses":
                await workflow.execute_local_activity(
                    refuses, "no", retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=0.001)
                )
            elif name == "large":
                await workflow.execute_local_activity(large, 2_000_000)
            else:
                await workflow.execute_local_activity(
                    waits if name == "waits" else sleeps,
                    100.0 if name == "waits" else 1.0,
                    start_to_close_timeout=0.05,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
        except ActivityError as error:
            cause = error.cause
            return [type(cause).__name__, str(cause), error.activity_type]
        return []


@workflow.defn
class Many:
    @workflow.run
    async def run(self, count: int) -> int:
        done = await asyncio.gather(
            *(workflow.execute_local_activity(where, str(number)) for number in range(count))
        )
        return sum(int(text) for text, *_ in done)


@workflow.defn
class Interrupted:
    @workflow.run
    async def run(self, path: str) -> str:
        return await workflow.execute_local_activity(holds_on, path)


@workflow.defn
class GivesUp:
    @workflow.run
    async def run(self, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                return await workflow.execute_local_activity(waits, 600.0)
        except TimeoutError:
            return await workflow.execute_local_activity(waits, 0.0)


@workflow.defn
class AsksItself:
    def __init__(self) -> None:
        self._done = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._done)
        return "done"

    @workflow.signal
    def end(self) -> None:
        self._done = True

    @workflow.query
    async def asks(self) -> str:
        return await workflow.execute_local_activity(waits, 0.0)
