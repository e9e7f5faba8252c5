"""The hot path: publishes in batches, deliveries without a task each, on tapped channels.

Publisher                                      Consumer
publish(batch)   one write, one tag each       Deliver, header, bodies   one delivery to the callback
Ack, Nack        confirmed, refused            acknowledge, dead_letter  one small write; many may gather
Return           returned; its ack is mute     Cancel, Close             the end
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import AMQPChannelError
from msgspec import Struct

from dalsegno._log import get_logger
from dalsegno.broker.port import Delivery, OnDelivery, OnOutcome, Outcome, Outgoing
from dalsegno.broker.rabbitmq import wire
from dalsegno.broker.rabbitmq.channel_life import ChannelLife
from dalsegno.broker.rabbitmq.holding import Holding
from dalsegno.broker.rabbitmq.link import Link

log = get_logger("dalsegno.broker.rabbitmq")


CONSUMER_TAG = "dalsegno"
"""Each consumer has a channel of its own, so the tag need not differ."""

GATHER_SECONDS = 0.05
"""How long acknowledgements gather. Each is an entry in the log of its queue, whether it is for one message or
for many, and for a partition's share of a round it would be for a handful."""
GATHERED_MAX = 64
"""Messages for which they do not wait any longer, or for a quarter of the prefetch."""


async def _untouched(_: DeliveredMessage) -> None:
    """Stands where the library wants a callback; deliveries never reach the library."""


class _Sent(Struct, frozen=True):
    """What an answer is known by. Not the body: an answer may be long in coming."""

    exchange: str
    routing_key: str
    message_id: str | None
    on_outcome: OnOutcome


class BatchPublisher(ChannelLife):
    """Port: `Publisher`."""

    def __init__(
        self,
        link: Link,
        channel: AbstractChannel,
        underlay: UnderlayChannel,
        siblings: set[ChannelLife],
    ) -> None:
        super().__init__(link, channel, underlay, siblings)
        self._body_max = link.frame_max - wire.FRAME_OVERHEAD
        self._last_tag = 0
        self._oldest_tag = 1
        """Everything before it is settled; it lags behind single confirms and catches up with multiple ones."""
        self._in_flight: dict[int, _Sent] = {}
        self._tag_by_message_id: dict[str, int] = {}
        self._return = b""

    def publish(self, batch: Sequence[Outgoing]) -> None:
        if not self._is_open:
            for outgoing in batch:
                self._loop.call_soon(outgoing.on_outcome, Outcome.LOST)
            return
        frames: list[bytes] = []
        for outgoing in batch:
            try:
                encoded = wire.encode_publish(self._number, outgoing, self._body_max)
            except wire.EncodeError as error:
                log.error("broker.publish_impossible", routing_key=outgoing.routing_key, error=str(error))
                self._loop.call_soon(outgoing.on_outcome, Outcome.IMPOSSIBLE)
                continue
            frames += encoded
            self._last_tag += 1
            message_id = outgoing.message.message_id
            sent = _Sent(outgoing.exchange, outgoing.routing_key, message_id, outgoing.on_outcome)
            self._in_flight[self._last_tag] = sent
            if message_id is not None:
                self._tag_by_message_id[message_id] = self._last_tag
        self._tap.write(b"".join(frames))

    def on_frame(self, kind: int, data: bytes, start: int, end: int) -> bool:
        if kind == wire.METHOD:
            method = data[start : start + wire.METHOD_SIZE]
            if method == wire.BASIC_ACK:
                self._confirm(*wire.decode_settlement(data, start), Outcome.CONFIRMED)
            elif method == wire.BASIC_NACK:
                self._confirm(*wire.decode_settlement(data, start), Outcome.REFUSED)
            elif method == wire.BASIC_RETURN:
                self._return = data[start:end]
            else:
                return super().on_frame(kind, data, start, end)
        elif kind == wire.HEADER:
            self._on_returned(data[start:end])
        return True  # the body of a returned message is of no interest

    def _on_returned(self, header: bytes) -> None:
        """A message came back; its ack is right behind and will find nothing."""
        message, _ = wire.decode_message(header, b"")
        if message.message_id is not None:
            tag = self._tag_by_message_id.get(message.message_id)
        else:
            tag = self._nameless_tag(*wire.decode_return(self._return))
        if tag is not None:
            self._settle(tag, Outcome.RETURNED)

    def _nameless_tag(self, exchange: str, routing_key: str) -> int | None:
        """Returns come in the order of the publishes, so the oldest that fits is the one."""
        for tag, sent in self._in_flight.items():
            if sent.message_id is None and (sent.exchange, sent.routing_key) == (exchange, routing_key):
                return tag
        return None

    def _confirm(self, tag: int, multiple: bool, outcome: Outcome) -> None:
        if not multiple:
            self._settle(tag, outcome)
            return
        up_to = tag or self._last_tag  # AMQP's 0 stands for all
        while self._oldest_tag <= up_to:
            self._settle(self._oldest_tag, outcome)
            self._oldest_tag += 1

    def _settle(self, tag: int, outcome: Outcome) -> None:
        sent = self._in_flight.pop(tag, None)
        if sent is None:
            return  # returned before, or the channel has ended
        if sent.message_id is not None and self._tag_by_message_id.get(sent.message_id) == tag:
            del self._tag_by_message_id[sent.message_id]
        sent.on_outcome(outcome)

    def _abandon(self) -> None:
        for sent in self._in_flight.values():
            self._loop.call_soon(sent.on_outcome, Outcome.LOST)
        self._in_flight.clear()
        self._tag_by_message_id.clear()


class BatchConsumer(ChannelLife):
    """Port: `Consumer`. Deliveries that come before `release()` wait for it."""

    def __init__(
        self,
        link: Link,
        channel: AbstractChannel,
        underlay: UnderlayChannel,
        siblings: set[ChannelLife],
        *,
        queue: str,
        holding: Holding,
        gathers: bool,
    ) -> None:
        super().__init__(link, channel, underlay, siblings)
        self._queue = queue
        self._holding = holding
        self._passes_over = False
        self._early: list[Delivery] = []
        self._hand_over: OnDelivery = self._early.append
        self._deliver = b""
        self._header = b""
        self._missing = 0
        self._parts: list[bytes] = []
        self._gathered_max = min(GATHERED_MAX, (holding.prefetch or GATHERED_MAX) // 4) if gathers else 1
        self._gathered = 0
        """The tag up to which everything is to be acknowledged."""
        self._acknowledged = 0
        """The tag up to which it was said."""
        self._timer: asyncio.TimerHandle | None = None

    async def consume(self) -> None:
        await self._underlay.basic_qos(prefetch_count=self._holding.prefetch)
        await self._underlay.basic_consume(self._queue, _untouched, consumer_tag=CONSUMER_TAG)

    def release(self, on_delivery: OnDelivery) -> None:
        """Hand over what has come, and from now on each delivery as it comes."""
        self._hand_over = on_delivery
        for delivery in self._early:
            if self._is_open:
                on_delivery(delivery)
        self._early.clear()

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        if not self._is_open:
            return
        if not multiple:
            self._tap.write(wire.encode_ack(self._number, tag, multiple=False))
        else:
            self._gathered = tag
            if tag - self._acknowledged >= self._gathered_max:
                self._write_gathered()
            elif self._timer is None:
                self._timer = self._loop.call_later(GATHER_SECONDS, self._write_gathered)
        self._settled(tag, multiple=multiple)

    def _write_gathered(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_open and self._gathered > self._acknowledged:
            self._acknowledged = self._gathered
            self._tap.write(wire.encode_ack(self._number, self._gathered, multiple=True))

    def dead_letter(self, tag: int) -> None:
        if self._is_open:
            self._tap.write(wire.encode_reject(self._number, tag))
            self._settled(tag, multiple=False)

    def _settled(self, tag: int, *, multiple: bool) -> None:
        reason = self._holding.settle(tag, multiple=multiple)
        if reason is not None:
            self._write_gathered()
            self.lose(f"queue {self._queue!r}: {reason}")
            self._shut()

    def _say_last(self) -> None:
        self._write_gathered()

    def _abandon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._holding.end()

    async def cancel(self) -> None:
        if self._is_open:
            # A channel that ends meanwhile delivers nothing more either.
            with suppress(AMQPChannelError):
                await self._link.answer(self._underlay.basic_cancel(CONSUMER_TAG))

    def on_frame(self, kind: int, data: bytes, start: int, end: int) -> bool:
        if kind == wire.METHOD:
            method = data[start : start + wire.METHOD_SIZE]
            if method == wire.BASIC_DELIVER:
                self._deliver = data[start:end]
            elif method == wire.BASIC_CANCEL:
                self._on_cancelled()
                return False  # the library gets it too: newer brokers wait for an answer
            else:
                return super().on_frame(kind, data, start, end)
        elif kind == wire.HEADER:
            self._on_header(data[start:end])
        else:
            self._on_body(data[start:end])
        return True

    def _on_cancelled(self) -> None:
        self._write_gathered()
        self.lose(f"RabbitMQ ended the consumer of queue {self._queue!r}: the queue was deleted or moved")
        self._shut()

    def _on_header(self, header: bytes) -> None:
        self._header = header
        self._missing = wire.body_size(header, 0)
        self._passes_over = not self._is_open or not self._holding.admit(self._missing)
        if not self._missing and not self._passes_over:
            self._complete(b"")

    def _on_body(self, part: bytes) -> None:
        self._missing -= len(part)
        if self._passes_over:
            return
        if self._missing:
            self._parts.append(part)
        elif self._parts:
            body = b"".join([*self._parts, part])
            self._parts.clear()
            self._complete(body)
        else:
            self._complete(part)

    def _complete(self, body: bytes) -> None:
        if not self._is_open:
            return
        tag, redelivered, exchange, routing_key = wire.decode_deliver(self._deliver)
        message, readable = wire.decode_message(self._header, body)
        if not readable:
            log.warning("broker.unreadable_properties", queue=self._queue, delivery_tag=tag)
        count = wire.delivery_count(message.headers) if redelivered else 0
        self._hand_over(Delivery(message, tag, redelivered, exchange, routing_key, count))
