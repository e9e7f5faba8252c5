"""Workflows and activities for hosts and workers that die. What comes out of a workflow depends on its
arguments and signals alone, but for the values that the ledger drew: those say which attempts counted."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from dalsegno import ActivityError, ApplicationError, RetryPolicy, activity, workflow
from tests.crash.ledger import Ledger
from tests.crash.recorder import Recorder

LEDGER_VARIABLE = "CRASH_LEDGER"
RECORD_VARIABLE = "CRASH_RECORD"

PATIENT = RetryPolicy(initial_interval=0.05, maximum_interval=1.0)
ATTEMPT = timedelta(seconds=30)
SOON = timedelta(seconds=20)
"""Within what hosts look for when they look for timers."""
ROUNDS = 6
"""Of a loop."""
SIGN_OF_LIFE = timedelta(seconds=1)
"""After this time the engine gives an attempt up whose worker has died."""

# --- activities -----------------------------------------------------------------------------------------------


def _booked(what: str) -> str:
    info = activity.info()
    told = {"run_id": info.run_id, "activity_id": info.activity_id, "attempt": info.attempt}
    recorder = Recorder(Path(os.environ[RECORD_VARIABLE]))
    recorder.note("worker", "run-start", **told)
    ledger = Ledger(Path(os.environ[LEDGER_VARIABLE]))
    value = ledger.book(info.workflow_id, info.run_id, info.activity_id, info.attempt, what)
    recorder.note("worker", "run-end", **told, value=value)
    return value


@activity.defn
def book(what: str) -> str:
    time.sleep(0.01)
    return _booked(what)


@activity.defn
def flaky(failures: int) -> str:
    """Fails so many times before."""
    if activity.info().attempt <= failures:
        raise ConnectionError("it may work the next time")
    return _booked("flaky")


@activity.defn
async def decline() -> None:
    raise ApplicationError("no, and for good", type="Declined", non_retryable=True)


@activity.defn
async def hold() -> str:
    """Acknowledged before it runs, because it sends heartbeats."""
    activity.heartbeat("on it")
    await asyncio.sleep(0.05)
    return _booked("hold")


async def booking(what: str) -> str:
    return await workflow.execute_activity(book, what, start_to_close_timeout=ATTEMPT, retry_policy=PATIENT)


# --- workflows ------------------------------------------------------------------------------------------------


@workflow.defn
class Chain:
    """Activities, one after the other."""

    @workflow.run
    async def run(self, length: int) -> list[str]:
        return [await booking(f"step {number}") for number in range(length)]


@workflow.defn
class FanOut:
    """Activities, all at once."""

    @workflow.run
    async def run(self, width: int) -> list[str]:
        return list(await asyncio.gather(*(booking(f"part {number}") for number in range(width))))


@workflow.defn
class Appends:
    """A list that signals append to, and queries read. There is always a timer that is due soon."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.length = -1

    @workflow.run
    async def run(self) -> list[int]:
        while len(self.items) != self.length:
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: len(self.items) == self.length, timeout=SOON)
        return self.items

    @workflow.signal
    def append(self, item: int) -> None:
        self.items.append(item)

    @workflow.signal
    def end(self, length: int) -> None:
        self.length = length

    @workflow.query
    def read(self) -> list[int]:
        return self.items


@workflow.defn
class Flaky:
    """Activities that fail before they succeed."""

    @workflow.run
    async def run(self, failures: list[int]) -> list[str]:
        attempts = (
            workflow.execute_activity(flaky, count, start_to_close_timeout=ATTEMPT, retry_policy=PATIENT)
            for count in failures
        )
        return list(await asyncio.gather(*attempts))


@workflow.defn
class Ladder:
    """Timers, one after the other and side by side."""

    @workflow.run
    async def run(self, delays: list[float]) -> list[bool]:
        in_time = []
        for delay in delays:
            before = workflow.time()
            await asyncio.gather(asyncio.sleep(delay), asyncio.sleep(delay / 2))
            in_time.append(workflow.time() - before >= delay - 1e-6)
        return in_time


@workflow.defn
class Saga:
    """What was done is undone in reverse order, because the last step fails for good."""

    @workflow.run
    async def run(self, steps: list[str]) -> list[str]:
        values: list[str] = []

        async def undo(step: str) -> None:
            values.append(await booking(f"undo {step}"))

        with suppress(ActivityError):
            async with workflow.saga() as saga:
                for step in steps:
                    done = await saga.do(
                        book,
                        f"do {step}",
                        undo=lambda step=step: undo(step),
                        start_to_close_timeout=ATTEMPT,
                        retry_policy=PATIENT,
                    )
                    values.append(done)
                await workflow.execute_activity(decline, args=[], start_to_close_timeout=ATTEMPT)
        return values


@dataclass
class Tally:
    left: int
    values: list[str] = field(default_factory=list)
    is_over: bool = False


@workflow.defn
class Loop:
    """From sign to sign, and to its end when it is told to."""

    def __init__(self) -> None:
        self.is_over = False
        self.left = ROUNDS

    @workflow.run
    async def run(self, tally: Tally) -> list[str]:
        self.left = tally.left
        if tally.left > 0:
            value = await booking(f"round {tally.left}")
            is_over = tally.is_over or self.is_over
            workflow.checkpoint(Tally(tally.left - 1, [*tally.values, value], is_over))
        await workflow.wait_condition(lambda: tally.is_over or self.is_over)
        return tally.values

    @workflow.signal
    def fine(self) -> None:
        self.is_over = True

    @workflow.query
    def has_signs(self) -> bool:
        return self.left < ROUNDS


@workflow.defn
class Parent:
    """Children, all at once."""

    @workflow.run
    async def run(self, width: int) -> list[list[str]]:
        own = workflow.info().workflow_id
        return list(
            await asyncio.gather(
                *(
                    workflow.execute_child_workflow(Chain.run, 1, id=f"{own}-child-{number}")
                    for number in range(width)
                )
            )
        )


@workflow.defn
class Relay:
    """From run to run: each books one value."""

    @workflow.run
    async def run(self, tally: Tally) -> list[str]:
        values = [*tally.values, await booking(f"leg {tally.left}")]
        if tally.left > 1:
            workflow.continue_as_new(Tally(tally.left - 1, values))
        return values


@workflow.defn
class Account:
    """Updates, each answered with the value that it has booked."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.length = -1

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: len(self.values) == self.length)
        return self.values

    @workflow.update
    async def deposit(self, what: str) -> str:
        value = await booking(what)
        self.values.append(value)
        return value

    @workflow.signal
    def end(self, length: int) -> None:
        self.length = length


@workflow.defn
class Local:
    """Local activities, one after the other."""

    @workflow.run
    async def run(self, length: int) -> list[str]:
        return [
            await workflow.execute_local_activity(
                book, f"local {number}", start_to_close_timeout=ATTEMPT, retry_policy=PATIENT
            )
            for number in range(length)
        ]


@workflow.defn
class Held:
    """An activity that a worker is granted, and sends heartbeats for."""

    @workflow.run
    async def run(self) -> list[str]:
        value = await workflow.execute_activity(
            hold,
            args=[],
            start_to_close_timeout=ATTEMPT,
            heartbeat_timeout=SIGN_OF_LIFE,
            retry_policy=PATIENT,
        )
        return [value]
