"""Which of the messages on their way have been so for long: they may have to be parked.

A look costs the same however many are on their way: it takes those that have just become slow from the front,
and goes round among those that were slow before.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator

from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.outbox.shipment_state import OVER

PARK_AFTER_SECONDS = 5.0

LOOKS_LIMIT = 200
"""Shipments looked at at one time."""


class SlowShipments:
    """`young` are those that have not been found slow yet, in the order of their first send. What is over is
    taken out of it."""

    def __init__(self) -> None:
        self.young: OrderedDict[str, Shipment] = OrderedDict()
        self._slow: deque[Shipment] = deque()

    def looked_at(self, now: float) -> Iterator[Shipment]:
        """Those that are slow, as many as are looked at in one turn."""
        self._slow.extendleft(reversed(self._grown(now)))
        for _ in range(min(LOOKS_LIMIT, len(self._slow))):
            shipment = self._slow.popleft()
            if shipment.state in OVER:
                continue
            self._slow.append(shipment)
            if now - shipment.sent_at >= PARK_AFTER_SECONDS:  # it may have been sent again since
                yield shipment

    def _grown(self, now: float) -> list[Shipment]:
        """They have just become slow."""
        found: list[Shipment] = []
        while self.young and len(found) < LOOKS_LIMIT:
            key, shipment = next(iter(self.young.items()))
            if now - shipment.sent_at < PARK_AFTER_SECONDS:
                break  # those behind it were sent later
            del self.young[key]
            found.append(shipment)
        return found
