"""What waits in a level that no worker reads is put into its task queue, once others read that; on each broker
that hosts run on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dalsegno.actors.supervisor.connection.level_queues import LevelQueues
from dalsegno.broker.port import Broker, OnClosed, Outcome, Outgoing, Publisher, Session
from dalsegno.broker.protocol.messages import TaskLevels
from dalsegno.broker.topology import (
    DEAD_TASKS_QUEUE,
    TASK_DELIVERY_LIMIT,
    dead_tasks,
    declare_task_queue,
    task_queue,
)
from dalsegno.priority import at_level
from tests.broker.witness import Inbox, consume, fill, numbered

URGENT, LOW = at_level("orders", 1), at_level("orders", 5)


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def session(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Session]:
    if request.param == "embedded":
        from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer

        path = tmp_path / "broker.db"
        async with EmbeddedServer(path), opened(EmbeddedBroker(path)) as session:
            yield session
    else:
        from dalsegno.broker.rabbitmq import RabbitMQBroker

        async with opened(RabbitMQBroker(request.getfixturevalue("rabbitmq_url"))) as session:
            yield session


class opened:  # noqa: N801 - reads as a function
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def __aenter__(self) -> Session:
        self._session = await self._broker.connect(on_closed=lambda reason: None)
        await self._session.declare(dead_tasks())
        for name in ("orders", URGENT, LOW):
            await self._session.declare(declare_task_queue(name))
        return self._session

    async def __aexit__(self, *_: object) -> None:
        for name in ("orders", URGENT, LOW):
            await self._session.delete_queue(task_queue(name))
        await self._session.close()


class Host:
    def __init__(self, session: Session | None, *in_use: str) -> None:
        self.told: list[tuple[str, tuple[int, ...]]] = []
        self.session = session
        self.levels = LevelQueues(
            asyncio.get_running_loop(), lambda: self.session, in_use=lambda: in_use, tell=self._tell
        )

    def _tell(self, task_queue: str, said: TaskLevels) -> None:
        assert said.task_queue == task_queue
        self.told.append((task_queue, said.levels))

    async def look(self) -> None:
        self.levels.look_soon()
        assert self.levels._looking is not None
        await self.levels._looking


async def depth(session: Session, name: str) -> int | None:
    return await session.queue_depth(task_queue(name))


async def test_tasks_of_a_level_that_nobody_reads_go_to_those_who_read_the_task_queue(session: Session) -> None:
    host, inbox = Host(session, URGENT, LOW), Inbox()
    await fill(session, task_queue(URGENT), numbered(250))
    await consume(session, task_queue("orders"), inbox, prefetch=1000)
    await host.look()
    assert await depth(session, URGENT) == 250, "one look is not enough: a worker may be about to come"
    await host.look()
    assert sorted(int(d.message.body) for d in await inbox.receive(250)) == list(range(250))
    assert await depth(session, URGENT) == 0
    assert host.told == [("orders", (1, 5))] * 2


class FullTaskQueue:
    """A session whose task queue takes nothing more."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.refusals = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def open_publisher(self, *, on_closed: OnClosed) -> Any:
        return RefusedPublisher(self, await self._session.open_publisher(on_closed=on_closed))


class RefusedPublisher:
    def __init__(self, queue: FullTaskQueue, publisher: Publisher) -> None:
        self._queue = queue
        self._publisher = publisher
        self.close = publisher.close

    def publish(self, batch: Sequence[Outgoing]) -> None:
        for one in batch:
            if one.routing_key == task_queue("orders"):
                self._queue.refusals += 1
                asyncio.get_running_loop().call_soon(one.on_outcome, Outcome.REFUSED)
            else:
                self._publisher.publish([one])


async def test_a_task_queue_that_refuses_them_again_and_again_makes_no_lost_tasks_of_them(
    session: Session,
) -> None:
    full: Any = FullTaskQueue(session)
    host, inbox = Host(full, URGENT), Inbox()
    await fill(session, task_queue(URGENT), numbered(3))
    await consume(session, task_queue("orders"), inbox)
    # A consumer that was closed may still be counted for a moment: not each look does something.
    for _ in range(1_000):
        if full.refusals >= 3 * (TASK_DELIVERY_LIMIT + 5):
            break
        await host.look()
    assert not await session.queue_depth(DEAD_TASKS_QUEUE)

    host.session = session
    for _ in range(1_000):
        if len(inbox.deliveries) == 3:
            break
        await host.look()
    assert sorted(int(d.message.body) for d in await inbox.receive(3)) == [0, 1, 2]


async def test_they_wait_where_nobody_reads_at_all(session: Session) -> None:
    host = Host(session, URGENT)
    await fill(session, task_queue(URGENT), numbered(3))
    for _ in range(3):
        await host.look()
    assert await depth(session, URGENT) == 3
    assert await depth(session, "orders") == 0


async def test_they_wait_for_those_who_read_the_level(session: Session) -> None:
    host, busy = Host(session, URGENT), Inbox()
    await consume(session, task_queue("orders"), Inbox())
    await consume(session, task_queue(URGENT), busy, prefetch=1)
    await fill(session, task_queue(URGENT), numbered(3))
    await busy.receive(1)
    for _ in range(3):
        await host.look()
    assert await depth(session, URGENT) == 2


async def test_a_level_is_told_of_as_soon_as_it_is_declared(session: Session) -> None:
    host = Host(session)
    host.levels.declared("orders")
    host.levels.declared(LOW)
    assert host.told == [("orders", (5,))]
    host.levels.look_soon()  # nothing is in use
    assert host.levels._looking is None


async def test_without_a_session_it_looks_again_later(session: Session) -> None:
    host = Host(None, URGENT)
    await consume(session, task_queue("orders"), Inbox())
    await fill(session, task_queue(URGENT), numbered(1))
    await host.look()
    host.session = session
    for _ in range(2):
        await host.look()
    assert await depth(session, URGENT) == 0
    host.levels.close()
