"""One session with the broker, as a client uses it: a reply queue of its own, a consumer, a publisher.

A link is never repaired. When any part of it ends, all of it has ended, and with it the reply queue: answers
that were on their way are lost, and whoever waits for one asks again on the next link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

from dalsegno.broker.port import (
    Broker,
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
from dalsegno.broker.topology import CONTROL_QUEUE, reply_queue
from dalsegno.client.errors import NamespaceMissingError
from dalsegno.errors import BrokerUnavailableError, ConfigurationError
from dalsegno.reasons.evidence import NO_QUEUE, QueueSeen

PREFETCH = 500
"""Replies on their way to us at once."""

OnReply = Callable[[Message], None]
OnEnd = Callable[[str], None]


class _Flight:
    """One publish that has no outcome yet, with all who wait for it."""

    def __init__(self, sending: tuple[str, str, Message]) -> None:
        self.sending = sending
        self.outcome = Outcome.LOST
        self.over = asyncio.Event()


class ClientLink:
    """Usable after `open`, until `on_end` is called: once, with the reason, in any case."""

    def __init__(self, broker: Broker, *, on_reply: OnReply, on_end: OnEnd) -> None:
        self.reply_to = reply_queue(uuid4().hex)
        self._broker = broker
        self._on_reply = on_reply
        self._on_end = on_end
        self._session: Session | None = None
        self._consumer: Consumer | None = None
        self._publisher: Publisher | None = None
        self._ended = False
        self._farewell: asyncio.Task[None] | None = None
        self._batch: list[Outgoing] = []
        self._in_flight: dict[str, _Flight] = {}
        self._replies_taken = 0
        self._loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        return self._publisher is not None and not self._ended

    async def open(self) -> None:
        """Raises BrokerUnavailableError, NamespaceMissingError, or another ConfigurationError."""
        self._session = session = await self._broker.connect(on_closed=self._end, name="dalsegno client")
        try:
            # Asked for here, because a publish to an exchange that is missing only closes the channel.
            if await session.queue_depth(CONTROL_QUEUE) is None:
                raise NamespaceMissingError
            await session.declare(Topology(queues=[Queue(self.reply_to, durable=False)]))
            self._consumer = await session.open_consumer(
                self.reply_to, prefetch=PREFETCH, on_delivery=self._take, on_closed=self._end
            )
            self._publisher = await session.open_publisher(on_closed=self._end)
        except BaseException:
            self._ended = True
            await session.close()
            raise

    async def look_at(self, queue: str) -> QueueSeen | None:
        """None where we may not. One that belongs to another connection alone is there, and more is not told.
        Raises BrokerUnavailableError."""
        assert self._session is not None
        try:
            depth = await self._session.queue_depth(queue)
            if depth is None:
                return NO_QUEUE
            has_consumers = await self._session.has_consumers(queue)
        except ConfigurationError:
            return None
        except BrokerUnavailableError:
            if not self.is_open or not self._session.is_open:
                raise
            return QueueSeen(exists=True, has_consumers=True, waiting=0)
        return QueueSeen(exists=True, has_consumers=has_consumers, waiting=depth)

    async def publish(self, exchange: str, routing_key: str, message: Message) -> Outcome:
        """Messages of one turn of the loop leave in one write. The message must have an ID.

        One ID is in flight once: the same message again shares the outcome of the first, and another message
        with its ID (two workflows may be told things with one) leaves when that has its outcome.
        """
        assert message.message_id is not None
        sending = exchange, routing_key, message
        while (flight := self._in_flight.get(message.message_id)) is not None and flight.sending != sending:
            await flight.over.wait()
        if not self.is_open:
            return Outcome.LOST
        if flight is None:
            flight = self._in_flight[message.message_id] = _Flight(sending)
            self._batch.append(self._outgoing(flight, message.message_id))
            if len(self._batch) == 1:
                self._loop.call_soon(self._flush)
        await flight.over.wait()
        return flight.outcome

    def _outgoing(self, flight: _Flight, message_id: str) -> Outgoing:
        def settle(outcome: Outcome) -> None:
            del self._in_flight[message_id]
            flight.outcome = outcome
            flight.over.set()

        return Outgoing(*flight.sending, settle)

    def _flush(self) -> None:
        assert self._publisher is not None
        batch, self._batch = self._batch, []
        self._publisher.publish(batch)

    def _take(self, delivery: Delivery) -> None:
        if not self._replies_taken:
            self._loop.call_soon(self._acknowledge)
        self._replies_taken = delivery.tag
        self._on_reply(delivery.message)

    def _acknowledge(self) -> None:
        assert self._consumer is not None
        self._consumer.acknowledge(self._replies_taken, multiple=True)
        self._replies_taken = 0

    def _end(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        self._farewell = self._loop.create_task(self._close_session())
        self._on_end(reason)

    async def _close_session(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def close(self) -> None:
        """Closing twice, or after the end, is ordinary."""
        self._end("the client was closed")
        if self._farewell is not None:
            await self._farewell
