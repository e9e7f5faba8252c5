"""The line between a session and its server, and its first kind: a Unix socket. (`local_link` is the other.)

Both carry operations in order and tell each end once that the line is gone. Sending never blocks and is ignored
when the line is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar, cast

import msgspec

from dalsegno._log import get_logger
from dalsegno.broker.embedded.wire import (
    FLUSH_BYTES,
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    Operation,
    encode_frame,
)

log = get_logger("dalsegno.broker.embedded")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes from outside: not all of it is its own."""

In = TypeVar("In", bound=Operation)
Out = TypeVar("Out", bound=Operation)
InContra = TypeVar("InContra", bound=Operation, contravariant=True)
OutContra = TypeVar("OutContra", bound=Operation, contravariant=True)


class Receiver(Protocol[InContra]):
    """One end's owner."""

    def received(self, operations: Sequence[InContra]) -> None: ...

    def lost(self, reason: str) -> None:
        """The other end is gone. Called once, and never after our own close()."""


class LinkEnd(Protocol[OutContra]):
    """One end."""

    def send(self, operations: Sequence[OutContra]) -> None:
        """The other end gets them in order, at the latest after this turn of the loop."""

    def flush(self) -> None:
        """Hand over at once what has gathered. Only where the other end's callbacks may run."""

    def close(self) -> None:
        """What was sent still arrives. Closing twice is ordinary."""

    def pause(self) -> None:
        """Take nothing in until `resume`."""

    def resume(self) -> None: ...


class SocketLink(asyncio.Protocol, Generic[In, Out]):
    """An end on a Unix socket."""

    def __init__(self, receiver: Receiver[In], decode: Callable[[memoryview], list[In]]) -> None:
        self._receiver = receiver
        self._decode = decode
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._incoming = bytearray()
        self._outgoing: list[Out] = []
        self._outgoing_bytes = 0
        self._closed = False

    def send(self, operations: Sequence[Out]) -> None:
        if self._closed:
            return
        for operation in operations:
            size = operation.size
            if self._outgoing_bytes + size > FLUSH_BYTES:
                self.flush()  # A large message gets a frame to itself, which bounds the frame.
            if not self._outgoing:
                self._loop.call_soon(self.flush)
            self._outgoing.append(operation)
            self._outgoing_bytes += size
            if size > FLUSH_BYTES:
                self.flush()

    def flush(self) -> None:
        if not self._outgoing or self._closed or self._transport is None:
            return
        operations, self._outgoing, self._outgoing_bytes = self._outgoing, [], 0
        self._transport.write(encode_frame(operations))

    def close(self) -> None:
        if self._closed:
            return
        self.flush()
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        incoming = self._incoming
        incoming += data
        while len(incoming) >= HEADER_BYTES and not self._closed:
            size = int.from_bytes(incoming[:HEADER_BYTES], "big")
            if size > MAX_FRAME_BYTES:
                self._give_up(f"A frame of {size} bytes was refused; the limit is {MAX_FRAME_BYTES}.")
                return
            end = HEADER_BYTES + size
            if len(incoming) < end:
                return
            try:
                with memoryview(incoming) as view, view[HEADER_BYTES:end] as frame:
                    operations = self._decode(frame)
            except UNREADABLE:
                self._give_up("A frame could not be read.")
                return
            del incoming[:end]
            self._receiver.received(operations)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._closed = True
            self._receiver.lost(
                "The connection was lost." if exc is None else f"The connection was lost: {exc}"
            )

    def _give_up(self, reason: str) -> None:
        log.warning("embedded_link_dropped", reason=reason)
        self._closed = True
        if self._transport is not None:
            self._transport.abort()
        self._receiver.lost(reason)
