"""Timers: what asyncio calls sleeping and timing out is durable here."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.timers.events import TimerFired
from dalsegno.actors.workflow_actor.timers.intents import StartTimer
from tests.workflow_actor.program.play import SECOND, START, Play, played
from tests.workflow_actor.program.things import echo


@workflow.defn
class Sleeps:
    @workflow.run
    async def run(self) -> list[float]:
        began = workflow.time()
        await asyncio.sleep(1.5)
        await workflow.sleep(timedelta(days=365))
        return [began, workflow.time() - began, asyncio.get_running_loop().time() - began]


def test_sleep_is_a_durable_timer_that_fires_at_the_microsecond() -> None:
    play = Play(Sleeps)
    [first] = play.begin()
    assert isinstance(first, StartTimer)
    assert (first.number, first.fire_at) == (1, START + 1_500_000)
    assert first.line.startswith("test_awaited.py:")
    [second] = play.fire(1)
    assert isinstance(second, StartTimer)
    assert second.fire_at == START + 1_500_000 + 365 * 86_400 * SECOND
    play.fire(2)
    assert play.result == [START / SECOND, 31_536_001.5, 31_536_001.5]
    play.replayed()


@workflow.defn
class SleepsNot:
    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(-3)
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(5, print).cancel()
        return "done"


def test_a_timer_that_is_started_and_cancelled_within_one_step_is_no_timer() -> None:
    assert played(SleepsNot).digests == ["complete"]


@workflow.defn
class TimesOut:
    @workflow.run
    async def run(self, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                return await workflow.execute_activity(echo, "in time")
        except TimeoutError:
            return "too late"


def test_a_timeout_that_passes_cancels_what_it_guards() -> None:
    play = Play(TimesOut)
    play.begin(10)
    play.fire(1)
    assert play.digests == ["timer 1", "activity 1 echo", "cancel activity 1", "complete"]
    assert play.result == "too late"
    play.replayed()


def test_a_timeout_that_does_not_pass_is_cancelled() -> None:
    play = Play(TimesOut)
    play.begin(10)
    play.resolve(1, "in time")
    assert play.digests == ["timer 1", "activity 1 echo", "cancel timer 1", "complete"]
    assert play.result == "in time"


def test_a_timeout_of_nothing_times_out_at_once() -> None:
    play = Play(TimesOut)
    play.begin(0)
    assert (play.digests, play.result) == (["complete"], "too late")


@workflow.defn
class Nested:
    @workflow.run
    async def run(self) -> list[str]:
        seen = []
        try:
            async with asyncio.timeout(10):
                try:
                    async with asyncio.timeout(5):
                        await asyncio.sleep(100)
                except TimeoutError:
                    seen.append("inner")
                await asyncio.sleep(100)
        except TimeoutError:
            seen.append("outer")
        return seen


def test_timeouts_can_be_nested() -> None:
    play = played(Nested)
    assert play.result == ["inner", "outer"]
    assert play.now == START + 10 * SECOND


@workflow.defn
class WaitsFor:
    @workflow.run
    async def run(self) -> str:
        handle = workflow.start_activity(echo, "a")
        try:
            return await asyncio.wait_for(handle, 5)
        except TimeoutError:
            return "too late"


def test_wait_for_takes_handles() -> None:
    play = Play(WaitsFor)
    play.begin()
    play.fire(1)
    assert play.result == "too late"
    assert "cancel activity 1" in play.digests


@workflow.defn
class LetsTimeoutThrough:
    @workflow.run
    async def run(self) -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(2)


def test_a_timeout_that_is_not_caught_fails_the_workflow() -> None:
    play = Play(LetsTimeoutThrough)
    play.begin()
    play.fire(1)
    assert (play.digests[-1], play.failure.type) == ("fail", "TimeoutError")


@workflow.defn
class SleepsForEver:
    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(1e12)


def test_a_timer_beyond_the_year_9999_is_refused() -> None:
    with pytest.raises(WorkflowCodeError, match="before the year 10000"):
        Play(SleepsForEver).begin()


def test_a_timer_that_fires_although_it_was_cancelled_is_passed_over() -> None:
    play = Play(TimesOut)
    play.begin(10)
    play.resolve(1, "in time")
    other = Play(Nested)
    other.begin()
    other.fire(2)
    assert other.give(TimerFired(number=2)) == []
    with pytest.raises(WorkflowCodeError, match="Timer 9 arrived"):
        other.give(TimerFired(number=9))


def test_time_never_goes_back() -> None:
    play = Play(Sleeps)
    play.begin()
    play.now -= 5 * SECOND
    play.timers.clear()
    [second] = play.give(TimerFired(number=1))
    assert isinstance(second, StartTimer)
    assert second.fire_at == START + 365 * 86_400 * SECOND
