"""Who watches what a broker does: callbacks that remember, and can be waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dalsegno.broker.port import Consumer, Delivery, Message, Outcome, Outgoing, Publisher, Session
from dalsegno.errors import BrokerUnavailableError

PATIENCE_SECONDS = 20.0
"""Bound of every wait; no test waits that long unless it fails."""


async def eventually(state: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `state` holds; AssertionError naming `what` after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not state():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(0.005)


@dataclass
class Inbox:
    """An `on_delivery` that keeps what comes."""

    deliveries: list[Delivery] = field(default_factory=list)

    def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.message.body for delivery in self.deliveries]

    async def receive(self, count: int) -> list[Delivery]:
        """The first `count` deliveries, once they are there."""
        await eventually(lambda: len(self.deliveries) >= count, f"{count} deliveries")
        return self.deliveries[:count]


@dataclass
class Ends:
    """An `on_closed` that keeps the reasons; a correct broker gives at most one."""

    reasons: list[str] = field(default_factory=list)

    def __call__(self, reason: str) -> None:
        self.reasons.append(reason)

    async def announced(self) -> str:
        await eventually(lambda: bool(self.reasons), "on_closed")
        assert len(self.reasons) == 1
        return self.reasons[0]


class Sender:
    """Publishes and keeps the outcome of each message, in the order of the publishes."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.outcomes: list[list[Outcome]] = []

    def send(self, exchange: str, routing_key: str, *messages: Message) -> list[list[Outcome]]:
        """Publish one batch; the lists returned will hold one outcome each."""
        received: list[list[Outcome]] = [[] for _ in messages]
        self.outcomes += received
        self.publisher.publish(
            [
                Outgoing(exchange, routing_key, message, outcome.append)
                for message, outcome in zip(messages, received, strict=True)
            ]
        )
        return received

    async def settled(self) -> list[Outcome]:
        """The outcome of every message sent so far."""
        await eventually(lambda: all(self.outcomes), "an outcome for every message")
        assert all(len(outcome) == 1 for outcome in self.outcomes)
        return [outcome[0] for outcome in self.outcomes]


def numbered(count: int, start: int = 0) -> list[Message]:
    return [Message(body=b"%d" % n, message_id=f"message-{n}") for n in range(start, start + count)]


def bodies(messages: Sequence[Message]) -> list[bytes]:
    return [message.body for message in messages]


async def vanished(session: Session, queue: str) -> None:
    """Wait until another session's exclusive queue is gone; until then it may be locked against questions."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(BrokerUnavailableError):
                if await session.queue_depth(queue) is None:
                    return


async def depth_reached(session: Session, queue: str, depth: int) -> None:
    """Wait until so many messages are ready."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await session.queue_depth(queue) != depth:
            continue


async def fill(session: Session, queue: str, messages: Sequence[Message]) -> None:
    """Publish to a queue and see every message confirmed."""
    publisher = await session.open_publisher(on_closed=Ends())
    sender = Sender(publisher)
    sender.send("", queue, *messages)
    assert set(await sender.settled()) == {Outcome.CONFIRMED}
    await publisher.close()


async def consume(
    session: Session,
    queue: str,
    inbox: Inbox,
    *,
    prefetch: int = 100,
    ends: Ends | None = None,
    gathers: bool = False,
) -> Consumer:
    return await session.open_consumer(
        queue,
        prefetch=prefetch,
        on_delivery=inbox,
        on_closed=Ends() if ends is None else ends,
        gathers=gathers,
    )
