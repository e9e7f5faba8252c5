"""A SQLite database in memory: as many connections of this process as like, and gone with the last of them.

Its clock can be put forward. Leases go by this machine's all the same, so that no host loses its own over it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path

from dalsegno.errors import ConfigurationError
from dalsegno.persistence.database import READING, Database, Role
from dalsegno.persistence.membership import SqlMembership
from dalsegno.persistence.port import Membership, Writer
from dalsegno.persistence.sqlite import BUSY_SECONDS, Sqlite
from dalsegno.persistence.store import SqlStore
from dalsegno.persistence.url import DatabaseURL

OLDEST_WITH_SHARED_MEMORY = (3, 36, 0)

_numbers = count(1)


class MemorySqlite(Sqlite):
    """Connections to the database `name`, which is there while one of them is open."""

    def __init__(self, name: Path, time_ns: Callable[[], int] | None = None) -> None:
        super().__init__(DatabaseURL(shown="sqlite in memory", file=name), time_ns)

    def _connect(self, role: Role) -> sqlite3.Connection:
        connection = _connected(self.url.path, BUSY_SECONDS[role])
        if role in READING:
            connection.execute("PRAGMA query_only=ON")
        return connection


def _new_name() -> Path:
    if sqlite3.sqlite_version_info < OLDEST_WITH_SHARED_MEMORY:
        raise ConfigurationError(
            f"SQLite {sqlite3.sqlite_version} is too old for databases in memory: they need 3.36 or newer."
        )
    return Path(f"/dalsegno-{next(_numbers)}")


def _connected(name: Path, busy_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{name}?vfs=memdb", uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )


@cache
def _blank(partitions: int, newest_format: int) -> bytes:
    """A namespace in which nothing has happened. Its making takes a hundred times as long as its copying."""
    name = _new_name()
    kept = _connected(name, 0.0)
    store = SqlStore(MemorySqlite(name))
    try:
        store.migrate(partitions=partitions)
        store.membership().ask_format(newest_format)
        return kept.serialize()
    finally:
        store.close()
        kept.close()


class MemoryStore(SqlStore):
    """The store in a database of its own, a namespace with so many partitions. `skipped` is by how many
    microseconds its clock is put forward; each writer is handed out as `around` makes it."""

    def __init__(
        self,
        *,
        partitions: int,
        newest_format: int,
        skipped: Callable[[], int],
        around: Callable[[Writer], Writer] = lambda writer: writer,
    ) -> None:
        name = _new_name()
        self._kept = _connected(name, BUSY_SECONDS[Role.WRITER])
        blank = sqlite3.connect(":memory:")
        blank.deserialize(_blank(partitions, newest_format))
        blank.backup(self._kept)
        blank.close()
        super().__init__(MemorySqlite(name, lambda: time.time_ns() + 1000 * skipped()))
        self._unskipped = MemorySqlite(name)
        self._skipped = skipped
        self._around = around

    def writer(self) -> Writer:
        return self._around(super().writer())

    def membership(self) -> Membership:
        membership = SteadyMembership(self._unskipped, self._skipped)
        self._handed_out.append(membership)
        return membership

    def next_wake_up(self, after: int) -> int | None:
        """The first time behind `after` for which an instance is to be woken."""
        statement = "SELECT min(wake_at) FROM instances WHERE wake_at > ?"
        found: int | None = self._kept.execute(statement, (after,)).fetchone()[0]
        return found

    def close(self) -> None:
        super().close()
        self._kept.close()


class SteadyMembership(SqlMembership):
    """Rows of hosts go by this machine's clock, but what a host hears of the time is the database's."""

    def __init__(self, database: Database, skipped: Callable[[], int]) -> None:
        super().__init__(database)
        self._skipped = skipped

    def join(self, host_id: str, *, ttl: int, version: str, format_read: int = 1) -> int:
        return super().join(host_id, ttl=ttl, version=version, format_read=format_read) + self._skipped()

    def renew(self, host_id: str, *, ttl: int) -> int:
        return super().renew(host_id, ttl=ttl) + self._skipped()
