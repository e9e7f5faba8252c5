"""Which partition of a namespace is meant."""

from __future__ import annotations

from msgspec import Struct


class PartitionID(Struct, frozen=True, order=True, cache_hash=True):
    """The slots are dealt out anew in each generation: number 3 of one has other slots, another queue and
    another lease than number 3 of the next. So the two are one value, and no plain number. It is made where one
    comes in, from the database or in a message: these have the number alone, and the database names the
    generation.

    It is a key on the path of every message: hash and comparison must not be Python calls.
    """

    generation: int
    number: int
    """From 0. People know a partition by it."""
