"""The client's side, over a socket and within the owner's loop: when callbacks run, and what ends a session."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer
from dalsegno.broker.embedded.steps import Write, row_id
from dalsegno.broker.port import Consumer, Delivery, Outcome, Outgoing, Publisher, Queue, Session, Topology
from tests.broker.witness import Ends, Inbox, Sender, consume, eventually, fill, numbered

TOPOLOGY = Topology(queues=[Queue("q", dead_letter_exchange="", dead_letter_routing_key="dead"), Queue("dead")])


@pytest.fixture(params=["local", "socket"])
async def broker(
    request: pytest.FixtureRequest, server: EmbeddedServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> EmbeddedBroker:
    if request.param == "socket":
        monkeypatch.setattr("dalsegno.broker.embedded.broker.server_here", lambda _: None)
    return EmbeddedBroker(path)


@pytest.fixture
async def session(broker: EmbeddedBroker) -> AsyncIterator[Session]:
    opened = await broker.connect(on_closed=Ends())
    await opened.declare(TOPOLOGY)
    yield opened
    await opened.close()


class Watcher:
    """Acknowledges and publishes from its callbacks, and sees whether any callback runs inside a call."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.depth = 0
        self.nested = 0
        self.sent = 0
        self.received = 0
        self.confirmed = 0

    def publish(self) -> None:
        self.sent += 1
        self.inside(
            self.publisher.publish, [Outgoing("", "q", numbered(1, start=self.sent)[0], self.on_outcome)]
        )

    def on_outcome(self, outcome: Outcome) -> None:
        self.nested += self.depth
        assert outcome is Outcome.CONFIRMED
        self.confirmed += 1
        if self.sent < self.total:
            self.publish()

    def on_delivery(self, delivery: Delivery) -> None:
        self.nested += self.depth
        self.received += 1
        self.inside(self.consumer.acknowledge, delivery.tag)

    def inside(self, call: Any, argument: Any) -> None:
        self.depth += 1
        call(argument)
        self.depth -= 1

    publisher: Publisher
    consumer: Consumer


async def test_no_callback_runs_inside_a_call(session: Session) -> None:
    watcher = Watcher(total=200)
    watcher.publisher = await session.open_publisher(on_closed=Ends())
    watcher.consumer = await session.open_consumer(
        "q", prefetch=1, on_delivery=watcher.on_delivery, on_closed=Ends()
    )
    for _ in range(5):
        watcher.publish()
    await eventually(lambda: watcher.received == watcher.confirmed == 200, "every message there and back")
    assert watcher.nested == 0


async def test_a_callback_that_raises_ends_its_own_session_alone(
    session: Session, broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    loop, ends = asyncio.get_running_loop(), Ends()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))
    careless = await broker.connect(on_closed=ends)

    def on_delivery(delivery: Delivery) -> None:
        raise LookupError("careless")

    await careless.open_consumer("q", prefetch=10, on_delivery=on_delivery, on_closed=Ends())
    await fill(session, "q", numbered(2))
    await ends.announced()
    assert any(isinstance(context.get("exception"), LookupError) for context in reported)
    assert not careless.is_open
    inbox = Inbox()
    await consume(session, "q", inbox)
    await inbox.receive(2)
    assert inbox.bodies == [b"0", b"1"]


async def test_a_message_that_cannot_be_read_moves_to_the_dead_letters(
    session: Session, broker: EmbeddedBroker, server: EmbeddedServer
) -> None:
    damaged: list[None] = []

    def damage(store: Any) -> None:
        store.commit([Write(inserts=[(row_id(1, 1), "", "q", b"\xc1 no message")], marks={1: 1})])
        damaged.append(None)

    server.run_on_file(damage)
    await eventually(lambda: bool(damaged), "the damage")
    await session.close()
    await server.close()
    await server.start()
    again = await broker.connect(on_closed=Ends())
    await fill(again, "q", numbered(1))
    inbox = Inbox()
    consumer = await consume(again, "q", inbox)
    await inbox.receive(1)
    assert inbox.bodies == [b"0"]
    while await again.queue_depth("dead") != 1:
        pass
    assert again.is_open
    assert consumer.is_open
    await again.close()


async def test_what_was_published_before_closing_arrives(session: Session, broker: EmbeddedBroker) -> None:
    leaving = await broker.connect(on_closed=Ends())
    sender = Sender(await leaving.open_publisher(on_closed=Ends()))
    sender.send("", "q", *numbered(300))
    await leaving.close()
    while await session.queue_depth("q") != 300:
        pass
    assert set(await sender.settled()) <= {Outcome.CONFIRMED, Outcome.LOST}


async def test_nobody_else_can_open_the_file_meanwhile(session: Session, path: Path) -> None:
    connection = sqlite3.connect(path, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        connection.execute("SELECT * FROM queues")
    connection.close()


async def test_acknowledgements_alone_reach_the_file_soon(session: Session, server: EmbeddedServer) -> None:
    await fill(session, "q", numbered(3))
    inbox = Inbox()
    consumer = await consume(session, "q", inbox)
    await inbox.receive(3)
    consumer.acknowledge(2, multiple=True)
    found: list[int] = []

    def look(store: Any) -> None:
        found.append(len(store.load_page(1, 0, 100)))

    async with asyncio.timeout(20):
        while not found or found[-1] != 1:
            server.run_on_file(look)
            await asyncio.sleep(0.005)
