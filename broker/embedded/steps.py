"""What the model asks of the file, as data, in the order in which it must become durable.

Steps are committed in groups, one transaction each. When a commit fails, the publishes of its `Write` steps
are refused; everything else stays due and goes first into the next group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from dalsegno.broker.embedded.queue_state import QueueState
from dalsegno.broker.embedded.ready_line import Item
from dalsegno.broker.port import Binding, Exchange, Queue

POSITION_BITS = 40
"""A message's row ID is its queue's number and, below it, its position: one B-tree holds all in order."""

Row = tuple[int, str, str, bytes]
"""Row ID, exchange, routing key, encoded message."""


def row_id(queue_number: int, position: int) -> int:
    return (queue_number << POSITION_BITS) | position


class PublisherState:
    """A publisher's channel."""

    __slots__ = ("channel", "session")

    def __init__(self, session: int, channel: int) -> None:
        self.session = session
        self.channel = channel


class Publication(msgspec.Struct, frozen=True, gc=False):
    """A publish on its way to the file, with its places in the queues it was routed to."""

    publisher: PublisherState
    tag: int
    places: Sequence[tuple[QueueState, Item]]


class Burial(msgspec.Struct, frozen=True, gc=False):
    """A dead letter on its way from `source` to its new places, in one transaction."""

    source: QueueState
    item: Item
    reason: str
    places: Sequence[tuple[QueueState, Item]]


@dataclass(slots=True)
class Write:
    """Publishes, removals and marks. They commute: what is removed was durable before it was delivered.

    `moved` rows are the sources of burials: removed only together with the inserts. `marks` are the highest
    positions handed out, by queue number.
    """

    inserts: list[Row] = field(default_factory=list)
    publications: list[Publication | Burial] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    marks: dict[int, int] = field(default_factory=dict)
    insert_bytes: int = 0

    def merge(self, later: Write) -> None:
        self.inserts += later.inserts
        self.publications += later.publications
        self.moved += later.moved
        self.removed += later.removed
        self.marks |= later.marks
        self.insert_bytes += later.insert_bytes

    def without_publishes(self) -> Write:
        """What stays due when the commit failed."""
        return Write(removed=self.removed, marks=self.marks)


@dataclass(frozen=True, slots=True)
class CreateExchanges:
    exchanges: Sequence[Exchange]


@dataclass(frozen=True, slots=True)
class CreateQueue:
    number: int
    definition: Queue


@dataclass(frozen=True, slots=True)
class DropQueue:
    """With its bindings and messages."""

    number: int


@dataclass(frozen=True, slots=True)
class CreateBindings:
    bindings: Sequence[tuple[Binding, int]]
    """Each with the number of its queue."""


@dataclass(frozen=True, slots=True)
class DropBindings:
    bindings: Sequence[tuple[Binding, int]]


@dataclass(frozen=True, slots=True)
class PurgeRange:
    """Remove the messages of a queue behind position `after`, up to and including `up_to`."""

    number: int
    after: int
    up_to: int


@dataclass(frozen=True, slots=True)
class Barrier:
    """`done` is called on the owner's loop when everything before it is durable."""

    done: Callable[[], None]


Change = CreateExchanges | CreateQueue | DropQueue | CreateBindings | DropBindings | PurgeRange
Step = Write | Change | Barrier
