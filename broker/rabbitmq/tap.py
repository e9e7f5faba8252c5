"""A tap on the wire between the library and the broker.

The library connects through a transport factory of ours, which is a public parameter of it. The tap sees every
frame first: those of a channel that is tapped go to its owner, synchronously and without a task, and the rest
goes on to the library as if nothing had happened. What the owner of a tapped channel sends is written to the
same transport. The library keeps doing what it is good at: handshake, heartbeats, opening and closing of
channels, topology.

What this leans on, and what `Tap.has_seen` is for: the library reads from the stream that the factory returns,
and numbers its channels as the wire does.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

from aiormq.connection import TransportFactory
from aiormq.exceptions import ProtocolSyntaxError
from yarl import URL

from dalsegno.broker.rabbitmq import wire


class FrameOwner(Protocol):
    """The owner of a tapped channel."""

    def on_frame(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Take the frame with the payload `data[start:end]`; False when the library is to have it."""


class Tap(asyncio.StreamReaderProtocol):
    """The protocol of one connection. Everything runs on the loop that reads."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self._reader = reader
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._owners: dict[int, FrameOwner] = {}
        self._opened: set[int] = set()
        self.received = False
        """Set by every byte that arrives; whoever wants to know clears it."""
        self.is_blocked = False
        """The broker has stopped reading what we publish (memory or disk alarm)."""
        self.close_reason: str | None = None
        """The broker's text, if it was the broker that closed the connection."""
        self.close_code = 0
        """The broker's code for it; 0 if it was not the broker."""

    def has_seen(self, channel: int) -> bool:
        """Whether the opening of this channel came by: if not, the library does not work as we think."""
        return channel in self._opened

    def own(self, channel: int, owner: FrameOwner) -> None:
        self._owners[channel] = owner

    def disown(self, channel: int) -> None:
        self._owners.pop(channel, None)

    def write(self, data: bytes) -> None:
        """Send whole frames. Never blocks; what the broker does not read piles up here."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def abort(self) -> None:
        """Drop the connection without another word, also when the broker no longer reads."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received = True
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        unpack, owners = wire.FRAME_HEAD.unpack_from, self._owners
        while size - at >= wire.FRAME_OVERHEAD:
            kind, channel, length = unpack(data, at)
            if kind not in wire.FRAME_TYPES:
                # The library would take a part of the text for a size, and wait for so much of it.
                self._reader.set_exception(ProtocolSyntaxError("not an AMQP 0-9-1 frame"))
                self.abort()
                return
            end = at + wire.FRAME_OVERHEAD + length
            if end > size:
                break
            owner = owners.get(channel)
            if owner is None or not owner.on_frame(kind, data, at + wire.FRAME_HEAD.size, end - 1):
                if kind == wire.METHOD:
                    self._watch(channel, data, at + wire.FRAME_HEAD.size)
                super().data_received(data[at:end])
            at = end
        self._rest = data[at:]

    def _watch(self, channel: int, data: bytes, start: int) -> None:
        method = data[start : start + wire.METHOD_SIZE]
        if method == wire.CHANNEL_OPEN_OK:
            self._opened.add(channel)
        elif method == wire.CONNECTION_BLOCKED:
            self.is_blocked = True
        elif method == wire.CONNECTION_UNBLOCKED:
            self.is_blocked = False
        elif method == wire.CONNECTION_CLOSE:
            self.close_code, self.close_reason = wire.decode_close(data, start)


class TapFactory(TransportFactory):
    """Makes the connection's transport, as the library's own factories do, with a tap on it."""

    def __init__(self) -> None:
        self.tap: Tap | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        contexts = kwargs.pop("ssl_context_provider")
        ssl = await contexts.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        tap = Tap(reader, loop)
        transport, _ = await loop.create_connection(
            lambda: tap, str(url.host), url.port or 0, ssl=ssl, **kwargs
        )
        self.tap = tap
        return reader, asyncio.StreamWriter(transport, tap, reader, loop)
