"""A worker consumes the levels of its task queue that are in use: it hears of them, or finds them when it
comes."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from dalsegno.broker.port import Broker, Message, Outcome, Outgoing
from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.messages import ActivityTask, TaskLevels
from dalsegno.broker.topology import LEVELS_EXCHANGE, declare_task_queue, task_queue
from dalsegno.errors import TopologyError
from dalsegno.priority import at_level
from tests.broker.witness import depth_reached, eventually
from tests.workers.conftest import running
from tests.workers.engine import Engine, new_task
from tests.workers.fake_broker import FakeBroker
from tests.workers.test_intake import TASKS, Gated


async def announce(engine: Engine, *levels: int) -> None:
    """As a host does that has declared them."""
    for level in levels:
        await engine.session.declare(declare_task_queue(at_level("default", level)))
    said = codec.encode(TaskLevels(task_queue="default", levels=levels), message_id="levels")
    await say(engine, said)


async def say(engine: Engine, message: Message) -> None:
    outcomes: list[Outcome] = []
    publisher = await engine.session.open_publisher(on_closed=lambda reason: None)
    publisher.publish([Outgoing(LEVELS_EXCHANGE, "default", message, outcomes.append)])
    await eventually(lambda: bool(outcomes), "an outcome of the publish")
    assert outcomes == [Outcome.CONFIRMED]


async def given_back(engine: Engine, queue: str, count: int) -> None:
    async with asyncio.timeout(10):
        while await engine.session.has_consumers(queue):
            continue
    await depth_reached(engine.session, queue, count)


async def send(engine: Engine, gate: str, level: int, **fields: str) -> ActivityTask:
    task = new_task("work", gate, priority=level, **fields)
    await engine.send(task)
    return task


async def test_the_most_urgent_of_what_is_at_hand_is_begun_first(broker: Broker, engine: Engine) -> None:
    gated = Gated()
    async with running(broker, gated.work, max_concurrent_activities=1):
        first = await engine.schedule("work", "first")
        await eventually(lambda: gated.begun == ["first"], "the first")
        backlog = [await engine.schedule("work", "after") for _ in range(5)]
        await announce(engine, 1, 2, 5)
        others = [await send(engine, f"level {level}", level) for level in (5, 2, 1)]
        for level in (1, 2, 5):
            await depth_reached(engine.session, task_queue(at_level("default", level)), 0)
        for gate in ("first", "after", "level 1", "level 2", "level 5"):
            gated.open(gate)
        for task in (first, *backlog, *others):
            await engine.result(task)
    assert gated.begun[:3] == ["first", "level 1", "level 2"]
    assert sorted(gated.begun) == sorted(["first", *["after"] * 5, "level 1", "level 2", "level 5"])


async def test_what_is_urgent_is_first_where_long_early_work_has_had_everything_given_back(
    broker: Broker, engine: Engine
) -> None:
    """Nothing is at hand when the slot is free: whichever queue answers first must not have it."""
    gated, urgent = Gated(), ["urgent 1", "urgent 2"]

    async def begun(*gates: str, urgent_left: int) -> None:
        await eventually(lambda: gated.begun == list(gates), f"the beginning of {gates[-1]}")
        await given_back(engine, TASKS, 5)
        await given_back(engine, task_queue(at_level("default", 1)), urgent_left)

    async with running(broker, gated.work, max_concurrent_activities=1):
        tasks = [await engine.schedule("work", "first", acknowledge="early")]
        await eventually(lambda: gated.begun == ["first"], "the first")
        await announce(engine, 1)
        tasks += [await engine.schedule("work", "after", acknowledge="early") for _ in range(5)]
        tasks += [await send(engine, gate, 1, acknowledge="early") for gate in urgent]
        await begun("first", urgent_left=2)
        gated.open("first")
        await begun("first", "urgent 1", urgent_left=1)
        gated.open("urgent 1")
        await eventually(lambda: gated.begun[2:] == ["urgent 2"], "the second that is urgent")
        for gate in ("urgent 2", "after"):
            gated.open(gate)
        for task in tasks:
            await engine.result(task)
    assert gated.begun == ["first", *urgent, *["after"] * 5]


async def test_a_worker_that_comes_later_finds_the_levels(broker: Broker, engine: Engine) -> None:
    gated = Gated()
    await engine.session.declare(declare_task_queue(at_level("default", 4)))
    task = await send(engine, "late", 4)
    gated.open("late")
    async with running(broker, gated.work):
        assert await engine.result(task) == "late"


async def test_what_is_said_twice_or_of_levels_that_are_not_there_changes_nothing(
    broker: Broker, engine: Engine
) -> None:
    gated = Gated()
    gated.open("work")
    async with running(broker, gated.work):
        await say(engine, codec.encode(TaskLevels(task_queue="default", levels=(2, 3)), message_id="too soon"))
        assert await engine.result(await engine.schedule("work", "work")) == "work"
        for _ in range(3):
            await announce(engine, 1, 2, 3)
        for level in (1, 2):
            assert await engine.result(await send(engine, "work", level)) == "work"


async def test_a_worker_that_may_not_hear_of_levels_works_on_without_them(
    fake: FakeBroker, fake_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = Gated()
    gated.open("work")

    def refuse(name: str, queue: str) -> None:
        raise TopologyError("access to exchange 'dalsegno.levels' refused")

    monkeypatch.setattr("dalsegno.workers.run.hear_of_levels", refuse)
    with structlog.testing.capture_logs() as logs:
        async with running(fake, gated.work):
            assert await fake_engine.result(await fake_engine.schedule("work", "work")) == "work"
            assert await fake_engine.session.queue_depth(TASKS) == 0
    assert [log["reason"] for log in logs if log["event"] == "levels_not_heard"] == [
        "access to exchange 'dalsegno.levels' refused"
    ]
