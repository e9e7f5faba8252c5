"""The inbox, on both databases, and on tables that have none yet."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from dalsegno.persistence import open_store
from dalsegno.persistence.database import Role
from dalsegno.persistence.inbox_port import InboxRow
from dalsegno.persistence.port import Store
from dalsegno.persistence.store import SqlStore
from dalsegno.persistence.tables import HEAD, inbox


def write(store: Store, *rows: tuple[int, bytes]) -> None:
    assert isinstance(store, SqlStore)
    with store._database.engine(Role.SCHEMA).begin() as connection:
        for time, message in rows:
            connection.execute(sa.insert(inbox).values(time=time, message=message))


def test_rows_are_read_in_order_and_removed_and_no_number_comes_again(store: Store, tables: str) -> None:
    box = store.inbox()
    if tables != HEAD:
        assert box.waiting(written_before=None, without=(), limit=10, row_max=50, bytes_max=100) == []
        return
    write(store, (5, b"one"), (9, b"two"), (7, b"three"))

    rows = box.waiting(written_before=None, without=(), limit=10, row_max=50, bytes_max=100)
    assert [row.message for row in rows] == [b"one", b"two", b"three"]
    first, second, third = [row.number for row in rows]
    assert first < second < third
    old = box.waiting(written_before=7, without=(), limit=10, row_max=50, bytes_max=100)
    assert [row.number for row in old] == [first, third]
    assert box.waiting(written_before=None, without=[first, third], limit=10, row_max=50, bytes_max=100) == [
        rows[1]
    ]
    assert box.waiting(written_before=None, without=(), limit=2, row_max=50, bytes_max=100) == rows[:2]
    assert box.waiting(written_before=None, without=(), limit=10, row_max=50, bytes_max=4) == rows[:1]
    assert box.waiting(written_before=None, without=(), limit=10, row_max=50, bytes_max=1) == rows[:1]

    box.remove([first, second, third])
    box.remove([first])
    assert box.waiting(written_before=None, without=(), limit=10, row_max=50, bytes_max=100) == []
    write(store, (1, b"four"))
    (last,) = box.waiting(written_before=None, without=(), limit=10, row_max=50, bytes_max=100)
    assert last == InboxRow(last.number, b"four")
    assert last.number > third
    box.close()


@pytest.mark.parametrize("message", ["'text'", "CAST(X'ff00' AS TEXT)", "17", "1.5", "X'00'"])
@pytest.mark.parametrize("time", ["1", "'late'", "1.5", str(2**62 + 1), "X'00'"])
def test_whatever_lies_there_is_read_as_bytes(sqlite_url: str, message: str, time: str) -> None:
    """SQLite lets any value into any column."""
    store = open_store(sqlite_url)
    store.migrate(partitions=1)
    with store._database.engine(Role.SCHEMA).begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql(f"INSERT INTO inbox (time, message) VALUES ({time}, {message})")
    write(store, (2, b"whole"))
    box = store.inbox()
    rows = box.waiting(written_before=None, without=(), limit=9, bytes_max=99, row_max=9)
    assert [type(row.message) for row in rows] == [bytes, bytes]
    assert rows[1].message == b"whole"
    box.close()
    store.close()


def test_of_a_row_that_is_too_large_only_the_beginning_is_read(store: Store, tables: str) -> None:
    box = store.inbox()
    if tables == HEAD:
        write(store, (1, b"1234567"), (1, b"1234"))
        rows = box.waiting(written_before=None, without=(), limit=9, bytes_max=8, row_max=4)
        assert [row.message for row in rows] == [b"1234", b"1234"]
    box.close()
