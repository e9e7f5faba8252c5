"""The inbox: commands that applications have written in transactions of their own, until a host sends them
on."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from dalsegno.persistence import formats
from dalsegno.persistence.database import Database, OwnedConnection, Role
from dalsegno.persistence.inbox_port import InboxRow
from dalsegno.persistence.lists import within
from dalsegno.persistence.tables import inbox

SINCE = "0011"
"""The revision of the tables that has it."""

_MESSAGE = sa.cast(inbox.c.message, sa.LargeBinary)
"""SQLite lets any type into any column, also text that is none."""


class SqlInbox:
    """`port.Inbox`. Where the tables are older, it is empty."""

    def __init__(self, database: Database) -> None:
        self._reading = OwnedConnection(database, Role.READER)
        self._removing = OwnedConnection(database, Role.MEMBERSHIP)
        """Opened when there is something to be removed: on SQLite its transactions lock the file."""
        self._is_there = False

    def waiting(
        self, *, written_before: int | None, without: Collection[int], limit: int, bytes_max: int, row_max: int
    ) -> list[InboxRow]:
        with self._reading.transaction() as connection:
            self._is_there = self._is_there or formats.revision_of(connection) >= SINCE
            if not self._is_there:
                return []
            wanted: list[sa.ColumnElement[bool]] = [inbox.c.number.not_in(without)]
            if written_before is not None:
                wanted.append(inbox.c.time <= written_before)
            size = sa.func.length(inbox.c.message).label("size")
            found = connection.execute(
                sa.select(inbox.c.number, size).where(*wanted).order_by(inbox.c.number).limit(limit)
            ).all()
            if not found:
                return []
            count = within(bytes_max, [min(row.size or 0, row_max) for row in found])
            numbers = [row.number for row in found[:count]]
            rows = connection.execute(
                sa.select(inbox.c.number, sa.func.substr(_MESSAGE, 1, row_max).label("message"))
                .where(inbox.c.number.in_(numbers))
                .order_by(inbox.c.number)
            )
            return [InboxRow(row.number, row.message) for row in rows]

    def remove(self, numbers: Collection[int]) -> None:
        with self._removing.transaction() as connection:
            connection.execute(sa.delete(inbox).where(inbox.c.number.in_(numbers)))

    def close(self) -> None:
        self._reading.close()
        self._removing.close()
