"""Kill -9 of the owner under load, again and again."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import psutil
import pytest

from dalsegno.broker.embedded import EmbeddedBroker
from dalsegno.broker.port import (
    Consumer,
    Delivery,
    Message,
    Outcome,
    Outgoing,
    Publisher,
    Queue,
    Session,
    Topology,
)
from tests.broker.embedded.owner import OwnerProcess
from tests.broker.witness import Ends, Inbox, consume, eventually

QUEUE = Topology(queues=[Queue("q", single_active_consumer=True)])
PREFETCH = 50


class Load:
    """Publishes numbered messages and acknowledges most of what comes; remembers what it was promised."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.sent = 0
        self.confirmed: set[int] = set()
        self.in_flight: set[int] = set()
        self.delivered: set[int] = set()
        self.acknowledged: list[int] = []
        self.flushed = 0
        """So many of `acknowledged` were followed, on the same connection, by a publish that was confirmed."""
        self.on_disk: set[int] = set()
        self.settled: set[int] = set()
        self.wrong: list[str] = []

    async def start(self, session: Session) -> None:
        del self.acknowledged[self.flushed :]  # What the old owner had not on disk, it may have lost.
        self.last_delivered = 0
        self.on_the_way = 0
        """So many came redelivered in this life of the owner without having been seen before: they were sent
        as the last one was killed, and the line broke over them. Never more than the consumer may hold."""
        self.held: list[tuple[int, int]] = []
        self.publisher: Publisher = await session.open_publisher(on_closed=Ends())
        self.consumer: Consumer = await session.open_consumer(
            "q", prefetch=PREFETCH, on_delivery=self.on_delivery, on_closed=Ends()
        )
        for _ in range(10):
            self.publish()

    def publish(self) -> None:
        batch = []
        for _ in range(self.random.randint(1, 20)):
            self.sent += 1
            self.in_flight.add(self.sent)
            number, acknowledged = self.sent, len(self.acknowledged)

            def on_outcome(outcome: Outcome, number: int = number, acknowledged: int = acknowledged) -> None:
                self.on_outcome(number, acknowledged, outcome)

            message = Message(body=b"x" * self.random.choice((10, 300, 9_000)), message_id=str(number))
            batch.append(Outgoing("", "q", message, on_outcome))
        self.publisher.publish(batch)

    def on_outcome(self, number: int, acknowledged: int, outcome: Outcome) -> None:
        self.in_flight.discard(number)
        if outcome is Outcome.CONFIRMED:
            self.confirmed.add(number)
            self.on_disk.update(self.acknowledged[self.flushed : acknowledged])
            self.flushed = max(self.flushed, acknowledged)
            if len(self.in_flight) < 100:
                self.publish()
        elif outcome is not Outcome.LOST:
            self.wrong.append(f"{number} was {outcome}")

    def on_delivery(self, delivery: Delivery) -> None:
        number = int(delivery.message.message_id or "0")
        self.check(number, delivery.redelivered)
        self.held.append((delivery.tag, number))
        if len(self.held) > 10:
            count = self.random.randint(1, len(self.held))
            settled, self.held = self.held[:count], self.held[count:]
            self.acknowledged += [number for _, number in settled]
            self.settled |= {number for _, number in settled}
            self.consumer.acknowledge(settled[-1][0], multiple=True)

    def check(self, number: int, redelivered: bool) -> None:
        if number <= self.last_delivered:
            self.wrong.append(f"{number} came after {self.last_delivered}")
        if redelivered and number not in self.delivered:
            self.on_the_way += 1
            if self.on_the_way > PREFETCH:
                self.wrong.append(f"{number} is marked redelivered and cannot have been sent before")
        if number in self.on_disk:
            self.wrong.append(f"{number} came again although its acknowledgement was on disk")
        self.last_delivered = number
        self.delivered.add(number)
        self.settled.discard(number)


@pytest.mark.slow
async def test_nothing_confirmed_is_lost_and_nothing_settled_returns_when_the_owner_is_killed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "broker.db"
    load = Load(seed=7)
    owner = OwnerProcess(path)
    for _ in range(12):
        assert owner.start() == "serving"
        session = await EmbeddedBroker(path).connect(on_closed=Ends())
        await session.declare(QUEUE)
        target = len(load.confirmed) + load.random.randint(0, 3_000)
        await load.start(session)
        await eventually(lambda target=target: len(load.confirmed) >= target, "progress under load")  # type: ignore[misc]
        owner.kill()
        await eventually(lambda: not session.is_open and not load.in_flight, "the end of the session")  # noqa: B023
        assert _integrity(path) == "ok"
    with owner:
        session = await EmbeddedBroker(path).connect(on_closed=Ends())
        depth = await session.queue_depth("q")
        assert depth is not None
        load.last_delivered = load.on_the_way = 0
        inbox = Inbox()
        await consume(session, "q", inbox, prefetch=0)
        left = [int(delivery.message.message_id or "0") for delivery in await inbox.receive(depth)]
        for number, delivery in zip(left, inbox.deliveries, strict=True):
            load.check(number, delivery.redelivered)
        await session.close()
    assert load.wrong == []
    assert load.confirmed - load.settled <= set(left)
    assert len(load.confirmed) > 1_000
    assert load.flushed > 1_000


@pytest.mark.slow
async def test_a_long_queue_costs_the_owner_no_memory_and_comes_out_in_order(tmp_path: Path) -> None:
    path, count = tmp_path / "broker.db", 150_000
    with OwnerProcess(path) as owner:
        session = await EmbeddedBroker(path).connect(on_closed=Ends())
        await session.declare(QUEUE)
        await _publish(session, 20_000)
        before = psutil.Process(owner.pid).memory_info().rss
        await _publish(session, count - 20_000, start=20_000)
        assert await session.queue_depth("q") == count
        grown = psutil.Process(owner.pid).memory_info().rss - before
        assert grown < 25_000_000  # As objects they would take a hundred.
        received: list[bytes] = []

        def receive(delivery: Delivery) -> None:
            received.append(delivery.message.body[:8])
            if len(received) % 100 == 0:
                consumer.acknowledge(delivery.tag, multiple=True)

        consumer = await session.open_consumer("q", prefetch=500, on_delivery=receive, on_closed=Ends())
        await eventually(lambda: len(received) == count, "every message")
        assert received == [b"%08d" % n for n in range(count)]
        await session.close()


async def _publish(session: Session, count: int, start: int = 0) -> None:
    publisher = await session.open_publisher(on_closed=Ends())
    for batch_start in range(start, start + count, 2_000):
        outcomes: list[Outcome] = []
        batch = range(batch_start, min(batch_start + 2_000, start + count))
        publisher.publish(
            [Outgoing("", "q", Message(body=b"%08d" % n + bytes(400)), outcomes.append) for n in batch]
        )
        await eventually(lambda: len(outcomes) == len(batch), "confirms")  # noqa: B023
        assert set(outcomes) == {Outcome.CONFIRMED}
    await publisher.close()


def _integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        (result,) = connection.execute("PRAGMA integrity_check").fetchone()
        return str(result)
    finally:
        connection.close()
