"""The client's side of the two kinds of channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.broker.embedded.link import LinkEnd
from dalsegno.broker.embedded.wire import (
    MAX_PAYLOAD_BYTES,
    Acknowledge,
    CancelConsumer,
    ClientOperation,
    CloseChannel,
    DeadLetter,
    Deliver,
    Publish,
    PublishOutcomes,
    Request,
)
from dalsegno.broker.message_bytes import decode_message, encode_message
from dalsegno.broker.port import Delivery, Fault, OnClosed, OnDelivery, OnOutcome, Outcome, Outgoing
from dalsegno.errors import BrokerUnavailableError

log = get_logger("dalsegno.broker.embedded")


class ChannelSession(Protocol):
    """What a channel needs of its session."""

    @property
    def link(self) -> LinkEnd[ClientOperation]: ...

    async def request(self, make: Callable[[int], Request]) -> int | None: ...

    def forget(self, channel: int) -> None: ...


class EmbeddedPublisher:
    def __init__(self, session: ChannelSession, channel: int, on_closed: OnClosed) -> None:
        self._session = session
        self._link = session.link
        self._channel = channel
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, OnOutcome] = {}
        self._last_tag = 0
        self._is_open = True
        self._fault = Fault.NONE

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def fault(self) -> Fault:
        return self._fault

    def publish(self, batch: Sequence[Outgoing]) -> None:
        if not self._is_open:
            for outgoing in batch:
                self._loop.call_soon(outgoing.on_outcome, Outcome.LOST)
            return
        publishes = []
        for outgoing in batch:
            payload = _encode(outgoing)
            if payload is None:
                self._loop.call_soon(outgoing.on_outcome, Outcome.IMPOSSIBLE)
                continue
            self._last_tag += 1
            self._pending[self._last_tag] = outgoing.on_outcome
            publishes.append(
                Publish(self._channel, self._last_tag, outgoing.exchange, outgoing.routing_key, payload)
            )
        self._link.send(publishes)

    async def close(self) -> None:
        if self._is_open:
            self.end()
            await _close(self._session, self._channel)

    def take_outcomes(self, outcomes: PublishOutcomes) -> None:
        for tag in outcomes.tags:
            on_outcome = self._pending.pop(tag, None)
            if on_outcome is not None:
                on_outcome(outcomes.outcome)

    def refused(self, reason: str) -> None:
        """The owner closed the channel: an exchange is missing. What it cannot carry never leaves us."""
        self._fault = Fault.TARGET
        self.end(reason)

    def end(self, reason: str | None = None) -> None:
        """The channel is gone: by our own doing, or for the reason given."""
        self._is_open = False
        pending, self._pending = self._pending, {}
        for on_outcome in pending.values():
            self._loop.call_soon(on_outcome, Outcome.LOST)
        if reason is not None:
            self._loop.call_soon(self._on_closed, reason)


class EmbeddedConsumer:
    """Deliveries that come before `start` wait for it: `open_consumer` has not returned to its caller yet."""

    def __init__(
        self, session: ChannelSession, channel: int, on_delivery: OnDelivery, on_closed: OnClosed
    ) -> None:
        self._session = session
        self._link = session.link
        self._channel = channel
        self._on_delivery = on_delivery
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._early: list[Deliver] | None = []
        self._is_open = True

    @property
    def is_open(self) -> bool:
        return self._is_open

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        if self._is_open:
            self._link.send((Acknowledge(self._channel, tag, multiple),))

    def dead_letter(self, tag: int) -> None:
        if self._is_open:
            self._link.send((DeadLetter(self._channel, tag),))

    async def cancel(self) -> None:
        if self._is_open:
            await self._session.request(lambda number: CancelConsumer(number, self._channel))

    async def close(self) -> None:
        if self._is_open:
            self.end()
            await _close(self._session, self._channel)

    def start(self) -> None:
        early, self._early = self._early or [], None
        for deliver in early:
            self.deliver(deliver)

    def deliver(self, deliver: Deliver) -> None:
        if not self._is_open:
            return
        if self._early is not None:
            self._early.append(deliver)
            return
        try:
            message = decode_message(deliver.payload)
        except (ValueError, TypeError):
            log.error("embedded_message_unreadable", routing_key=deliver.routing_key)
            self.dead_letter(deliver.tag)
            return
        self._on_delivery(
            Delivery(
                message,
                deliver.tag,
                deliver.redelivered,
                deliver.exchange,
                deliver.routing_key,
                deliver.delivery_count,
            )
        )

    def end(self, reason: str | None = None) -> None:
        """The channel is gone: by our own doing, or for the reason given."""
        self._is_open = False
        if reason is not None:
            self._loop.call_soon(self._on_closed, reason)


async def _close(session: ChannelSession, channel: int) -> None:
    session.forget(channel)
    with suppress(BrokerUnavailableError):  # With the session, the channel is gone as well.
        await session.request(lambda number: CloseChannel(number, channel))


def _encode(outgoing: Outgoing) -> bytes | None:
    """None for a message that no broker would carry."""
    try:
        payload = encode_message(outgoing.message)
    except (TypeError, ValueError, OverflowError) as error:
        log.error("embedded_message_refused", message_id=outgoing.message.message_id, reason=str(error))
        return None
    if len(payload) > MAX_PAYLOAD_BYTES:
        log.error("embedded_message_refused", message_id=outgoing.message.message_id, reason="too large")
        return None
    return payload
