"""The life of one channel of ours: open, and then closed once, by us or by others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from aio_pika.abc import AbstractChannel

from dalsegno.broker.port import OnClosed
from dalsegno.broker.rabbitmq.failures import text_of

SHUT_SECONDS = 5.0
"""For the closing handshake of a channel."""


async def farewell(goodbye: Awaitable[object], *, seconds: float) -> None:
    """Await a goodbye for a while, whatever becomes of it: what it says goodbye to is not used again.

    In a task of its own, since the library ends those who wait on a closing connection with CancelledError.
    """
    saying = asyncio.ensure_future(goodbye)
    await asyncio.wait({saying}, timeout=seconds)
    if not saying.done():
        saying.cancel()
    elif not saying.cancelled():
        saying.exception()


async def shut(channel: AbstractChannel) -> None:
    """Close a channel; one that is closed already, or whose connection is gone, is ordinary."""
    await farewell(channel.close(), seconds=SHUT_SECONDS)


class ChannelLife:
    """What publishers and consumers have in common. `siblings` are the open channels of the session."""

    def __init__(self, channel: AbstractChannel, siblings: set[ChannelLife]) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._siblings = siblings
        self._on_closed: OnClosed | None = None
        self._shutting: asyncio.Task[None] | None = None
        self._is_open = True
        self.end_reason: str | None = None
        siblings.add(self)
        channel.close_callbacks.add(self._library_closed)

    @property
    def is_open(self) -> bool:
        return self._is_open

    def announce_end_to(self, on_closed: OnClosed) -> None:
        """From now on an end that is not ours is announced. Before, whoever opens the channel looks himself."""
        self._on_closed = on_closed

    def lose(self, reason: str) -> None:
        """The channel ended, and not by our close(). Only the first call counts."""
        if not self.end():
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
        was_open = self._is_open
        self._is_open = False
        self._siblings.discard(self)
        if was_open:
            self._abandon()
        return was_open

    def _shut(self) -> None:
        self._shutting = asyncio.create_task(shut(self._channel))

    def _abandon(self) -> None:
        """Settle what is open on this side; called once."""

    def _library_closed(self, _sender: object, error: BaseException | None) -> None:
        self.lose(f"RabbitMQ closed the channel: {text_of(error)}")
