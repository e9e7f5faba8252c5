"""A workflow that wants too much before it waits for anything is suspended with a sentence that says what to
do, before its host is killed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dalsegno import activity, workflow
from dalsegno.actors.workflow_actor.loop.intent_ledger import STEP_LIMIT, TASKS_FOR_EACH
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.run.intents import CancelRun, CompleteRun
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo

LIMIT = 20
NEVER_AWAITED = "ignore:coroutine 'workflow.execute_activity' was never awaited:RuntimeWarning"
"""Calls that were made before one too many was refused."""
WHAT_TO_DO = "start them in portions, and await each portion before the next"


def call() -> Coroutine[Any, Any, str]:
    return workflow.execute_activity(echo, "", start_to_close_timeout=60)


@workflow.defn
class Gathers:
    @workflow.run
    async def run(self, number: int) -> None:
        await asyncio.gather(*[call() for _ in range(number)])


@workflow.defn
class StartsInALoop:
    @workflow.run
    async def run(self, number: int) -> None:
        for handle in [workflow.start_activity(echo, "", start_to_close_timeout=60) for _ in range(number)]:
            await handle


@workflow.defn
class SetsTimers:
    @workflow.run
    async def run(self, number: int) -> None:
        await asyncio.gather(*[workflow.sleep(60) for _ in range(number)])


@workflow.defn(failure_exception_types=[RuntimeError])
class HearsNothing:
    """Errors of that class fail it, and it catches them besides."""

    @workflow.run
    async def run(self, number: int) -> None:
        for _ in range(number):
            try:
                workflow.start_activity(echo, "", start_to_close_timeout=60)
            except RuntimeError:
                continue
        await workflow.sleep(60)


@pytest.mark.parametrize("cls", [Gathers, StartsInALoop, SetsTimers, HearsNothing])
def test_as_much_as_it_may_want_is_done_and_one_more_is_a_bug_that_says_what_to_do(cls: type) -> None:
    play = Play(cls, step_limit=LIMIT)
    assert len(play.begin(LIMIT if cls is not HearsNothing else LIMIT - 1)) == LIMIT
    play.replayed()
    with pytest.raises(WorkflowCodeError, match=WHAT_TO_DO) as caught:
        Play(cls, step_limit=LIMIT).begin(LIMIT + 1)
    assert f"wants more than {LIMIT} things (activities, timers)" in caught.value.reason
    assert cls is SetsTimers or "test_step_limit.py:" in caught.value.reason


@workflow.defn
class MakesTasks:
    @workflow.run
    async def run(self, number: int) -> None:
        for _ in range(number):
            asyncio.create_task(self.nothing())  # noqa: RUF006 - the loop keeps those of a workflow
        await workflow.sleep(60)

    async def nothing(self) -> None: ...


def test_tasks_are_counted_too() -> None:
    most = LIMIT * TASKS_FOR_EACH
    assert len(Play(MakesTasks, step_limit=LIMIT).begin(most)) == 1
    with pytest.raises(WorkflowCodeError, match=WHAT_TO_DO) as caught:
        Play(MakesTasks, step_limit=LIMIT).begin(most + 1)
    assert f"creates more than {most} tasks" in caught.value.reason


@workflow.defn
class OnlyCalls:
    """Nothing of it is awaited before it waits."""

    @workflow.run
    async def run(self, number: int) -> None:
        calls = [call() for _ in range(number)]
        await workflow.sleep(60)
        await calls.pop()
        for left in calls:
            left.close()


@pytest.mark.filterwarnings(NEVER_AWAITED)
def test_calls_that_nothing_awaits_yet_are_counted_too() -> None:
    most = LIMIT * TASKS_FOR_EACH
    play = Play(OnlyCalls, step_limit=LIMIT)
    assert len(play.begin(most)) == 1
    assert len(play.fire(1)) == 1
    with pytest.raises(WorkflowCodeError, match=WHAT_TO_DO) as caught:
        Play(OnlyCalls, step_limit=LIMIT).begin(most + 1)
    assert f"calls more than {most} activities before it waits for any (test_step" in caught.value.reason
    smaller = Play(OnlyCalls, step_limit=1)
    begun, now, _ = play.log[0]
    smaller.now = now
    assert len(smaller.give(begun, replaying=True)) == 1


@activity.defn
class Echo:
    async def __call__(self, text: str) -> str:
        return text

    @activity.defn
    async def echoed(self, text: str) -> str:
        return text


@workflow.defn
class CallsInEveryWay:
    @workflow.run
    async def run(self, way: str, number: int) -> None:
        calls: dict[str, Callable[[], Coroutine[Any, Any, str]]] = {
            "function": lambda: workflow.execute_activity(echo, ""),
            "method": lambda: workflow.execute_activity_method(Echo.echoed, ""),
            "class": lambda: workflow.execute_activity_class(Echo, ""),
        }
        for made in [calls[way]() for _ in range(number)]:
            made.close()


@pytest.mark.filterwarnings(NEVER_AWAITED)
@pytest.mark.parametrize("way", ["function", "method", "class"])
def test_calls_are_counted_in_whichever_way_they_are_made(way: str) -> None:
    most = LIMIT * TASKS_FOR_EACH
    play = Play(CallsInEveryWay, step_limit=LIMIT)
    play.begin(way, most)
    assert play.closed
    with pytest.raises(WorkflowCodeError, match=f"calls more than {most} activities"):
        Play(CallsInEveryWay, step_limit=LIMIT).begin(way, most + 1)


@workflow.defn
class Portions:
    @workflow.run
    async def run(self, portions: int) -> int:
        for _ in range(portions):
            await asyncio.gather(*[call() for _ in range(LIMIT)])
        return portions


def test_what_comes_in_portions_is_counted_anew() -> None:
    play = Play(Portions, step_limit=LIMIT)
    play.begin(3)
    assert play.run() == 3
    assert isinstance(play.intents[-1], CompleteRun)
    play.replayed()


@workflow.defn
class BeginsAndEnds:
    @workflow.run
    async def run(self, number: int) -> None:
        for _ in range(number):
            workflow.start_activity(echo, "", start_to_close_timeout=60)


@workflow.defn
class Collects:
    """In portions, which it awaits all together."""

    @workflow.run
    async def run(self, portions: int) -> None:
        handles: list[Any] = []
        for _ in range(portions):
            handles += [workflow.start_activity(echo, "", start_to_close_timeout=60) for _ in range(LIMIT - 1)]
            await workflow.sleep(1)
        await asyncio.gather(*handles)


def test_the_end_of_a_run_is_not_counted() -> None:
    play = Play(BeginsAndEnds, step_limit=LIMIT)
    assert isinstance(play.begin(LIMIT)[-1], CompleteRun)


def test_all_that_was_begun_in_portions_can_be_cancelled_at_once() -> None:
    play = Play(Collects, step_limit=LIMIT)
    play.begin(3)
    for number in (1, 2, 3):
        play.fire(number)
    intents = play.cancel()
    assert len(intents) > 3 * (LIMIT - 1)
    assert isinstance(intents[-1], CancelRun)


def test_what_was_done_under_another_limit_is_replayed() -> None:
    play = Play(Gathers)
    play.begin(LIMIT + 1)
    smaller = Play(Gathers, step_limit=LIMIT)
    (begun, now, intents) = play.log[0]
    smaller.now = now
    assert [it.digest for it in smaller.give(begun, replaying=True)] == [it.digest for it in intents]


@pytest.mark.filterwarnings(NEVER_AWAITED)
@pytest.mark.parametrize("number", [STEP_LIMIT + 1, 100 * STEP_LIMIT])
@pytest.mark.parametrize("cls", [StartsInALoop, MakesTasks, Gathers])
def test_beyond_it_nothing_more_is_done(cls: type, number: int) -> None:
    """Ten times as much would take the host's loop for longer than its watchdog waits."""
    number = number * TASKS_FOR_EACH if cls is not StartsInALoop else number
    play = Play(cls)
    with pytest.raises(WorkflowCodeError, match=WHAT_TO_DO):
        play.begin(number)
    assert play.program._ledger.next_activity <= STEP_LIMIT + 2
    assert len(play.program._loop.tasks) <= STEP_LIMIT * TASKS_FOR_EACH
