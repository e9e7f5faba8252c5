"""The broker port: what the rest of dalsegno asks of a message broker, and nothing more.

Two adapters stand behind it and pass the same contract tests: `broker.rabbitmq` and `broker.embedded`. The
meaning is AMQP 0-9-1's, with RabbitMQ's quorum queues as the model:

- Messages are persistent and published `mandatory`. Each publish has exactly one outcome (see `Outcome`).
- A queue is FIFO. A message is delivered to one consumer and stays *unacknowledged* until acknowledged; when
  its consumer's channel closes, all it held returns to the FRONT of the queue in the old order, with
  `redelivered` true and its delivery count raised. Nobody ever negatively acknowledges: order would be lost.
- `single_active_consumer`: the first consumer gets everything; the next takes over when its channel closes.
- At most `prefetch` deliveries are unacknowledged per consumer, and at most `held_bytes` of bodies over all
  consumers of a session, if the broker was given that bound; a consumer that holds nothing is given one message
  of any size. What waits for that is not lost and keeps its order, but may come as redelivered.
- A message that came back more than `delivery_limit` times goes to the queue's dead-letter routing.

Everything runs on the caller's asyncio loop. Callbacks are plain functions; they must not block and must
not raise. A callback is never called before the call that registered it has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import msgspec

HeaderValue = str | int | bool | bytes | float | None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message's AMQP properties and body, coming or going. `timestamp` is in whole seconds since 1970."""

    body: bytes
    message_id: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    content_type: str | None = None
    timestamp: int | None = None
    headers: Mapping[str, HeaderValue] = {}


class Delivery(msgspec.Struct, frozen=True):
    """A message handed to a consumer. `tag` grows by one per delivery of the channel, from 1.

    `delivery_count` says how often it came back before (x-delivery-count; 0 at first).
    """

    message: Message
    tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    delivery_count: int = 0


class Outcome(Enum):
    """What became of one publish."""

    CONFIRMED = "confirmed"
    """On disk, in every queue it was routed to."""
    RETURNED = "returned"
    """No queue was bound for it. It is nowhere."""
    REFUSED = "refused"
    """The broker said no (a full queue with reject-publish). It may be in some queues and not in others."""
    IMPOSSIBLE = "impossible"
    """No broker can carry it as it is (its properties or its body are too large, or no text): it was not sent.
    Send it again, and it happens again."""
    LOST = "lost"
    """The channel closed before an answer: it may or may not have arrived. Publish again with the same ID."""


class Fault(Enum):
    """What a broker ended a publisher over."""

    NONE = "none"
    """Nothing that was sent: it is open, or was closed by us, or its connection went."""
    MESSAGE = "message"
    """A message that this broker will never take: it is too large for it, or malformed. Send it again, and it
    happens again."""
    TARGET = "target"
    """Where a message was to go: its exchange is missing, or may not be written to, or the broker has trouble
    of its own with it. It lasts until a person or a declaration mends that; no message is to blame."""


OnOutcome = Callable[[Outcome], None]
OnDelivery = Callable[[Delivery], None]
OnClosed = Callable[[str], None]
"""Called once, with one sentence saying why, when a channel ends otherwise than by our own close()."""


class Outgoing(msgspec.Struct, frozen=True):
    """One publish. `exchange` "" is the default exchange, which routes to the queue named by the key."""

    exchange: str
    routing_key: str
    message: Message
    on_outcome: OnOutcome


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable direct exchange."""

    name: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue to declare.

    `durable` queues are quorum queues on RabbitMQ and survive everything. A queue that is not durable is
    `exclusive`: it belongs to the connection that declares it and goes away with it (replies, grants).
    Dead letters (delivery limit, `dead_letter` on reject) go to `dead_letter_exchange` with
    `dead_letter_routing_key`, at least once.
    """

    name: str
    durable: bool = True
    single_active_consumer: bool = False
    delivery_limit: int | None = None
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages to `exchange` with `routing_key` go to `queue`."""

    exchange: str
    routing_key: str
    queue: str


@dataclass(frozen=True, slots=True)
class Topology:
    """What is to exist. Declaring it twice changes nothing."""

    exchanges: Sequence[Exchange] = field(default=())
    queues: Sequence[Queue] = field(default=())
    bindings: Sequence[Binding] = field(default=())


class Consumer(Protocol):
    """One channel with one consumer on one queue. After `on_closed` nothing more is delivered."""

    @property
    def is_open(self) -> bool: ...

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        """Remove one delivery, or with `multiple` it and all before it. Never blocks.

        On a closed channel this does nothing: what was not acknowledged will be delivered again.
        """

    def dead_letter(self, tag: int) -> None:
        """Reject one delivery without requeue: the broker moves it to the queue's dead-letter routing."""

    async def cancel(self) -> None:
        """No new deliveries after this returns; those already delivered stay ours to acknowledge."""

    async def close(self) -> None:
        """Close the channel; what is unacknowledged returns to the queue. Closing twice is ordinary."""


class Publisher(Protocol):
    """A confirming channel. Messages leave in the order of the calls."""

    @property
    def is_open(self) -> bool: ...

    @property
    def fault(self) -> Fault:
        """Known when `on_closed` is called. What was in flight is LOST in any case: at most one of it is at
        fault, and a broker does not say which."""

    def publish(self, batch: Sequence[Outgoing]) -> None:
        """Send a batch in one write. Never blocks, never raises; each message's `on_outcome` is called once.

        On a closed publisher every outcome is LOST (called soon, not at once). Two messages with one
        message ID must not be in flight on one publisher at a time.
        """

    async def close(self) -> None: ...


class Session(Protocol):
    """A live connection to the broker. It is never repaired: when it breaks, `on_closed` is called once,
    everything opened from it is closed, and the owner opens a new session.

    Every method raises BrokerUnavailableError when the connection is gone or does not answer in time.
    """

    @property
    def is_open(self) -> bool: ...

    @property
    def is_blocked(self) -> bool:
        """The broker has an alarm and says so: what is published waits until it is over."""

    @property
    def channel_max(self) -> int | None:
        """How many publishers or consumers it can have open at a time; None where nobody counts."""

    async def declare(self, topology: Topology) -> None:
        """Declare exchanges, queues, bindings. Raises TopologyError where one exists with other arguments,
        naming it, the difference as far as the broker tells it, and what to do."""

    async def unbind(self, bindings: Sequence[Binding]) -> None: ...

    async def delete_queue(self, name: str) -> None:
        """Delete a queue with what is in it; one that does not exist is ordinary."""

    async def purge_queue(self, name: str) -> int:
        """Drop all ready messages of a queue; their number is returned."""

    async def queue_depth(self, name: str) -> int | None:
        """Messages ready in a queue (without unacknowledged ones); None when there is no such queue."""

    async def has_consumers(self, name: str) -> bool:
        """Whether somebody takes from the queue, or would if it had anything; False when there is no such
        queue."""

    async def mark_queue(self, name: str) -> None:
        """Leave a mark on a durable queue, which goes with it. Twice is ordinary. Raises TopologyError where it
        cannot be left."""

    async def has_mark(self, name: str) -> bool:
        """Whether the queue is there, and is still the one that was marked: one that was deleted is not, though
        somebody has declared it again since."""

    async def open_publisher(self, *, on_closed: OnClosed) -> Publisher: ...

    async def open_consumer(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: OnDelivery,
        on_closed: OnClosed,
        gathers: bool = False,
    ) -> Consumer:
        """Consume `queue`. `on_closed` is also called when the broker cancels the consumer. With `gathers`,
        acknowledgements of `multiple` may be said a moment later, together, where that is cheaper: what was
        not said yet comes again when the process dies. Who closes the consumer or the session has them said
        first."""

    async def close(self) -> None: ...


class Broker(Protocol):
    """Where sessions come from; holds the URL and no connection."""

    async def connect(self, *, on_closed: OnClosed, name: str = "dalsegno") -> Session:
        """Open a session. `name` shows up in the broker's list of connections.

        Raises ConfigurationError for what a person must mend (URL, password, virtual host) and
        BrokerUnavailableError for what may pass by itself. Neither ever shows the password.
        """
