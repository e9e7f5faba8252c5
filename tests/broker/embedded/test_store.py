"""The SQLite file: what it takes, what it refuses to be, and pages of bounded size."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno.broker.embedded import store as store_module
from dalsegno.broker.embedded.steps import (
    CreateBindings,
    CreateExchanges,
    CreateQueue,
    DropBindings,
    DropQueue,
    PurgeRange,
    Row,
    Write,
    row_id,
)
from dalsegno.broker.embedded.store import QueueStore, StoredQueue
from dalsegno.broker.port import Binding, Exchange, Queue
from dalsegno.errors import ConfigurationError

QUEUE = Queue("q", single_active_consumer=True, delivery_limit=3, dead_letter_exchange="x")


@pytest.fixture
def store(path: Path) -> Iterator[QueueStore]:
    opened = QueueStore.open(path)
    yield opened
    opened.close()


def rows(number: int, positions: range, size: int = 1) -> list[Row]:
    return [(row_id(number, position), "x", f"key.{position}", b"m" * size) for position in positions]


def positions(store: QueueStore, number: int) -> list[int]:
    return [item.position for item in store.load_page(number, 0, 10**6)]


def test_what_was_declared_is_found_again(path: Path, store: QueueStore) -> None:
    bindings = [(Binding("x", "one", "q"), 1), (Binding("x", 'quote"d', "q"), 1)]
    store.commit([CreateExchanges([Exchange("x")]), CreateQueue(1, QUEUE), CreateBindings(bindings)])
    store.commit([Write(inserts=rows(1, range(5, 8)), marks={1: 6})])
    store.close()
    again = QueueStore.open(path)
    topology = again.load_topology()
    again.close()
    assert topology.exchanges == ["x"]
    assert topology.queues == [StoredQueue(1, QUEUE, stored=3, last_position=7, handed_out=6)]
    assert sorted(topology.bindings) == [("x", "one", 1), ("x", 'quote"d', 1)]


def test_dropped_bindings_and_queues_leave_nothing_behind(store: QueueStore) -> None:
    binding = Binding("x", "one", "q")
    other = Binding("x", "two", "q")
    store.commit([CreateExchanges([Exchange("x")]), CreateQueue(1, QUEUE), CreateQueue(2, Queue("r"))])
    store.commit([CreateBindings([(binding, 1), (binding, 2), (other, 1)])])
    store.commit([Write(inserts=rows(1, range(1, 4)) + rows(2, range(1, 3)))])
    store.commit([DropBindings([(binding, 2)])])
    assert sorted(store.load_topology().bindings) == [("x", "one", 1), ("x", "two", 1)]
    store.commit([DropQueue(1)])
    topology = store.load_topology()
    assert topology.bindings == []
    assert [(queue.number, queue.stored) for queue in topology.queues] == [(2, 2)]


def test_a_large_write_goes_in_whole(store: QueueStore) -> None:
    store.commit([Write(inserts=rows(1, range(1, 400)))])
    assert positions(store, 1) == list(range(1, 400))
    store.commit([Write(removed=[row_id(1, position) for position in range(1, 390)], moved=[row_id(1, 399)])])
    assert positions(store, 1) == list(range(390, 399))


def test_a_page_has_the_messages_of_its_queue_alone_in_order_and_as_they_were(store: QueueStore) -> None:
    payload = bytes(range(256))
    store.commit(
        [
            Write(
                inserts=[
                    (row_id(2, 1), "ex\u00e4", 'k"1', payload),
                    *rows(1, range(1, 3)),
                    *rows(3, range(1, 3)),
                ]
            )
        ]
    )
    (item,) = store.load_page(2, 0, 10)
    assert (item.position, item.exchange, item.routing_key, item.payload) == (1, "ex\u00e4", 'k"1', payload)


def test_a_page_ends_where_it_is_told(store: QueueStore) -> None:
    store.commit([Write(inserts=rows(1, range(1, 10)))])
    assert [item.position for item in store.load_page(1, 3, 6)] == [4, 5, 6]
    assert store.load_page(1, 9, 9) == []


def test_a_page_is_bounded_in_number_and_size_but_never_empty(
    store: QueueStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PAGE_ITEMS", 4)
    monkeypatch.setattr(store_module, "PAGE_BYTES", 1_000)
    store.commit(
        [
            Write(
                inserts=rows(1, range(1, 10))
                + rows(2, range(1, 5), size=400)
                + rows(3, range(1, 3), size=5_000)
            )
        ]
    )
    assert [item.position for item in store.load_page(1, 0, 100)] == [1, 2, 3, 4]
    assert [item.position for item in store.load_page(2, 0, 100)] == [1, 2, 3]
    assert [item.position for item in store.load_page(3, 0, 100)] == [1]


def test_a_purge_removes_its_range_alone(store: QueueStore) -> None:
    store.commit([Write(inserts=rows(1, range(1, 10)) + rows(2, range(1, 3)))])
    store.commit([PurgeRange(1, 2, 7)])
    assert positions(store, 1) == [1, 2, 8, 9]
    assert positions(store, 2) == [1, 2]


def test_a_group_that_fails_leaves_nothing_of_itself(store: QueueStore) -> None:
    store.commit([CreateQueue(1, QUEUE), Write(inserts=rows(1, range(1, 3)))])
    with pytest.raises(sqlite3.IntegrityError):
        store.commit([Write(inserts=rows(1, range(3, 5))), CreateQueue(2, QUEUE)])
    assert positions(store, 1) == [1, 2]
    store.commit([Write(inserts=rows(1, range(3, 5)))])
    assert positions(store, 1) == [1, 2, 3, 4]


def test_the_file_and_what_stands_beside_it_is_readable_for_its_owner_alone(
    path: Path, store: QueueStore
) -> None:
    store.commit([CreateQueue(1, QUEUE)])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert path.name in modes


def test_a_file_of_a_newer_format_is_refused(path: Path, store: QueueStore) -> None:
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {store_module.SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer dalsegno"):
        QueueStore.open(path)


def test_somebody_elses_database_is_refused_and_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="something else"):
        QueueStore.open(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_not_touched(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(ConfigurationError, match=str(path)):
        QueueStore.open(path)
    assert path.read_bytes() == b"Dear diary, " * 1000


def test_a_missing_folder_is_a_matter_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        QueueStore.open(tmp_path / "nowhere" / "broker.db")
