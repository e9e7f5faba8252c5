"""Partitions of a test's namespace, which is of the first generation."""

from __future__ import annotations

from dalsegno.partition_id import PartitionID

GENERATION = 1


def nth(number: int) -> PartitionID:
    return PartitionID(GENERATION, number)


def nths(count: int) -> tuple[PartitionID, ...]:
    """All, of a namespace with so many."""
    return tuple(map(nth, range(count)))


FIRST = nth(0)
