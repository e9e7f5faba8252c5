"""Locks, queues and the like, made where user code likes, wake in the order that asyncio promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dalsegno import workflow
from tests.workflow_actor.program.play import Play, played


@workflow.defn
class Office:
    """All are made in `__init__`, and used by handlers and by the run method."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.desks = asyncio.Semaphore(2)
        self.bounded = asyncio.BoundedSemaphore(1)
        self.letters: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
        self.urgent: asyncio.PriorityQueue[tuple[int, str]] = asyncio.PriorityQueue()
        self.stack: asyncio.LifoQueue[int] = asyncio.LifoQueue()
        self.open = asyncio.Event()
        self.news = asyncio.Condition()
        self.table = asyncio.Barrier(3)
        self.done: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await self.open.wait()
        await workflow.wait_condition(lambda: "end" in self.done)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.done

    @workflow.signal
    async def work(self, kind: str, name: str) -> None:
        await self.open.wait()
        match kind:
            case "lock":
                async with self.lock:
                    await asyncio.sleep(1)
                    self.done.append(name)
            case "desk":
                async with self.desks, self.bounded:
                    await asyncio.sleep(1)
                    self.done.append(name)
            case "put":
                await self.letters.put(name)
                self.done.append(f"put {name}")
            case "get":
                self.done.append(f"got {await self.letters.get()}")
                self.letters.task_done()
            case "heed":
                async with self.news:
                    await self.news.wait()
                    self.done.append(name)
            case "tell":
                async with self.news:
                    self.news.notify(int(name))
            case "sit":
                seat = await self.table.wait()
                self.done.append(f"{name} has seat {seat}")
            case "sort":
                self.urgent.put_nowait((len(name), name))
                self.stack.put_nowait(len(name))
            case "sorted":
                self.done += [self.urgent.get_nowait()[1] for _ in range(self.urgent.qsize())]
                self.done += [str(self.stack.get_nowait()) for _ in range(self.stack.qsize())]

    @workflow.signal
    def begin(self) -> None:
        self.open.set()

    @workflow.signal
    def end(self) -> None:
        self.done.append("end")


def worked(*work: tuple[str, str]) -> list[str]:
    """What was done, in order, with all signals but the last two sent before the office opens."""
    play = Play(Office)
    play.begin()
    for kind, name in work:
        play.signal("work", kind, name)
    play.signal("begin")
    while play.timers:
        play.fire(min(play.timers))
    play.signal("end")
    play.replayed()
    done: list[str] = play.result
    assert done.pop() == "end"
    return done


NAMES = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("kind", ["lock", "desk"])
def test_who_waits_for_a_lock_or_semaphore_gets_it_in_the_order_they_came(kind: str) -> None:
    assert worked(*[(kind, name) for name in NAMES]) == NAMES


def test_a_queue_gives_in_order_to_those_who_wait_in_order() -> None:
    putting = [("put", name) for name in NAMES]
    done = worked(*putting, *[("get", "")] * len(NAMES))
    assert [text for text in done if text.startswith("put")] == [f"put {name}" for name in NAMES]
    assert [text for text in done if text.startswith("got")] == [f"got {name}" for name in NAMES]
    done = worked(*[("get", "")] * len(NAMES), *putting)
    assert [text for text in done if text.startswith("got")] == [f"got {name}" for name in NAMES]


def test_queues_with_an_order_of_their_own_keep_it() -> None:
    sorting = [("sort", "ccc"), ("sort", "a"), ("sort", "bb")]
    assert worked(*sorting, ("sorted", "")) == ["a", "bb", "ccc", "2", "1", "3"]


def test_a_condition_wakes_the_first_of_those_who_wait() -> None:
    heeding = [("heed", name) for name in NAMES]
    assert worked(*heeding, ("tell", "2"), ("tell", "3")) == NAMES


def test_a_barrier_lets_go_of_those_who_came_in_the_order_they_came() -> None:
    done = worked(*[("sit", name) for name in ("a", "b", "c")])
    assert sorted(done) == ["a has seat 0", "b has seat 1", "c has seat 2"]
    assert done == worked(*[("sit", name) for name in ("a", "b", "c")])


@workflow.defn
class GivenLocks:
    """Made by the arguments, before the run method, and passed among tasks of a group."""

    @workflow.init
    def __init__(self, width: int) -> None:
        self.width = asyncio.Semaphore(width)
        self.order: list[int] = []

    @workflow.run
    async def run(self, width: int) -> list[int]:
        async def one(number: int) -> None:
            async with self.width:
                await asyncio.sleep(1)
                self.order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(2 * width + 1):
                group.create_task(one(number))
        return self.order


def test_a_semaphore_made_from_the_arguments_lets_a_group_s_tasks_pass_in_order() -> None:
    assert played(GivenLocks, 3).result == list(range(7))


@workflow.defn
class GivesUp:
    """A waiter that is cancelled leaves its place to the next."""

    @workflow.run
    async def run(self) -> list[Any]:
        lock, seen = asyncio.Lock(), []

        async def one(name: str, seconds: float) -> None:
            try:
                async with asyncio.timeout(seconds), lock:
                    await asyncio.sleep(2)
                    seen.append(name)
            except TimeoutError:
                seen.append(f"{name} gave up")

        await asyncio.gather(one("a", 10), one("b", 1), one("c", 10), one("d", 3), one("e", 10))
        return [*seen, lock.locked()]


def test_a_waiter_that_gives_up_leaves_its_place_to_the_next() -> None:
    assert played(GivesUp).result == ["b gave up", "a", "d gave up", "c", "e", False]
