"""How much may be on a host's way out, in bytes: in some simulations next to nothing."""

from __future__ import annotations

from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.broker.held_bytes import HELD_BYTES
from tests.simulation.connection import Connection

ON_THEIR_WAY_MAX = (HELD_BYTES, 1, HELD_BYTES, 3_000)
"""Bytes of messages, beyond which no activation begins: by seed, so that no other choice depends on it."""


def bound(outbox: Outbox, seed: int) -> None:
    outbox.weight.bytes_max = ON_THEIR_WAY_MAX[seed % len(ON_THEIR_WAY_MAX)]


def hear_of_markers(outbox: Outbox, connection: Connection | None, now: int) -> None:
    """As a host's own markers tell it, that the broker takes messages; only where that may matter."""
    if outbox.weight.waiting and connection is not None and connection.publishing[0].silent_until <= now:
        outbox.taken_beside(0.1)
