"""How many bytes are on their way out, and who waits until there are fewer.

Counted is what the broker may take at any time. What it does not take although it takes other things (what is
parked, or cannot leave as it is) is not, lest one queue's trouble keeps all work from beginning.
"""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.actors.supervisor.outbox.shipment import Shipment


class Weight:
    """From `bytes_max` on it is full. Who found it so has itself called `when_room`."""

    __slots__ = ("bytes", "bytes_max", "waiting")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0
        self.waiting: dict[Callable[[], object], None] = {}

    def when_room(self, call: Callable[[], object]) -> None:
        """Once, as soon as it is not full any more; asked twice is asked once."""
        self.waiting[call] = None

    def packed(self, shipment: Shipment) -> None:
        """Its message was made late."""
        size = len(shipment.message.body)
        self.bytes += size - shipment.counted
        shipment.counted = size

    def disregard(self, shipment: Shipment) -> None:
        """It may be on its way for long."""
        self.bytes -= shipment.counted
        shipment.counted = 0
        self.look()

    def look(self) -> None:
        """It may have become less."""
        if self.waiting and self.bytes < self.bytes_max:
            waiting, self.waiting = self.waiting, {}
            for call in waiting:
                call()
