"""Tasks that are acknowledged before the work: ask, wait for the grant, acknowledge, work."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from dalsegno import activity
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import (
    ActivityCanceled,
    ActivityCompleted,
    ActivityHeartbeat,
    ActivityStarted,
)
from tests.broker.witness import depth_reached, eventually
from tests.workers.conftest import QUICK, running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

TASKS = "dalsegno.tasks.default"


class Counted:
    def __init__(self) -> None:
        self.runs = 0
        self.gate = asyncio.Event()

    @activity.defn
    async def work(self) -> int:
        self.runs += 1
        await self.gate.wait()
        return self.runs


async def test_early_work_begins_with_the_grant_and_is_acknowledged_before_it_ends(
    broker: Broker, engine: Engine
) -> None:
    counted = Counted()
    patient = replace(QUICK, backlog_patience=60)
    async with running(broker, counted.work, max_concurrent_activities=1, timing=patient):
        task = await engine.schedule("work", acknowledge="early")
        await eventually(lambda: counted.runs == 1, "the work")
        # One at a time is fetched, so the second leaves the queue when the first is acknowledged.
        second = await engine.schedule("work", acknowledge="early")
        await depth_reached(engine.session, TASKS, 0)
        assert counted.runs == 1
        counted.gate.set()
        assert await engine.result(task) == 1
        assert await engine.result(second) == 2


async def test_without_a_grant_nothing_runs_and_nothing_is_acknowledged(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    fake_engine.granting = None
    counted = Counted()
    async with running(fake, counted.work, drain_timeout=0):
        task = await fake_engine.schedule("work", acknowledge="early")
        await fake_engine.expect(task, ActivityStarted)
    assert counted.runs == 0
    assert await fake_engine.depth() == 1


async def test_a_worker_asks_again_until_it_is_answered_and_runs_once(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    fake_engine.granting = None
    counted = Counted()
    async with running(fake, counted.work):
        task = await fake_engine.schedule("work", acknowledge="early")
        started = await fake_engine.expect(task, ActivityStarted, 3)
        for _ in range(3):
            await fake_engine.grant(started)
        counted.gate.set()
        assert await fake_engine.result(task) == 1
    assert counted.runs == 1
    assert len(fake_engine.messages(task, ActivityCompleted)) == 1


async def test_a_refused_task_is_dropped(broker: Broker, engine: Engine) -> None:
    engine.granting = False
    counted = Counted()
    async with running(broker, counted.work):
        task = await engine.schedule("work", acknowledge="early")
        started = await engine.expect(task, ActivityStarted)
        await engine.grant(started, granted=True)
        engine.granting = True
        counted.gate.set()
        assert await engine.result(await engine.schedule("work", acknowledge="early")) == 1
    assert not engine.messages(task, ActivityCompleted)
    assert await engine.depth() == 0


async def test_a_task_that_is_cancelled_while_it_asks_never_begins(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    fake_engine.granting = None
    counted = Counted()
    async with running(fake, counted.work):
        task = await fake_engine.schedule("work", acknowledge="early")
        await fake_engine.cancel(await fake_engine.expect(task, ActivityStarted))
        assert isinstance(await fake_engine.ended(task), ActivityCanceled)
    assert counted.runs == 0
    assert await fake_engine.depth() == 0


async def test_after_a_lost_session_the_question_is_asked_again_under_the_same_name(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    fake_engine.granting = None
    counted = Counted()
    async with running(fake, counted.work):
        task = await fake_engine.schedule("work", acknowledge="early")
        first = await fake_engine.expect(task, ActivityStarted)
        asked = len(fake_engine.messages(task, ActivityStarted))
        fake.break_sessions()
        again = await fake_engine.expect(task, ActivityStarted, asked + 1)
        assert again.worker == first.worker
        await fake_engine.grant(again)
        counted.gate.set()
        assert await fake_engine.result(task) == 1
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement of the second delivery")
    assert counted.runs == 1


async def test_granted_work_goes_on_through_a_lost_session_and_says_so(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    async with running(fake, counted.work):
        task = await fake_engine.schedule(
            "work", acknowledge="early", heartbeat_timeout=600_000_000, auto_heartbeat=True
        )
        await eventually(lambda: counted.runs == 1, "the work")
        fake.break_sessions()
        beat = await fake_engine.expect(task, ActivityHeartbeat)
        assert beat.worker == fake_engine.messages(task, ActivityStarted)[0].worker
        counted.gate.set()
        assert await fake_engine.result(task) == 1


async def test_a_second_delivery_of_granted_work_is_acknowledged_and_not_run(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    async with running(fake, counted.work):
        task = await fake_engine.schedule("work", acknowledge="early")
        await eventually(lambda: counted.runs == 1, "the work")
        await fake_engine.send(task)
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement of the second delivery")
        counted.gate.set()
        assert await fake_engine.result(task) == 1
    assert counted.runs == 1


async def test_an_unknown_early_activity_fails_without_asking(fake: FakeBroker, fake_engine: Engine) -> None:
    async with running(fake, Counted().work):
        task = await fake_engine.schedule("treble", acknowledge="early")
        assert (await fake_engine.failure(task)).failure.type == "ActivityNotFound"
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
    assert not fake_engine.messages(task, ActivityStarted)
