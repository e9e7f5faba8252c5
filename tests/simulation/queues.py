"""A queue of the broker model: quorum queue's order, single active consumer, delivery limit, dead letters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dalsegno.broker.port import Outgoing, Queue

if TYPE_CHECKING:
    from tests.simulation.broker_model import BrokerModel
    from tests.simulation.consumers import ModelConsumer


class Stored:
    """One message in one queue. `delivery_count` says how often it came back."""

    __slots__ = ("delivery_count", "outgoing", "redelivered")

    def __init__(self, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self.delivery_count = 0
        self.redelivered = False

    @property
    def size(self) -> int:
        return len(self.outgoing.message.body)


class ModelQueue:
    """`refuses_until`: it is full, and rejects what is published."""

    def __init__(self, broker: BrokerModel, spec: Queue) -> None:
        self.name = spec.name
        self.spec = spec
        self.ready: deque[Stored] = deque()
        self.consumers: list[ModelConsumer] = []
        self.refuses_until = 0
        self._broker = broker
        self._turn = 0

    def put(self, stored: Stored) -> None:
        self.ready.append(stored)
        self.pump()

    def join(self, consumer: ModelConsumer) -> None:
        self.consumers.append(consumer)
        self.pump()

    def leave(self, consumer: ModelConsumer) -> None:
        """Its channel has ended. The caller takes back what it held, and pumps."""
        if consumer in self.consumers:
            self.consumers.remove(consumer)

    def pump(self) -> None:
        while self.ready:
            consumer = self._next_consumer(self.ready[0].size)
            if consumer is None:
                return
            consumer.deliver(self.ready.popleft())

    def _next_consumer(self, size: int) -> ModelConsumer | None:
        if self.spec.single_active_consumer:
            return self.consumers[0] if self.consumers and self.consumers[0].has_room(size) else None
        for _ in self.consumers:
            self._turn = (self._turn + 1) % len(self.consumers)
            if self.consumers[self._turn].has_room(size):
                return self.consumers[self._turn]
        return None

    def take_back(self, held: Iterable[Stored]) -> None:
        limit = self.spec.delivery_limit
        returning = []
        for stored in held:
            stored.delivery_count += 1
            stored.redelivered = True
            if limit is not None and stored.delivery_count > limit:
                self._broker.dead_letter(self.spec, stored)
            else:
                returning.append(stored)
        self.ready.extendleft(reversed(returning))
        self.pump()

    def everything(self) -> Iterator[Stored]:
        """Ready and unacknowledged."""
        yield from self.ready
        for consumer in self.consumers:
            yield from consumer.held.values()
