"""The inbox, on both databases, and on tables that have none yet."""

from __future__ import annotations

import sqlalchemy as sa

from dalsegno.persistence.database import Role
from dalsegno.persistence.port import InboxRow, Store
from dalsegno.persistence.store import SqlStore
from dalsegno.persistence.tables import HEAD, inbox

ANY_TIME = 2**62


def write(store: Store, *rows: tuple[int, bytes]) -> None:
    assert isinstance(store, SqlStore)
    with store._database.engine(Role.SCHEMA).begin() as connection:
        for time, message in rows:
            connection.execute(sa.insert(inbox).values(time=time, message=message))


def test_rows_are_read_in_order_and_removed_and_no_number_comes_again(store: Store, tables: str) -> None:
    box = store.inbox()
    if tables != HEAD:
        assert box.waiting(written_before=ANY_TIME, without=(), limit=10, bytes_max=100) == []
        return
    write(store, (5, b"one"), (9, b"two"), (7, b"three"))

    rows = box.waiting(written_before=ANY_TIME, without=(), limit=10, bytes_max=100)
    assert [row.message for row in rows] == [b"one", b"two", b"three"]
    first, second, third = [row.number for row in rows]
    assert first < second < third
    old = box.waiting(written_before=7, without=(), limit=10, bytes_max=100)
    assert [row.number for row in old] == [first, third]
    assert box.waiting(written_before=ANY_TIME, without=[first, third], limit=10, bytes_max=100) == [rows[1]]
    assert box.waiting(written_before=ANY_TIME, without=(), limit=2, bytes_max=100) == rows[:2]
    assert box.waiting(written_before=ANY_TIME, without=(), limit=10, bytes_max=4) == rows[:1]
    assert box.waiting(written_before=ANY_TIME, without=(), limit=10, bytes_max=1) == rows[:1]

    box.remove([first, second, third])
    box.remove([first])
    assert box.waiting(written_before=ANY_TIME, without=(), limit=10, bytes_max=100) == []
    write(store, (1, b"four"))
    (last,) = box.waiting(written_before=ANY_TIME, without=(), limit=10, bytes_max=100)
    assert last == InboxRow(last.number, b"four")
    assert last.number > third
    box.close()
