"""Grants that do not come: a host that is cut off must not keep a worker's slots from all others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from dalsegno import activity
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import (
    ActivityCanceled,
    ActivityHeartbeat,
    ActivityStarted,
    ActivityTask,
)
from dalsegno.workers.settings import WorkerSettings
from tests.broker.witness import eventually
from tests.workers.conftest import QUICK, running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

TASKS = "dalsegno.tasks.default"


class Gated:
    """Counts what runs at once; each waits until it is let go."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.most = 0
        self.gate = asyncio.Event()

    @activity.defn
    async def work(self, name: str) -> str:
        self.running.append(name)
        self.most = max(self.most, len(self.running))
        try:
            await self.gate.wait()
        finally:
            self.running.remove(name)
        return name

    @activity.defn
    async def quick(self) -> str:
        return "done"


async def unanswered(engine: Engine, count: int) -> list[ActivityTask]:
    """Early tasks whose worker has asked twice, in vain."""
    engine.granting = None
    tasks = [await engine.schedule("work", str(number), acknowledge="early") for number in range(count)]
    for task in tasks:
        await engine.expect(task, ActivityStarted, 2)
    return tasks


async def test_tasks_of_a_host_that_is_cut_off_leave_the_slots_to_others(
    broker: Broker, engine: Engine
) -> None:
    gated = Gated()
    async with running(broker, gated.work, gated.quick, max_concurrent_activities=2, drain_timeout=0):
        await unanswered(engine, 5)
        for _ in range(3):
            late = await engine.schedule("quick")
            assert await engine.result(late) == "done"
        early = await engine.schedule("quick", acknowledge="early")
        await engine.grant(await engine.expect(early, ActivityStarted))  # and to none of the others
        assert await engine.result(early) == "done"


async def test_all_are_granted_in_the_end_and_never_more_run_at_once_than_there_are_slots(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, max_concurrent_activities=2):
        tasks = await unanswered(fake_engine, 5)
        for task in tasks:
            await fake_engine.grant(fake_engine.messages(task, ActivityStarted)[-1])
        await eventually(lambda: len(gated.running) == 2, "both slots are taken")
        await eventually(lambda: fake.idle(TASKS), "all are acknowledged")
        gated.gate.set()
        assert [await fake_engine.result(task) for task in tasks] == ["0", "1", "2", "3", "4"]
    assert gated.most == 2


async def granted_without_slot(fake: FakeBroker, engine: Engine, gated: Gated) -> list[ActivityTask]:
    """One that runs, and one that is granted and has no slot."""
    tasks = await unanswered(engine, 2)
    for task in tasks:
        await engine.grant(engine.messages(task, ActivityStarted)[-1])
    await eventually(lambda: fake.idle(TASKS) and bool(gated.running), "both are granted")
    return tasks


async def test_granted_work_that_waits_for_a_slot_is_kept_alive_by_its_worker(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, max_concurrent_activities=1):
        fake_engine.granting = None
        tasks = [
            await fake_engine.schedule("work", name, acknowledge="early", heartbeat_timeout=60_000)
            for name in "ab"
        ]
        for task in tasks:
            await fake_engine.grant(await fake_engine.expect(task, ActivityStarted, 2))
        await eventually(lambda: len(gated.running) == 1, "one of them runs")
        idle = tasks[1] if gated.running == ["a"] else tasks[0]
        await fake_engine.expect(idle, ActivityHeartbeat, 3)
        gated.gate.set()
        for task in tasks:
            await fake_engine.ended(task)
    assert gated.most == 1


async def test_granted_work_that_is_cancelled_before_it_has_a_slot_never_begins(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, max_concurrent_activities=1):
        first, second = await granted_without_slot(fake, fake_engine, gated)
        waiting = second if gated.running == ["0"] else first
        await fake_engine.cancel(fake_engine.messages(waiting, ActivityStarted)[-1])
        assert isinstance(await fake_engine.ended(waiting), ActivityCanceled)
        gated.gate.set()
    assert gated.most == 1


async def test_granted_work_without_a_slot_is_reported_at_the_worker_s_end(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, max_concurrent_activities=1, drain_timeout=0):
        tasks = await granted_without_slot(fake, fake_engine, gated)
    for task in tasks:
        assert (await fake_engine.failure(task)).failure.type == "WorkerShutdown"


async def test_draining_begins_what_was_granted(fake: FakeBroker, fake_engine: Engine) -> None:
    gated = Gated()
    async with running(fake, gated.work, max_concurrent_activities=1) as worker:
        tasks = await granted_without_slot(fake, fake_engine, gated)
        ending = asyncio.create_task(worker.shutdown())
        gated.gate.set()
        await ending
    assert sorted([await fake_engine.result(task) for task in tasks]) == ["0", "1"]


async def test_what_waits_for_a_grant_survives_a_lost_session_and_is_given_back_at_the_end(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, gated.quick, max_concurrent_activities=1, drain_timeout=0):
        tasks = await unanswered(fake_engine, 3)
        asked = [len(fake_engine.messages(task, ActivityStarted)) for task in tasks]
        fake.break_sessions()
        for task, count in zip(tasks, asked, strict=True):
            await fake_engine.expect(task, ActivityStarted, count + 1)
        assert await fake_engine.result(await fake_engine.schedule("quick")) == "done"
    assert await fake_engine.depth() == 3


async def test_the_waiting_room_is_bounded(
    fake: FakeBroker, fake_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerSettings, "waiting_room", 1)
    gated = Gated()
    patient = replace(QUICK, backlog_patience=60)
    with capture_logs() as logs:
        async with running(fake, gated.work, max_concurrent_activities=1, drain_timeout=0, timing=patient):
            await unanswered(fake_engine, 2)
            third = await fake_engine.schedule("work", "third", acknowledge="early")
            await eventually(lambda: _events(logs, "waiting_room_full") == 1, "the worker says so")
            assert not fake_engine.messages(third, ActivityStarted)
    assert _events(logs, "grants_do_not_come") == 1


def _events(logs: Sequence[Mapping[str, object]], name: str) -> int:
    return sum(line["event"] == name for line in logs)
