"""How much may be on a host's way out, in bytes: in some simulations next to nothing."""

from __future__ import annotations

from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.broker.held_bytes import HELD_BYTES

ON_THEIR_WAY_MAX = (HELD_BYTES, 1, HELD_BYTES, 3_000)
"""Bytes of messages, beyond which no activation begins: by seed, so that no other choice depends on it."""


def bound(outbox: Outbox, seed: int) -> None:
    outbox.weight.bytes_max = ON_THEIR_WAY_MAX[seed % len(ON_THEIR_WAY_MAX)]
