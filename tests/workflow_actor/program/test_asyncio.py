"""asyncio's own tools, used as anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dalsegno import ActivityError, ApplicationError, workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.workflow_actor.program.play import Play, played
from tests.workflow_actor.program.things import work


def step(number: int) -> Any:
    return workflow.execute_activity(work, number)


@workflow.defn
class Gathers:
    @workflow.run
    async def run(self) -> list[Any]:
        return list(await asyncio.gather(step(1), step(2), step(3), return_exceptions=False))


def test_gather_returns_results_in_the_order_given_whatever_the_order_of_completion() -> None:
    play = Play(Gathers)
    play.begin()
    for number in (3, 1, 2):
        play.resolve(number, number * 10)
    assert play.result == [10, 20, 30]
    play.replayed()


@workflow.defn
class GathersExceptions:
    @workflow.run
    async def run(self) -> list[str]:
        results = await asyncio.gather(step(1), step(2), return_exceptions=True)
        return [type(result).__name__ for result in results]


def test_gather_can_return_exceptions() -> None:
    play = Play(GathersExceptions)
    play.begin()
    play.fail(1, ApplicationError("no"))
    play.resolve(2, 2)
    assert play.result == ["ActivityError", "int"]


@workflow.defn
class Waits:
    @workflow.run
    async def run(self) -> list[int]:
        tasks = [asyncio.create_task(step(number)) for number in range(5)]
        seen = []
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            seen += [task.result() for task in done]
        return seen


def test_wait_returns_what_is_done_first() -> None:
    play = Play(Waits)
    play.begin()
    for number in (4, 2, 5, 1, 3):
        play.resolve(number, number)
    assert play.result == [4, 2, 5, 1, 3]
    play.replayed()


@workflow.defn
class WaitsForAll:
    @workflow.run
    async def run(self) -> list[Any]:
        handles = [workflow.start_activity(work, number) for number in range(3)]
        done, pending = await workflow.wait(handles, timeout=10, return_when=asyncio.ALL_COMPLETED)
        return [[handles.index(f) for f in done], [handles.index(f) for f in pending]]  # type: ignore[arg-type]


def test_workflow_wait_returns_lists_in_the_order_given() -> None:
    play = Play(WaitsForAll)
    play.begin()
    play.resolve(3, 3)
    play.resolve(1, 1)
    play.fire(1)
    assert play.result == [[0, 2], [1]]


@workflow.defn
class AsCompleted:
    @workflow.run
    async def run(self, kind: str) -> list[int]:
        calls = [step(number) for number in range(6)]
        if kind == "coroutines":
            return [await call for call in asyncio.as_completed(calls)]
        if kind == "tuple":
            return [await call for call in asyncio.as_completed(tuple(calls), timeout=100)]
        if kind == "tasks":
            return [await call for call in asyncio.as_completed([asyncio.create_task(call) for call in calls])]
        return [await call for call in workflow.as_completed(call for call in calls)]


@pytest.mark.parametrize("kind", ["coroutines", "tuple", "tasks", "ours"])
def test_as_completed_takes_coroutines_in_the_order_given(kind: str) -> None:
    play = Play(AsCompleted)
    play.begin(kind)
    scheduled = [activity.args[0].data for activity in play.activities.values()]
    assert scheduled == [b"0", b"1", b"2", b"3", b"4", b"5"]
    for number in (4, 2, 6, 1, 5, 3):
        play.resolve(number, number)
    assert play.result == [4, 2, 6, 1, 5, 3]
    play.replayed()


@workflow.defn
class AsCompletedWithoutOrder:
    @workflow.run
    async def run(self, kind: str) -> None:
        calls = {step(1), step(2)} if kind == "set" else [step(1), workflow.start_activity(work, 2)]
        for call in asyncio.as_completed(calls):
            await call


@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize("kind", ["set", "mixed"])
def test_as_completed_refuses_coroutines_whose_order_is_not_fixed(kind: str) -> None:
    with pytest.raises(WorkflowCodeError, match=r"use workflow\.as_completed"):
        Play(AsCompletedWithoutOrder).begin(kind)


@workflow.defn
class Groups:
    @workflow.run
    async def run(self) -> list[Any]:
        cleaned: list[int] = []

        async def part(number: int) -> int:
            try:
                return int(await step(number))
            except asyncio.CancelledError:
                cleaned.append(number)
                raise

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(8):
                    group.create_task(part(number))
        except* ActivityError as errors:
            cleaned.append(-len(errors.exceptions))
        return cleaned


def test_a_task_group_cancels_the_others_in_the_order_they_were_made() -> None:
    play = Play(Groups)
    play.begin()
    play.fail(4, ApplicationError("no"))
    assert play.result == [0, 1, 2, 4, 5, 6, 7, -1]
    assert play.digests[8:-1] == [f"cancel activity {number}" for number in (1, 2, 3, 5, 6, 7, 8)]
    play.replayed()


@workflow.defn
class LetsGroupThrough:
    @workflow.run
    async def run(self, bug: bool) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(step(1))
            if bug:
                group.create_task(asyncio.sleep("x"))  # type: ignore[call-overload]


def test_a_group_of_nothing_but_failures_fails_the_workflow() -> None:
    play = Play(LetsGroupThrough)
    play.begin(False)
    play.fail(1, ApplicationError("no"))
    assert play.digests[-1] == "fail"
    assert play.failure.parts[0].cause.message == "no"


def test_a_group_with_a_bug_in_it_suspends() -> None:
    with pytest.raises(WorkflowCodeError, match="ExceptionGroup"):
        Play(LetsGroupThrough).begin(True)


@workflow.defn
class Shields:
    @workflow.run
    async def run(self) -> list[Any]:
        inner = asyncio.ensure_future(step(1))
        try:
            async with asyncio.timeout(5):
                await asyncio.shield(inner)
        except TimeoutError:
            return ["timed out", await inner]
        return []


def test_a_shielded_activity_outlives_the_timeout() -> None:
    play = Play(Shields)
    play.begin()
    play.fire(1)
    assert "cancel activity 1" not in play.digests
    play.resolve(1, 11)
    assert play.result == ["timed out", 11]
    play.replayed()


@workflow.defn
class Synchronises:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        event, lock, semaphore = asyncio.Event(), asyncio.Lock(), asyncio.Semaphore(2)
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        condition = asyncio.Condition()

        async def producer() -> None:
            for number in range(3):
                await queue.put(number)
            await event.wait()
            async with condition:
                condition.notify_all()

        async def consumer() -> None:
            for _ in range(3):
                seen.append(await queue.get())
            event.set()

        async def waiter() -> None:
            async with condition:
                await condition.wait()
            seen.append("notified")

        async def limited(number: int) -> None:
            async with semaphore:
                await step(number)
            async with lock:
                await asyncio.sleep(1)
                seen.append(f"locked {number}")

        await asyncio.gather(waiter(), producer(), consumer(), *(limited(number) for number in range(4)))
        return seen


def test_locks_semaphores_events_conditions_and_queues_work() -> None:
    play = Play(Synchronises)
    play.begin()
    assert len(play.activities) == 2
    play.run()
    assert play.result == [0, 1, 2, "notified", "locked 0", "locked 1", "locked 2", "locked 3"]
    play.replayed()


@workflow.defn
class Generates:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []

        async def numbers() -> AsyncIterator[int]:
            try:
                for number in range(10):
                    yield int(await step(number))
            finally:
                seen.append("closed")

        async for number in numbers():
            seen.append(number)
            if number == 2:
                break
        await asyncio.sleep(1)
        return seen


def test_an_asynchronous_generator_that_is_let_go_of_is_closed() -> None:
    play = Play(Generates)
    play.begin()
    for number in (1, 2, 3):
        play.resolve(number, number - 1)
    play.fire(1)
    assert play.result == [0, 1, 2, "closed"]
    play.replayed()


@workflow.defn
class NamesTasks:
    @workflow.run
    async def run(self) -> list[str]:
        async def nothing() -> None: ...

        tasks = [asyncio.create_task(nothing()), asyncio.create_task(nothing(), name="mine")]
        await asyncio.wait(tasks)
        current = asyncio.current_task()
        assert current is not None
        return [current.get_name(), *(task.get_name() for task in tasks)]


def test_names_of_tasks_are_the_same_every_time() -> None:
    first, second = played(NamesTasks), played(NamesTasks)
    assert first.result == second.result == ["run", "Task-2", "mine"]
