"""A partition is known by its generation and its number."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from dalsegno.partition_id import PartitionID


def test_a_number_is_another_partition_in_another_generation() -> None:
    assert PartitionID(1, 3) == PartitionID(1, 3)
    assert PartitionID(1, 3) != PartitionID(2, 3)
    assert len({PartitionID(1, 3), PartitionID(2, 3), PartitionID(1, 3)}) == 2


def test_a_number_alone_is_no_partition() -> None:
    assert PartitionID(1, 3) != 3
    assert PartitionID(1, 3) != (1, 3)
    assert 3 not in {PartitionID(1, 3): "a lease"}


def test_partitions_are_in_order_of_their_generations_and_then_of_their_numbers() -> None:
    ids = [PartitionID(2, 0), PartitionID(1, 10), PartitionID(1, 2)]

    assert sorted(ids) == [PartitionID(1, 2), PartitionID(1, 10), PartitionID(2, 0)]


def test_a_partition_is_looked_up_without_a_python_call() -> None:
    """It is a key on the path of every message."""
    leases, asked = {PartitionID(1, number): number for number in range(16)}, PartitionID(1, 7)
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        found = leases[asked]
    finally:
        sys.setprofile(before)
    assert (found, calls) == (7, [])
