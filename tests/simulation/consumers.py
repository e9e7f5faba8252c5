"""A consumer of the broker model with its channel (see broker.port.Consumer)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dalsegno.broker.port import Delivery, OnDelivery
from tests.simulation.queues import ModelQueue, Stored

if TYPE_CHECKING:
    from tests.simulation.connection import Connection


class ModelConsumer:
    """`held` are the deliveries that are not acknowledged, at the broker, by tag."""

    def __init__(
        self,
        connection: Connection,
        queue: ModelQueue,
        prefetch: int,
        on_delivery: OnDelivery,
        on_closed: Callable[[str], None],
    ) -> None:
        self.is_open = True
        self.is_live = True
        self.queue = queue
        self.held: dict[int, Stored] = {}
        self._given: dict[int, Delivery] = {}
        """As its process has them."""
        self.connection = connection
        self._prefetch = prefetch
        self._on_delivery = on_delivery
        self._on_closed = on_closed
        self._tag = 0

    # --- at the broker ---------------------------------------------------------------------------------------

    def has_room(self, size: int) -> bool:
        """For a message of so many bytes. Who holds nothing is given one of any size."""
        has_room = self.is_live and len(self.held) < self._prefetch
        return has_room and (not self.held or self.connection.held.fits(size))

    def deliver(self, stored: Stored) -> None:
        self._tag += 1
        self.connection.held.take(stored.size)
        self.held[self._tag] = stored
        outgoing = stored.outgoing
        delivery = Delivery(
            outgoing.message,
            self._tag,
            stored.redelivered,
            outgoing.exchange,
            outgoing.routing_key,
            stored.delivery_count,
        )
        self._given[self._tag] = delivery
        self.connection.to_process(lambda: self._delivered(delivery))

    def _acknowledged(self, tag: int, multiple: bool) -> None:
        if not self.is_live:
            return
        tags = [held for held in self.held if held <= tag] if multiple else [tag]
        tap = self.connection.broker.tap
        size = 0
        for number in tags:
            stored = self.held.pop(number, None)
            if stored is not None:
                size += stored.size
                tap.acknowledged(self.connection.process.name, self.queue.name, stored, self._given.pop(number))
        self.queue.pump()
        self.connection.gives_back(size)

    def end(self) -> None:
        """The channel is gone: what it held returns to the front, in order."""
        if self.is_live:
            self.is_live = False
            self.connection.consumers.remove(self)
            self.queue.leave(self)
            held, self.held = list(self.held.values()), {}
            self.queue.take_back(held)
            self.connection.gives_back(sum(stored.size for stored in held))

    def kick(self, reason: str) -> None:
        """The broker closes the channel."""
        self.end()
        self.connection.to_process(lambda: self._closed_by_broker(reason))

    # --- at the process --------------------------------------------------------------------------------------

    def _delivered(self, delivery: Delivery) -> None:
        if self.is_open:
            self._on_delivery(delivery)

    def _closed_by_broker(self, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            self._on_closed(reason)

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        if self.is_open:
            self.connection.process.step("acknowledging")
            self.connection.to_broker(lambda: self._acknowledged(tag, multiple))

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.connection.to_broker(self.end)
