"""SQLite: connections and the meaning of its errors.

WAL with `synchronous=FULL`. ONE connection checkpoints, the writer's, right after a commit of its own; all
others have `wal_autocheckpoint=0`. Versions before 3.51.3 can corrupt the file when a second checkpoint begins
after a complete one while another connection commits (the WAL-reset bug), and this rule leaves it no chance.

Connections are put into autocommit mode and every transaction begins in the engine's `begin` event: with the
driver's own ("legacy") transactions a SELECT begins none, and a fence that is checked outside of the
transaction does not fence.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from dalsegno.errors import ConfigurationError, UnreadableRowError
from dalsegno.persistence.database import (
    PEOPLE_SECONDS,
    READING,
    DataRefusedError,
    Role,
    StatementTimeoutError,
    schema_error,
    storable,
    unavailable,
)
from dalsegno.persistence.port import Writer
from dalsegno.persistence.sqlite_writer import SqliteWriter
from dalsegno.persistence.tables import COLUMNS_OF_JOURNAL
from dalsegno.persistence.url import DatabaseURL
from dalsegno.private_files import make_private, withdraw

OLDEST_SQLITE = (3, 35, 0)
"""The first with RETURNING."""

BUSY_SECONDS = {
    Role.WRITER: 5.0,
    Role.READER: 5.0,
    Role.PEOPLE: 5.0,
    Role.AUDITOR: 5.0,
    Role.MEMBERSHIP: 2.0,
    Role.SCHEMA: 30.0,
}
"""How long a connection waits for another's write lock."""

PROGRESS_STEPS = 20_000
"""Of SQLite's machine, between two looks at the time that a person's question has: less than a millisecond."""

CHECKPOINT_PAGES = 1000
"""The writer checkpoints when the WAL has grown to these (4 MB)."""

_NOT_UTF8 = re.compile(r"Could not decode to UTF-8 column '(\w+)'")
"""How the driver begins to say so, before it quotes the text."""
_REFUSED = ("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH")
_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_PROTOCOL")
_MENDABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_NOTADB", "SQLITE_CORRUPT")


_ANSWERS = """
    SELECT seen.workflow_id, seen.message_id, seen.type, seen.answer FROM json_each(:ids) AS asked
    CROSS JOIN seen ON seen.workflow_id = asked.value AND seen.message_id IN (
        SELECT some.message_id FROM seen AS some WHERE some.workflow_id = asked.value LIMIT :most
    )"""
_TAILS = f"""
    SELECT {COLUMNS_OF_JOURNAL} FROM json_each(:pairs) AS asked CROSS JOIN journal
    ON journal.run_id = json_extract(asked.value, '$[0]')
    AND journal.sequence > json_extract(asked.value, '$[1]')
    ORDER BY asked.key, journal.sequence"""


class Sqlite:
    """A SQLite file. Its clock is this machine's, as is every process that may open it, unless another is
    given."""

    driver_error: type[Exception] = sqlite3.Error

    def __init__(self, url: DatabaseURL, time_ns: Callable[[], int] | None = None) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ConfigurationError(
                f"SQLite {sqlite3.sqlite_version} is too old: dalsegno needs 3.35 or newer, or PostgreSQL."
            )
        self.url = url
        self.time_ns = time_ns or time.time_ns

    def engine(self, role: Role) -> sa.Engine:
        engine = sa.create_engine(
            "sqlite://", creator=lambda: self._connect(role), poolclass=sa.NullPool, hide_parameters=True
        )
        begin = "BEGIN" if role in READING else "BEGIN IMMEDIATE"
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        if role is Role.PEOPLE:
            sa.event.listen(engine, "before_cursor_execute", _bound)
        return engine

    def _connect(self, role: Role) -> sqlite3.Connection:
        if role is Role.SCHEMA:
            self._make_private()
        elif role is Role.WRITER:
            withdraw(self.url.path)
        connection = sqlite3.connect(
            f"{self.url.path.as_uri()}?{self._mode(role)}",
            uri=True,
            timeout=BUSY_SECONDS[role],
            isolation_level=None,
            check_same_thread=False,
        )
        if role is Role.SCHEMA:
            self._use_wal(connection)
        if role in READING:
            connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA synchronous=FULL")
        pages = CHECKPOINT_PAGES if role is Role.WRITER else 0
        connection.execute(f"PRAGMA wal_autocheckpoint={pages}")
        return connection

    def _mode(self, role: Role) -> str:
        if role is Role.SCHEMA:
            return "mode=rwc"
        log = self.url.path.with_name(f"{self.url.path.name}-wal")
        if role in READING and not os.access(self.url.path.parent, os.W_OK) and not log.exists():
            # Whoever writes has a log beside it. SQLite would make one to read, too, and could not.
            return "mode=ro&immutable=1"
        return "mode=rw"

    def _make_private(self) -> None:
        try:
            make_private(self.url.path)
        except OSError:
            return  # why it cannot be made is what SQLite says next

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            connection.close()
            raise ConfigurationError(
                f"The file system of {self.url.path} has no write-ahead log for SQLite; put it on a local disk."
            )

    def writer(self) -> Writer:
        return SqliteWriter(self, self.time_ns)

    def now(self) -> sa.ColumnElement[int]:
        return sa.literal(self.time_ns() // 1000, sa.BigInteger())

    def among(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        listed = sa.func.json_each(sa.bindparam(parameter, type_=sa.Text())).table_valued("value")
        return column.in_(sa.select(listed.c.value))

    def keys(self, values: Iterable[Any]) -> str:
        return json.dumps([value for value in values if storable(value)])

    def answers(self) -> sa.TextClause:
        return sa.text(_ANSWERS)

    def tails(self) -> sa.TextClause:
        return sa.text(_TAILS)

    def runs_after(self, sequences: Mapping[str, int]) -> Mapping[str, Any]:
        return {"pairs": json.dumps([pair for pair in sequences.items() if storable(pair[0])])}

    def insert_or_update(self, table: sa.Table, row: Mapping[str, Any], update: Mapping[str, Any]) -> sa.Insert:
        key = list(table.primary_key)
        return insert(table).values(row).on_conflict_do_update(index_elements=key, set_=update)

    def prepare_namespace(self, connection: sa.Connection) -> None:
        """The transaction itself keeps others out, and the file is the schema."""

    def check_outcome(self, connection: sa.Connection) -> None:
        """What SQLite has committed is on the disk."""

    def translate(self, error: Exception) -> Exception:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if not isinstance(cause, sqlite3.Error):
            return error
        if found := _NOT_UTF8.match(str(cause)):
            return UnreadableRowError(f"a text in the column {found[1]} of {self.url.shown} is not UTF-8")
        name = getattr(cause, "sqlite_errorname", "")
        # Messages of constraints name columns, never values.
        if name.startswith(_REFUSED) or isinstance(cause, sqlite3.IntegrityError | sqlite3.DataError):
            return DataRefusedError(f"SQLite refused the data: {cause}")
        if name.startswith("SQLITE_CANTOPEN") and not self.url.path.exists() and self.url.path.parent.is_dir():
            return schema_error(self.url, f"There is no database {self.url.path}")
        if name.startswith(_MENDABLE):
            return ConfigurationError(f"The database {self.url.path} cannot be used: {cause}.")
        if name == "SQLITE_INTERRUPT":
            return StatementTimeoutError(str(unavailable(self.url, "it was interrupted")))
        if name.startswith(_PASSING):
            return unavailable(self.url, str(cause))
        if name == "SQLITE_ERROR" and str(cause).startswith(("no such table", "no such column")):
            return schema_error(
                self.url, f"The database {self.url.path} lacks tables or columns of this version"
            )
        return error


def _bound(connection: sa.Connection, *_: object) -> None:
    """Have the statement that comes now interrupted when it takes too long."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    until = time.monotonic() + PEOPLE_SECONDS
    driver.set_progress_handler(lambda: time.monotonic() > until, PROGRESS_STEPS)
