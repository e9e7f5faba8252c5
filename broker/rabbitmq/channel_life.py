"""The life of one channel of ours: open, and then closed once, by us or by others."""

from __future__ import annotations

import asyncio

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.exceptions import AMQPChannelError

from dalsegno.broker.port import Fault, OnClosed
from dalsegno.broker.rabbitmq import wire
from dalsegno.broker.rabbitmq.failures import channel_fault, exception_fault, text_of
from dalsegno.broker.rabbitmq.link import Link


class ChannelLife:
    """What publishers and consumers have in common. `siblings` are the open channels of the session.

    The broker's Channel.Close is seen in the step in which it arrives, before the library answers it, and
    nothing is written behind it: a frame on a closed channel costs the whole connection.
    """

    def __init__(
        self, link: Link, channel: AbstractChannel, underlay: UnderlayChannel, siblings: set[ChannelLife]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._link = link
        self._tap = link.tap
        self._channel = channel
        self._underlay = underlay
        self._number = underlay.number
        self._siblings = siblings
        self._on_closed: OnClosed | None = None
        self._shutting: asyncio.Task[None] | None = None
        self._is_open = True
        self._fault = Fault.NONE
        self.end_reason: str | None = None
        siblings.add(self)
        channel.close_callbacks.add(self._library_closed)
        self._tap.own(self._number, self)

    def on_frame(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """A close is news for us; the answer to it, and everything else, is the library's."""
        method = data[start : start + wire.METHOD_SIZE] if kind == wire.METHOD else b""
        if method == wire.CHANNEL_CLOSE:
            self._tap.disown(self._number)
            code, text = wire.decode_close(data, start)
            self._lost_over(channel_fault(code), text)
        elif method == wire.CHANNEL_CLOSE_OK:
            self._tap.disown(self._number)
        return False

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def fault(self) -> Fault:
        return self._fault

    def announce_end_to(self, on_closed: OnClosed) -> None:
        """From now on an end that is not ours is announced. Before, whoever opens the channel looks himself."""
        self._on_closed = on_closed

    def lose(self, reason: str) -> None:
        """The channel ended with its connection, or the broker took its consumer away; not by our close(). Only
        the first call counts."""
        if self._is_open:
            self._fault = self._link.fault
        self._end_for(reason)

    def _lost_over(self, fault: Fault, text: str) -> None:
        """The broker closed this channel, and the connection lives."""
        if self._is_open:
            self._fault = fault
        self._end_for(f"RabbitMQ closed the channel: {text}")

    def _end_for(self, reason: str) -> None:
        if not self._over():
            return
        self.end_reason = reason
        if self._on_closed is not None:
            self._loop.call_soon(self._on_closed, reason)

    async def close(self) -> None:
        if self.end():
            self._shut()
        if self._shutting is not None:
            await asyncio.shield(self._shutting)

    def end(self) -> bool:
        """End it on this side, telling nobody; False if it had ended before."""
        if self._is_open:
            self._say_last()
        return self._over()

    def _over(self) -> bool:
        was_open = self._is_open
        self._is_open = False
        self._siblings.discard(self)
        if was_open:
            self._abandon()
        return was_open

    def _shut(self) -> None:
        self._shutting = asyncio.create_task(self._link.shut(self._channel))

    def _say_last(self) -> None:
        """Write what was kept back: it is we who end the channel, so that it is open still."""

    def _abandon(self) -> None:
        """Settle what is open on this side; called once."""

    def _library_closed(self, _sender: object, error: BaseException | None) -> None:
        if isinstance(error, AMQPChannelError):
            self._lost_over(exception_fault(error), text_of(error))
        else:
            self.lose(f"RabbitMQ closed the channel: {text_of(error)}")
