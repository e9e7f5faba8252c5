"""What the two sides of a session say to each other, and how it is framed on a socket.

A frame is four bytes of length (big-endian), then a MessagePack array of operations. Requests carry a number
that their `Response` repeats; channels are numbered by the client, each number once.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dalsegno.broker.port import Binding, Outcome, Topology

PROTOCOL_VERSION = 1
MAX_FRAME_BYTES = 64 * 1024 * 1024
MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - 64 * 1024
"""The largest encoded message; the rest of the frame is for names around it."""
FLUSH_BYTES = 1024 * 1024
"""A frame is sent when its messages are this large together, before the loop's turn is over."""
HEADER_BYTES = 4


class Operation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all operations. `gc=False`: they hold no cycles, and there are many of them."""

    @property
    def size(self) -> int:
        """About how many bytes it takes in a frame, where that may be many."""
        return 0


# -- from client to server -------------------------------------------------------------------------


class Hello(Operation, frozen=True, tag=1):
    """The first operation of a session."""

    request: int
    version: int
    name: str
    held_bytes: int | None = None
    """What its consumers may hold unacknowledged, all together."""


class Declare(Operation, frozen=True, tag=2):
    request: int
    topology: Topology


class Unbind(Operation, frozen=True, tag=3):
    request: int
    bindings: Sequence[Binding]


class DeleteQueue(Operation, frozen=True, tag=4):
    request: int
    queue: str


class PurgeQueue(Operation, frozen=True, tag=5):
    request: int
    queue: str


class QueueDepth(Operation, frozen=True, tag=6):
    request: int
    queue: str
    of_consumers: bool = False
    """How many consumers it has, not messages. An owner that does not know this gives its messages."""


class OpenPublisher(Operation, frozen=True, tag=7):
    request: int
    channel: int


class OpenConsumer(Operation, frozen=True, tag=8):
    request: int
    channel: int
    queue: str
    prefetch: int


class CancelConsumer(Operation, frozen=True, tag=9):
    request: int
    channel: int


class CloseChannel(Operation, frozen=True, tag=10):
    request: int
    channel: int


class Goodbye(Operation, frozen=True, tag=11):
    """The session ends; the reply says that what it held is back in the queues."""

    request: int


class Publish(Operation, frozen=True, tag=12):
    channel: int
    tag: int
    exchange: str
    routing_key: str
    payload: bytes

    @property
    def size(self) -> int:
        return len(self.payload)


class Acknowledge(Operation, frozen=True, tag=13):
    channel: int
    tag: int
    multiple: bool


class DeadLetter(Operation, frozen=True, tag=14):
    channel: int
    tag: int


Request = (
    Hello
    | Declare
    | Unbind
    | DeleteQueue
    | PurgeQueue
    | QueueDepth
    | OpenPublisher
    | OpenConsumer
    | CancelConsumer
    | CloseChannel
    | Goodbye
)
ClientOperation = Request | Publish | Acknowledge | DeadLetter


# -- from server to client -------------------------------------------------------------------------


class Response(Operation, frozen=True, tag=1):
    """`error` is one sentence for the caller, who is wrong."""

    request: int
    value: int | None = None
    error: str | None = None


class Deliver(Operation, frozen=True, tag=2):
    channel: int
    tag: int
    redelivered: bool
    delivery_count: int
    exchange: str
    routing_key: str
    payload: bytes

    @property
    def size(self) -> int:
        return len(self.payload)


class PublishOutcomes(Operation, frozen=True, tag=3):
    """The same outcome for several publishes of one channel."""

    channel: int
    outcome: Outcome
    tags: list[int]


class ChannelClosed(Operation, frozen=True, tag=4):
    channel: int
    reason: str


class SessionClosed(Operation, frozen=True, tag=5):
    """The last operation of a session that the server ends."""

    reason: str


ServerOperation = Response | Deliver | PublishOutcomes | ChannelClosed | SessionClosed

_encoder = msgspec.msgpack.Encoder()
decode_client_operations = msgspec.msgpack.Decoder(list[ClientOperation]).decode
decode_server_operations = msgspec.msgpack.Decoder(list[ServerOperation]).decode


def encode_frame(operations: Sequence[object]) -> bytearray:
    frame = bytearray()
    _encoder.encode_into(operations, frame, HEADER_BYTES)
    frame[:HEADER_BYTES] = (len(frame) - HEADER_BYTES).to_bytes(HEADER_BYTES, "big")
    return frame
