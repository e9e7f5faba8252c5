"""Workflows that do nothing for a long time, and remember what they were. For hosts."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from dalsegno import workflow

LONG = 3600.0


@workflow.defn
class Sleeper:
    """Sleeps for an hour, unless somebody calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @workflow.run
    async def run(self, seconds: float) -> list[str]:
        begun = workflow.now()
        napping = asyncio.create_task(asyncio.sleep(seconds))
        woken = asyncio.create_task(workflow.wait_condition(lambda: "wake up" in self.calls))
        await asyncio.wait([napping, woken], return_when=asyncio.FIRST_COMPLETED)
        slept_through = workflow.now() - begun >= timedelta(seconds=seconds)
        return [*self.calls, "slept through" if slept_through else "woken"]

    @workflow.signal
    def call(self, what: str) -> None:
        self.calls.append(what)

    @workflow.query
    def called(self) -> list[str]:
        return self.calls


@workflow.defn
class PlainSleeper:
    """Sleeps and wakes, and remembers who called meanwhile."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @workflow.run
    async def run(self, seconds: float) -> list[str]:
        await asyncio.sleep(seconds)
        return self.calls

    @workflow.signal
    def call(self, what: str) -> None:
        self.calls.append(what)

    @workflow.query
    def called(self) -> list[str]:
        return self.calls
