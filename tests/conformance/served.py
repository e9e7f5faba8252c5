"""What a worker of ours has for a trial: the activities of docs/protocol-worker.md, "Conformance"."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

from dalsegno import activity
from dalsegno.errors import ApplicationError


@activity.defn(name="conformance.echo")
async def echo(value: Any) -> Any:
    return value


@activity.defn(name="conformance.fail")
async def fail(type_: str, message: str, non_retryable: bool) -> None:
    raise ApplicationError(message, type=type_, non_retryable=non_retryable)


@activity.defn(name="conformance.sleep")
async def sleep(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@activity.defn(name="conformance.beat")
async def beat(seconds: float) -> int:
    counted = int(activity.info().heartbeat_details[0]) if activity.info().heartbeat_details else 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        counted += 1
        activity.heartbeat(counted)
        await asyncio.sleep(0.1)
    return counted


def served() -> list[Callable[..., Any]]:
    """Of one worker, which counts for itself."""
    begun = itertools.count(1)

    @activity.defn(name="conformance.count")
    async def count(seconds: float) -> int:
        mine = next(begun)
        await asyncio.sleep(seconds)
        return mine

    return [echo, fail, sleep, beat, count]
