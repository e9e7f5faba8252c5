"""Workflows made at random: trees of asyncio's constructs over activities and timers.

Run as a script it prints what one of them wants, so that processes can be compared.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

import structlog

from dalsegno import ActivityError, ApplicationError, workflow
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import work

Tree = list[Any]
KINDS = [
    "activity",
    "sleep",
    "gather",
    "group",
    "first",
    "as_completed",
    "timeout",
    "shield",
    "seq",
    "raise",
    "wait",
]


def make_tree(source: random.Random, depth: int = 3) -> Tree:
    kind = source.choice(KINDS[:2] if depth == 0 else KINDS)
    if kind == "activity":
        return [kind, source.choice(list(workflow.ActivityCancellationType)).value]
    if kind == "sleep":
        return [kind, source.randrange(5)]
    if kind == "raise":
        return [kind]
    if kind == "wait":
        return [kind, source.randrange(4)]
    if kind in ("timeout", "shield"):
        return [kind, source.randrange(1, 4), make_tree(source, depth - 1)]
    return [kind, *(make_tree(source, depth - 1) for _ in range(source.randrange(1, 5)))]


@workflow.defn
class RandomProgram:
    def __init__(self) -> None:
        self.pokes = 0
        self.trace: list[str] = []

    @workflow.run
    async def run(self, tree: Tree) -> list[str]:
        for _ in range(3):
            try:
                await self.do(tree)
                self.trace.append("ok")
            except (ActivityError, TimeoutError, BaseExceptionGroup, ApplicationError) as error:
                self.trace.append(type(error).__name__)
            except asyncio.CancelledError:
                self.trace.append("cancelled")
                await workflow.execute_activity(work, 0)
        self.trace.append(str(workflow.uuid4()))
        self.trace.append(str(workflow.random().random()))
        return self.trace

    @workflow.signal(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def poke(self) -> None:
        self.pokes += 1
        await asyncio.sleep(1)
        self.trace.append("poked")

    async def do(self, tree: Tree) -> None:
        kind, *rest = tree
        match kind:
            case "activity":
                cancellation_type = workflow.ActivityCancellationType(rest[0])
                await workflow.execute_activity(work, 1, cancellation_type=cancellation_type)
            case "sleep":
                await asyncio.sleep(rest[0])
            case "raise":
                raise ApplicationError("on purpose")
            case "wait":
                await workflow.wait_condition(lambda: self.pokes >= rest[0], timeout=3)
            case "gather":
                await asyncio.gather(*map(self.do, rest))
            case "group":
                async with asyncio.TaskGroup() as group:
                    for part in rest:
                        group.create_task(self.do(part))
            case "first":
                await self.first(rest)
            case "as_completed":
                for call in asyncio.as_completed([self.do(part) for part in rest]):
                    await call
            case "timeout":
                async with asyncio.timeout(rest[0]):
                    await self.do(rest[1])
            case "shield":
                await asyncio.shield(self.do(rest[1]))
            case "seq":
                for part in rest:
                    await self.do(part)

    async def first(self, parts: list[Tree]) -> None:
        # gather's futures in a set, too: the order of the set decides what is cancelled first
        futures: set[asyncio.Future[Any]] = {asyncio.gather(self.do(part), self.do(part)) for part in parts}
        futures |= {asyncio.ensure_future(self.do(part)) for part in parts}
        done, pending = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        for future in pending:
            future.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for future in done:
            future.exception() if not future.cancelled() else None


@workflow.defn
class RandomSigns(RandomProgram):
    """Does its tree, and begins again from a sign, unless the tree has left something running."""

    @workflow.run
    async def run(self, tree: Tree) -> list[str]:
        rounds, inner = tree
        try:
            await self.do(inner)
        except (ActivityError, TimeoutError, BaseExceptionGroup, ApplicationError) as error:
            self.trace.append(type(error).__name__)
        if rounds == 0:
            return [*self.trace, str(workflow.uuid4())]
        return workflow.checkpoint([rounds - 1, inner])


def drive(play: Play, tree: Tree, source: random.Random, steps: int = 200) -> None:
    """Give inputs at random, as far as there are any to give."""
    play.begin(tree)
    for _ in range(steps):
        if play.closed:
            return
        choices = [("resolve", number) for number in play.activities] + [
            ("fire", number) for number in play.timers
        ]
        kind, number = source.choice([*choices * 3, ("poke", 0), ("cancel", 0)])
        if kind == "fire":
            play.fire(number)
        elif kind == "poke":
            play.signal("poke")
        elif kind == "cancel":
            play.cancel()
        elif source.random() < 0.3:
            play.fail(number, ApplicationError("no"))
        else:
            play.resolve(number, number)


def main(seeds: int) -> None:
    ballast = []
    for seed in range(seeds):
        ballast.append([object() for _ in range(random.SystemRandom().randrange(1_000))])  # shifts addresses
        source = random.Random(seed)
        play = Play(RandomProgram, run_id=f"run-{seed}")
        drive(play, make_tree(source), source)
        print(seed, play.digests, play.program.waiting_for())
        play.program.drop()


if __name__ == "__main__":
    # What is logged has times of its own.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    main(int(sys.argv[1]))
