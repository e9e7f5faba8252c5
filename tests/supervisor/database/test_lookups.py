"""Cold instances are read in portions: what was not read with one is told as left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from dalsegno.actors.supervisor.database.lookups import LOAD_BYTES, Lookups, in_turn
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Loaded
from tests.partition_ids import nth


class Reader:
    """All its instances are as large as a portion."""

    def load(self, workflow_ids: Sequence[str], *, bytes_max: int) -> list[Loaded]:
        assert bytes_max == LOAD_BYTES
        return [Loaded(workflow_id=workflow_ids[0], instance=None)]


class Engine:
    """Every partition is ours."""

    def __init__(self) -> None:
        self.told: list[tuple[PartitionID, list[str], list[str]]] = []

    def while_owned(self, partition: PartitionID, take: Callable[..., object]) -> Callable[..., None]:
        def taken(*answer: object) -> None:
            take(*answer)

        return taken

    def loaded(self, partition: PartitionID, rows: Sequence[Loaded], left: Sequence[str]) -> None:
        self.told.append((partition, [row.workflow_id for row in rows], list(left)))

    def unreadable(self, partition: PartitionID, workflow_id: str, error: Exception) -> None:
        raise AssertionError("all can be read")


def lookups_of(engine: Engine, reader: object) -> Lookups:
    lookups = Lookups()

    def read_each(
        query: Callable[..., Any], keys: Sequence[str], done: Callable[..., None], *_: object, what: str
    ) -> None:
        for half in (keys[:2], keys[2:]):  # as after a failure
            if half:
                done(query(reader, half))

    lookups.engine = engine  # type: ignore[assignment]
    lookups._threads = SimpleNamespace(mail=SimpleNamespace(read_each=read_each))  # type: ignore[assignment]
    return lookups


def test_what_was_not_read_for_its_size_is_left_to_be_asked_for_again() -> None:
    engine = Engine()
    lookups_of(engine, Reader()).load({nth(7): ["a", "b", "c"]})
    assert engine.told == [(nth(7), ["a"], ["b"]), (nth(7), ["c"], [])]


def test_all_partitions_are_read_together_and_each_is_told_of_its_own() -> None:
    engine = Engine()
    lookups_of(engine, Reader()).load({nth(1): ["a", "b"], nth(2): ["c"]})
    assert engine.told == [(nth(1), ["a"], []), (nth(2), [], ["c"]), (nth(1), ["b"], [])]


def test_each_partition_has_its_turn_however_many_another_wants() -> None:
    assert in_turn({nth(1): ["a", "b", "c"], nth(2): ["d"], nth(3): ["e", "f"]}) == list("adebfc")
