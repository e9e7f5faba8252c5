"""Workflows that use a bit of everything, and say in the end what they were told; for hosts and workers of any
release, so nothing that is new is used here.

Activities enter each of their executions into the file that ERRANDS_LEDGER names. A result holds the entries of
the executions that it came from.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from dalsegno import ApplicationError, RetryPolicy, activity, workflow

AN_HOUR = 3600.0
"""For an attempt: longer than any test, so that what is lost is not repaired by trying again."""
AT_ONCE = RetryPolicy(initial_interval=0.05, backoff_coefficient=1)
ONCE = RetryPolicy(maximum_attempts=1)
"""Then a worker asks before it begins."""
PARALLEL = 3
FAILS_WITH = "as planned"
LAST = -1
"""The note that ends a watch."""


def enter(word: str) -> str:
    """Into the ledger, with the one activity that it is about; returns the entry."""
    entry = f"{word} {activity.info().idempotency_key} {uuid4().hex}"
    # One short write to a file opened for appending: entries of several processes do not mix.
    with Path(os.environ["ERRANDS_LEDGER"]).open("a") as ledger:
        ledger.write(f"{entry}\n")
    return entry


@activity.defn
def do(step: str) -> str:
    return enter(step)


@activity.defn
async def stumble(step: str) -> str:
    """Succeeds when it is tried again."""
    if activity.info().attempt == 1:
        raise ApplicationError("stumbled")
    return enter(step)


@activity.defn
async def take_long(step: str) -> str:
    """Long enough to be announced, with heartbeats."""
    for beat in range(5):
        activity.heartbeat(beat)
        await asyncio.sleep(0.3)  # the length of the work
    return enter(step)


@activity.defn
async def linger(step: str) -> str:
    """Until it is cancelled."""
    enter(f"{step}-begun")
    try:
        await asyncio.sleep(AN_HOUR)
    finally:
        enter(f"{step}-ended")
    return ""


@dataclass(frozen=True)
class Plan:
    notes: int
    """So many signals are waited for."""
    pause: float = 0.2
    thorough: bool = False
    fails: bool = False


@dataclass
class Report:
    notes: list[int] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)


async def taken(step: Callable[[str], Any], name: str, **options: Any) -> str:
    """The entry of a step."""
    entry: str = await workflow.execute_activity(step, name, start_to_close_timeout=AN_HOUR, **options)
    return entry


@workflow.defn
class Errand:
    """A short one. Its steps are `steps_of` its plan."""

    def __init__(self) -> None:
        self.report = Report()

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        done = self.report.entries
        done.append(await taken(do, "first"))
        lingering = None
        if plan.thorough:
            lingering = workflow.start_activity(linger, "lingering", start_to_close_timeout=AN_HOUR)
        await asyncio.sleep(plan.pause)
        await workflow.wait_condition(lambda: len(self.report.notes) >= plan.notes)
        done.extend(await asyncio.gather(*(taken(do, f"parallel-{n}") for n in range(PARALLEL))))
        done.append(await taken(stumble, "stumbled", retry_policy=AT_ONCE))
        if lingering is not None:
            done.append(await taken(take_long, "long", heartbeat_timeout=AN_HOUR))
            lingering.cancel()
            done.append(await taken(do, "once", heartbeat_timeout=AN_HOUR, retry_policy=ONCE))
        if plan.fails:
            raise ApplicationError(FAILS_WITH, self.report)
        return self.report

    @workflow.signal
    def note(self, number: int) -> None:
        self.report.notes.append(number)

    @workflow.query
    def notes(self) -> int:
        return len(self.report.notes)


def steps_of(plan: Plan) -> list[str]:
    """What an errand's report has entries of, in this order."""
    thorough = ["long", "once"] if plan.thorough else []
    return ["first", *(f"parallel-{n}" for n in range(PARALLEL)), "stumbled", *thorough]


@workflow.defn
class Watch:
    """A long one: each note is a step, and a sign. It ends with the note LAST."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    @workflow.run
    async def run(self, report: Report) -> Report:
        while True:
            await workflow.wait_condition(lambda: bool(self.heard))
            number = self.heard.pop(0)
            if number == LAST:
                return report
            report.entries.append(await taken(do, f"note-{number}"))
            report.notes.append(number)
            if not self.heard:
                workflow.checkpoint(report)

    @workflow.signal
    def note(self, number: int) -> None:
        self.heard.append(number)

    @workflow.query
    def heard_of(self) -> int:
        return len(self.heard)
