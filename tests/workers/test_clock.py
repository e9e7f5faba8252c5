"""A worker with the time in a test's hand: hours pass in no time, and nothing comes about before its time."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import pytest

from dalsegno import activity
from dalsegno.broker.port import Outcome
from dalsegno.broker.protocol.messages import ActivityFailed, ActivityHeartbeat, ActivityStarted, WireMessage
from dalsegno.broker.topology import task_queue
from dalsegno.errors import ConfigurationError
from dalsegno.workers import Worker, WorkerTiming
from tests.broker.witness import eventually
from tests.hand_clock import HandClock
from tests.noted import Noted
from tests.workers.conftest import running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

IN_PRODUCTION: dict[str, Any] = {"timing": WorkerTiming(), "drain_timeout": 20.0}
SECOND = 1_000_000


@activity.defn
async def last() -> None:
    await asyncio.Event().wait()


@activity.defn
async def finish() -> str:
    return "done"


M = TypeVar("M", bound=WireMessage)


def told(engine: Engine, kind: type[M]) -> list[M]:
    return [message for _, message in engine.received if isinstance(message, kind)]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def test_an_activity_overruns_its_hour_when_the_clock_says_so(
    fake: FakeBroker, fake_engine: Engine, clock: HandClock
) -> None:
    noted = Noted()
    async with running(fake, last, clock=clock, observer=noted, **IN_PRODUCTION):
        task = await fake_engine.schedule("last", start_to_close=3600 * SECOND)
        await clock.until_set(1)  # then it is announced
        clock.advance(1)
        await eventually(lambda: bool(told(fake_engine, ActivityStarted)), "the word of its beginning")
        clock.advance(3598.9)
        assert not told(fake_engine, ActivityFailed)
        clock.advance(0.1)
        ended = await fake_engine.ended(task)
    assert isinstance(ended, ActivityFailed)
    assert ended.failure.timeout_type == "start_to_close"
    assert noted.of("attempt_ended") == [("attempt_ended", "last", "failed", pytest.approx(3600))]


async def test_it_beats_by_itself_at_a_third_of_its_timeout(
    fake: FakeBroker, fake_engine: Engine, clock: HandClock
) -> None:
    async with running(fake, last, clock=clock, **IN_PRODUCTION):
        task = await fake_engine.schedule("last", heartbeat_timeout=90 * SECOND, auto_heartbeat=True)
        for count in range(1, 4):
            await clock.until_set(29, 30)
            clock.advance(29)
            assert len(told(fake_engine, ActivityHeartbeat)) == count - 1
            clock.advance(1)
            await eventually(lambda: len(told(fake_engine, ActivityHeartbeat)) == count, f"beat {count}")  # noqa: B023
        (started,) = told(fake_engine, ActivityStarted)
        await fake_engine.cancel(started)
        await fake_engine.ended(task)


async def test_a_broker_that_is_away_is_tried_again_by_the_clock(
    fake: FakeBroker, fake_engine: Engine, clock: HandClock
) -> None:
    fake.available = False
    worker = Worker(fake, activities=[finish], clock=clock)
    working = asyncio.create_task(worker.run())
    for most in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):  # each doubled, with jitter
        await clock.until_set(most / 2, most)
        assert [session.name for session in fake.sessions] == ["engine"]
        fake.available = most == 2.0
        clock.advance(most)
        if fake.available:
            break
    await worker.wait_until_ready()
    await fake_engine.ended(await fake_engine.schedule("finish"))
    await worker.shutdown()
    await working


async def test_an_outcome_that_the_broker_refuses_is_published_again_by_the_clock(
    fake: FakeBroker, fake_engine: Engine, clock: HandClock
) -> None:
    async with running(fake, finish, clock=clock, **IN_PRODUCTION):
        fake.verdict = lambda outgoing: (
            Outcome.REFUSED if outgoing.message.type == "activity.completed" else Outcome.CONFIRMED
        )
        task = await fake_engine.schedule("finish")
        await clock.until_set(0.25, 0.5)
        tried = len(fake.published)
        fake.verdict = lambda outgoing: Outcome.CONFIRMED
        clock.advance(0.24)
        assert len(fake.published) == tried
        clock.advance(0.26)
        await fake_engine.ended(task)


async def test_an_idle_worker_looks_whether_the_broker_has_forgotten_it_by_the_clock(
    fake: FakeBroker, fake_engine: Engine, clock: HandClock
) -> None:
    async with running(fake, finish, clock=clock, **IN_PRODUCTION):
        queue = fake.queues[task_queue("default")]
        forgotten = list(queue.consumers)
        queue.consumers.clear()
        task = await fake_engine.schedule("finish")
        for _ in range(3):  # it must have been idle, with tasks there, twice
            await clock.until_set(30)
            clock.advance(30)
            await eventually(lambda: bool(clock.waits), "another look, or another session")
        await clock.until_set(0.05, 0.1)
        clock.advance(0.1)
        await fake_engine.ended(task)
        assert queue.consumers != forgotten


async def test_a_shutdown_leaves_what_runs_its_time_by_the_clock(
    fake: FakeBroker, fake_engine: Engine, clock: HandClock
) -> None:
    worker = Worker(fake, activities=[last], clock=clock, **IN_PRODUCTION)
    working = asyncio.create_task(worker.run())
    await worker.wait_until_ready()
    await fake_engine.schedule("last")
    await clock.until_set(1)
    ending = asyncio.create_task(worker.shutdown())
    await clock.until_set(20)
    clock.advance(19.9)
    await asyncio.sleep(0)
    assert not ending.done()
    clock.advance(0.1)
    await asyncio.wait({ending, working})
    working.result()


def test_a_clock_that_is_none_is_refused(fake: FakeBroker) -> None:
    with pytest.raises(ConfigurationError, match="clock must be None or have the methods"):
        Worker(fake, activities=[finish], clock=7)  # type: ignore[arg-type]
