"""The user code that is simulated: each workflow's outcome depends on its arguments and signals alone,
however its world fails, so that a plain function can say what it must be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from dalsegno import ActivityError, ApplicationError, Log, workflow
from dalsegno.policies import RetryPolicy
from tests.simulation.broker_model import CULPRIT

PATIENT = RetryPolicy(initial_interval=0.2, maximum_interval=5.0)
ONCE = RetryPolicy(maximum_attempts=1)
ATTEMPT = timedelta(seconds=30)
LONG_SECONDS = 100_000
"""No simulation lasts as long."""


async def act(activity: str, *args: Any) -> Any:
    return await workflow.execute_activity(
        activity, args=args, start_to_close_timeout=ATTEMPT, retry_policy=PATIENT
    )


def _seconds_since(before_ns: int) -> float:
    return (workflow.time_ns() - before_ns) / 1e9


@workflow.defn
class Chain:
    """W1: three activities, each with the result of the one before."""

    @workflow.run
    async def run(self, number: int) -> int:
        for step in range(3):
            number = await act("add", number, step)
        return number


@workflow.defn
class TimerLadder:
    """The timer ladder: sleeps, several at once, each measured."""

    @workflow.run
    async def run(self, delays: list[float]) -> list[bool]:
        in_time: list[bool] = []
        for delay in delays:
            before = workflow.time_ns()
            await asyncio.sleep(delay)
            in_time.append(_seconds_since(before) >= delay)
        before = workflow.time_ns()
        await asyncio.gather(*(asyncio.sleep(delay) for delay in delays))
        in_time.append(_seconds_since(before) >= max(delays))
        try:
            async with asyncio.timeout(delays[0]):
                await workflow.wait_condition(lambda: False)
        except TimeoutError:
            in_time.append(True)
        return in_time


@workflow.defn
class Appends:
    """W4: a list that signals append to, and queries read."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.finished = False

    @workflow.run
    async def run(self) -> list[int]:
        await workflow.wait_condition(lambda: self.finished)
        return self.items

    @workflow.signal
    def append(self, item: int) -> None:
        self.items.append(item)

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.query
    def read(self) -> list[int]:
        return self.items


@workflow.defn
class Transfer:
    """W5: a saga. What was done is undone in reverse order when a later step fails for good."""

    @workflow.run
    async def run(self, source: str, stops: list[str], amount: int) -> str:
        done: list[str] = []
        try:
            for account in (source, *stops):
                sign = -1 if account == source else 1
                share = amount * len(stops) if account == source else amount
                await act("book", account, sign * share)
                done.append(account)
        except ActivityError:
            for account in reversed(done):
                sign = 1 if account == source else -1
                share = amount * len(stops) if account == source else amount
                await act("book", account, sign * share)
            return f"undone {len(done)}"
        return "done"


@workflow.defn
class Flaky:
    """W7: activities that fail and are tried again, and some that fail for good."""

    @workflow.run
    async def run(self, failures: list[int]) -> list[str]:
        return list(await asyncio.gather(*(self._try(count) for count in failures)))

    async def _try(self, failures: int) -> str:
        try:
            await act("flaky", failures)
        except ActivityError as error:
            return type(error.__cause__).__name__
        return "ok"


@dataclass
class Tally:
    rounds: int
    total: int = 0
    notes: Log[int] = field(default_factory=Log)


@workflow.defn
class SignLoop:
    """W8: rounds from sign to sign; signals may come at any time."""

    def __init__(self) -> None:
        self.notes: list[int] = []

    @workflow.run
    async def run(self, tally: Tally) -> list[Any]:
        if tally.rounds == 0:
            await workflow.wait_condition(lambda: 0 in self.notes or 0 in tally.notes)
            return [tally.total, [*tally.notes, *self.notes]]
        total = await act("add", tally.total, tally.rounds)
        if tally.rounds % 3 == 0:
            await asyncio.sleep(0.5)
        tally.notes.extend(self.notes)
        return workflow.checkpoint(Tally(tally.rounds - 1, total, tally.notes))

    @workflow.signal
    def note(self, number: int) -> None:
        self.notes.append(number)

    @workflow.query
    def read(self) -> list[int]:
        return self.notes


@workflow.defn
class Guarded:
    """Activities that are granted and done once at most, heartbeats, and those that the broker won't carry."""

    @workflow.run
    async def run(self, uncarried: bool) -> list[str]:
        outcomes = [await self._once()]
        if uncarried:
            try:
                await workflow.execute_activity("add", args=[1, 1, CULPRIT.decode()])
                outcomes.append("carried")
            except ActivityError:
                outcomes.append("not carried")
        outcomes.append(str(await act("add", 1, 1)))
        return outcomes

    async def _once(self) -> str:
        try:
            await workflow.execute_activity(
                "once", workflow.info().run_id, start_to_close_timeout=ATTEMPT, retry_policy=ONCE
            )
        except ActivityError:
            return "lost"
        return "done"


@workflow.defn
class Cancellable:
    """Waits to be cancelled, cleans up, and says so. It ends by itself if nobody cancels it."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        try:
            await asyncio.gather(act("slow", seconds), asyncio.sleep(seconds))
        except asyncio.CancelledError:
            await act("add", 1, 1)
            raise
        return "not cancelled"


Tree = list[Any]


@workflow.defn
class RandomTree:
    """W9: a tree of everything; `oracle.outcome` says what comes out of it."""

    def __init__(self) -> None:
        self.signals = 0

    @workflow.run
    async def run(self, tree: Tree) -> Any:
        return await self.do(tree)

    @workflow.signal
    def poke(self) -> None:
        self.signals += 1

    @workflow.query
    def pokes(self) -> int:
        return self.signals

    async def do(self, tree: Tree) -> Any:
        kind, *rest = tree
        match kind:
            case "add":
                return await act("add", rest[0], rest[1])
            case "flaky":
                return await act("flaky", rest[0])
            case "sleep":
                await asyncio.sleep(rest[0])
                return "slept"
            case "pokes":
                await workflow.wait_condition(lambda: self.signals >= rest[0])
                return f"poked {rest[0]}"
            case "within":
                async with asyncio.timeout(LONG_SECONDS):
                    await workflow.wait_condition(lambda: self.signals >= rest[0])
                return f"poked {rest[0]}"
            case "held":
                return await act("held")
            case "raise":
                raise ApplicationError("on purpose")
            case "catch":
                try:
                    return await self.do(rest[0])
                except (ActivityError, ApplicationError) as error:
                    return f"caught {type(error).__name__}"
            case "seq":
                return [await self.do(part) for part in rest]
            case "gather":
                results = await asyncio.gather(*map(self.do, rest), return_exceptions=True)
                return [type(r).__name__ if isinstance(r, BaseException) else r for r in results]
            case "group":
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self.do(["catch", part])) for part in rest]
                return [task.result() for task in tasks]
            case "timeout":
                try:
                    async with asyncio.timeout(rest[0]):
                        await workflow.wait_condition(lambda: False)
                except TimeoutError:
                    return await self.do(rest[1])
        raise AssertionError(f"no {kind!r} in a tree")


WORKFLOWS: tuple[type, ...] = (
    Chain,
    TimerLadder,
    Appends,
    Transfer,
    Flaky,
    SignLoop,
    Guarded,
    Cancellable,
    RandomTree,
)
