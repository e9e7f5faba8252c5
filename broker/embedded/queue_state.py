"""One queue: its ready messages, its consumers, and who gets what."""

from __future__ import annotations

from collections import deque

from dalsegno.broker.embedded.ready_line import Item, ReadyLine
from dalsegno.broker.held_bytes import HeldBytes
from dalsegno.broker.port import Queue


class ConsumerState:
    """A consumer's channel: what it holds unacknowledged, by delivery tag, in the order of delivery."""

    __slots__ = ("bytes", "channel", "is_short", "next_tag", "prefetch", "queue", "session", "unacknowledged")

    def __init__(
        self, session: int, channel: int, queue: QueueState, prefetch: int, held: HeldBytes | None = None
    ) -> None:
        self.session = session
        self.channel = channel
        self.queue = queue
        self.prefetch = prefetch
        self.next_tag = 1
        self.unacknowledged: dict[int, Item] = {}
        self.bytes = held or HeldBytes(None)
        """Shared by all consumers of the session."""
        self.is_short = False
        """Something waits in its queue because the session holds too many bytes."""

    def has_room(self, size: int) -> bool:
        """Whether it may be given a message of `size` bytes. AMQP's rule: a prefetch of 0 is no limit."""
        if self.prefetch and len(self.unacknowledged) >= self.prefetch:
            return False
        self.is_short = bool(self.unacknowledged) and not self.bytes.fits(size)
        return not self.is_short

    def take(self, item: Item) -> int:
        tag = self.next_tag
        self.next_tag = tag + 1
        self.unacknowledged[tag] = item
        self.bytes.take(len(item.payload))
        return tag

    def settle(self, tag: int, *, multiple: bool) -> list[Item]:
        """The items that an acknowledgement of `tag` removes; none when the tag is not outstanding."""
        if tag not in self.unacknowledged:
            return []
        tags = [tag]
        if multiple:
            tags = []
            for held in self.unacknowledged:
                if held > tag:
                    break
                tags.append(held)
        settled = [self.unacknowledged.pop(held) for held in tags]
        for item in settled:
            self.bytes.give_back(len(item.payload))
        return settled

    def let_go(self) -> list[Item]:
        """All that it held, in the order of delivery: it is closed."""
        items = list(self.unacknowledged.values())
        self.unacknowledged.clear()
        for item in items:
            self.bytes.give_back(len(item.payload))
        return items


Handout = tuple[ConsumerState, int, Item]
"""A delivery: to whom, under which tag, what."""


class QueueState:
    """`number` is the queue's number in the file, None for one that lives in memory with its session.

    `handed_out` is the highest position ever delivered; what stands in the file at or below
    `handed_out_before` was delivered by an earlier life of the owner.
    """

    __slots__ = (
        "consumers",
        "definition",
        "handed_out",
        "handed_out_before",
        "is_deleted",
        "line",
        "next_position",
        "number",
        "owner",
        "stranded",
    )

    def __init__(
        self,
        definition: Queue,
        *,
        number: int | None,
        owner: int | None = None,
        stored: int = 0,
        last_position: int = 0,
        handed_out: int = 0,
    ) -> None:
        self.definition = definition
        self.number = number
        self.owner = owner
        self.line = ReadyLine(paged=number is not None, stored=stored, tail=last_position)
        self.consumers: deque[ConsumerState] = deque()
        self.stranded: list[tuple[Item, str]] = []
        """Dead letters without a place to go, with the reason of their death; kept until there is one."""
        self.next_position = max(last_position, handed_out) + 1
        self.handed_out = handed_out
        self.handed_out_before = handed_out
        self.is_deleted = False

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def is_at_work(self) -> bool:
        """Consumers have messages of it, or may be given some."""
        return any(consumer.unacknowledged for consumer in self.consumers) or bool(
            self.consumers and len(self.line)
        )

    def place(self, exchange: str, routing_key: str, payload: bytes) -> Item:
        """A message's place in this queue; it is not ready yet."""
        position = self.next_position
        self.next_position = position + 1
        return Item(position, exchange, routing_key, payload)

    def hand_out(self) -> list[Handout]:
        """Deliver what can be delivered now."""
        handed: list[Handout] = []
        line = self.line
        while line.has_next and (consumer := self._next_consumer(line.next_size)) is not None:
            item = line.pop()
            if item.position > self.handed_out:
                self.handed_out = item.position
            handed.append((consumer, consumer.take(item), item))
        return handed

    def _next_consumer(self, size: int) -> ConsumerState | None:
        consumers = self.consumers
        if not consumers:
            return None
        if len(consumers) == 1 or self.definition.single_active_consumer:
            first = consumers[0]
            return first if first.has_room(size) else None
        for _ in range(len(consumers)):
            consumer = consumers[0]
            consumers.rotate(-1)
            if consumer.has_room(size):
                return consumer
        return None
