"""The library's own way: a task for each publish, delivery and acknowledgement.

Several times slower than `batch` and the same to whoever uses it. Taken when the library does not work as the
tap expects, so that an upgrade costs speed and nothing else. One thing is lost: a message that the library
cannot decode ends the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import AMQPChannelError, DeliveryError, PublishError
from pamqp.commands import Basic

from dalsegno._log import get_logger
from dalsegno.broker.port import Delivery, HeaderValue, Message, OnDelivery, Outcome, Outgoing
from dalsegno.broker.rabbitmq import wire
from dalsegno.broker.rabbitmq.channel_life import ChannelLife
from dalsegno.broker.rabbitmq.link import Link

log = get_logger("dalsegno.broker.rabbitmq")

_PERSISTENT = 2


class PlainPublisher(ChannelLife):
    """Port: `Publisher`. Tasks start in the order of their creation, and the channel's lock is fair."""

    def __init__(
        self, link: Link, channel: AbstractChannel, underlay: UnderlayChannel, siblings: set[ChannelLife]
    ) -> None:
        super().__init__(link, channel, underlay, siblings)
        self._in_flight: dict[asyncio.Task[None], Outgoing] = {}

    def publish(self, batch: Sequence[Outgoing]) -> None:
        for outgoing in batch:
            if not self._is_open:
                self._loop.call_soon(outgoing.on_outcome, Outcome.LOST)
                continue
            task = self._loop.create_task(self._publish(outgoing))
            self._in_flight[task] = outgoing
            task.add_done_callback(self._settle)

    async def _publish(self, outgoing: Outgoing) -> None:
        await self._underlay.basic_publish(
            outgoing.message.body,
            exchange=outgoing.exchange,
            routing_key=outgoing.routing_key,
            properties=_properties(outgoing.message),
            mandatory=True,
        )

    def _settle(self, task: asyncio.Task[None]) -> None:
        outgoing = self._in_flight.pop(task, None)
        if outgoing is not None:
            outgoing.on_outcome(_outcome(task, outgoing))
        elif not task.cancelled():
            task.exception()  # the channel ended first, and nobody asks any more

    def _abandon(self) -> None:
        for task, outgoing in self._in_flight.items():
            self._loop.call_soon(outgoing.on_outcome, Outcome.LOST)
            task.cancel()
        self._in_flight.clear()


def _outcome(task: asyncio.Task[None], outgoing: Outgoing) -> Outcome:
    if task.cancelled():
        return Outcome.LOST
    match task.exception():
        case None:
            return Outcome.CONFIRMED
        case PublishError():
            return Outcome.RETURNED
        case DeliveryError():
            return Outcome.REFUSED
        case ValueError() | TypeError() | OverflowError() as error:
            log.error("broker.publish_impossible", routing_key=outgoing.routing_key, error=str(error))
            return Outcome.IMPOSSIBLE
        case _:
            return Outcome.LOST


class PlainConsumer(ChannelLife):
    """Port: `Consumer`. The callback runs in the library's task, and never awaits."""

    def __init__(
        self,
        link: Link,
        channel: AbstractChannel,
        underlay: UnderlayChannel,
        siblings: set[ChannelLife],
        *,
        queue: str,
    ) -> None:
        super().__init__(link, channel, underlay, siblings)
        self._queue = queue
        self._early: list[Delivery] = []
        self._hand_over: OnDelivery = self._early.append
        self._writes: set[asyncio.Future[None]] = set()
        self._consumer_tag: str | None = None

    async def consume(self, prefetch: int) -> None:
        await self._underlay.basic_qos(prefetch_count=prefetch)
        self._underlay.on_consumer_cancel_callbacks.add(self._on_cancelled)
        answer = await self._underlay.basic_consume(self._queue, self._on_message)
        self._consumer_tag = answer.consumer_tag

    def release(self, on_delivery: OnDelivery) -> None:
        """Hand over what has come, and from now on each delivery as it comes."""
        self._hand_over = on_delivery
        for delivery in self._early:
            if self._is_open:
                on_delivery(delivery)
        self._early.clear()

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        if self._is_open:
            self._write(self._underlay.basic_ack(tag, multiple, wait=False))

    def dead_letter(self, tag: int) -> None:
        if self._is_open:
            self._write(self._underlay.basic_reject(tag, requeue=False, wait=False))

    async def cancel(self) -> None:
        if self._is_open and self._consumer_tag is not None:
            # A channel that ends meanwhile delivers nothing more either.
            with suppress(AMQPChannelError):
                await self._link.answer(self._underlay.basic_cancel(self._consumer_tag))

    def _write(self, call: Awaitable[None]) -> None:
        task = asyncio.ensure_future(call)
        self._writes.add(task)
        task.add_done_callback(self._written)

    def _written(self, task: asyncio.Future[None]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # the channel has ended: what was not acknowledged will be delivered again

    def _on_cancelled(self, _: object) -> None:
        self.lose(f"RabbitMQ ended the consumer of queue {self._queue!r}: the queue was deleted or moved")
        self._shut()

    async def _on_message(self, delivered: DeliveredMessage) -> None:
        frame = delivered.delivery
        if not self._is_open or not isinstance(frame, Basic.Deliver):
            return
        message = _message(delivered)
        redelivered = bool(frame.redelivered)
        self._hand_over(
            Delivery(
                message,
                frame.delivery_tag or 0,
                redelivered,
                frame.exchange or "",
                frame.routing_key or "",
                wire.delivery_count(message.headers) if redelivered else 0,
            )
        )


def _properties(message: Message) -> Basic.Properties:
    sent = message.timestamp
    return Basic.Properties(
        content_type=message.content_type,
        headers=_library_headers(message.headers),
        delivery_mode=_PERSISTENT,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        message_id=message.message_id,
        timestamp=None if sent is None else datetime.fromtimestamp(sent, UTC),
        message_type=message.type,
    )


def _library_headers(headers: Mapping[str, HeaderValue]) -> dict[str, Any] | None:
    """The library's codec knows bytes as bytearray only."""
    return {
        name: bytearray(value) if isinstance(value, bytes) else value for name, value in headers.items()
    } or None


def _message(delivered: DeliveredMessage) -> Message:
    properties = delivered.header.properties
    sent = properties.timestamp
    return Message(
        body=delivered.body,
        message_id=properties.message_id,
        type=properties.message_type,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        content_type=properties.content_type,
        timestamp=None if sent is None else int(sent.timestamp()),
        headers=_plain_headers(properties.headers or {}),
    )


def _plain_headers(headers: Mapping[str, object]) -> Mapping[str, HeaderValue]:
    """As `wire` has them: times are seconds; tables, arrays and decimals are left out."""
    plain: dict[str, HeaderValue] = {}
    for name, value in headers.items():
        if value is None or isinstance(value, str | int | float | bytes):
            plain[name] = value
        elif isinstance(value, bytearray):
            plain[name] = bytes(value)
        elif isinstance(value, datetime):
            plain[name] = int(value.timestamp())
    return plain
