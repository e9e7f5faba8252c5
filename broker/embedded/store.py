"""The SQLite file: its schema, and what is written and read in it. Synchronous; used by one thread alone.

Statements are few and large on purpose: sqlite3 gives up the interpreter's lock at every step of a statement,
and a busy loop is slow to hand it back. So rows go in with multi-row inserts; numbers and pages travel as JSON.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec

from dalsegno._log import get_logger
from dalsegno.broker.embedded.ready_line import Item
from dalsegno.broker.embedded.steps import (
    POSITION_BITS,
    Barrier,
    Change,
    CreateBindings,
    CreateExchanges,
    CreateQueue,
    DropBindings,
    DropQueue,
    PurgeRange,
    Row,
    Step,
    Write,
    row_id,
)
from dalsegno.broker.port import Binding, Queue
from dalsegno.errors import ConfigurationError
from dalsegno.private_files import make_private

log = get_logger("dalsegno.broker.embedded")

SCHEMA_VERSION = 1
APPLICATION_ID = 0x64616C73
"""`dals`: tells our files from other people's SQLite files."""
SCHEMA = (
    "CREATE TABLE exchanges (name TEXT PRIMARY KEY) WITHOUT ROWID",
    # `handed_out` is the highest position that was ever delivered: what stands up to it comes redelivered.
    "CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, definition TEXT NOT NULL, "
    "handed_out INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE bindings (exchange TEXT NOT NULL, routing_key TEXT NOT NULL, queue INTEGER NOT NULL, "
    "PRIMARY KEY (exchange, routing_key, queue)) WITHOUT ROWID",
    # id = queue << 40 | position
    "CREATE TABLE messages (id INTEGER PRIMARY KEY, exchange TEXT NOT NULL, routing_key TEXT NOT NULL, "
    "message BLOB NOT NULL)",
)
PRAGMAS = (
    # Nobody else may open the file meanwhile. (Besides, SQLite below 3.51.3 can damage a WAL file that two
    # connections write or checkpoint.)
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA wal_autocheckpoint = 2000",
)
_BINDINGS_OF_JSON = (
    "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') "
    "FROM json_each(?)"
)
ROWS_PER_INSERT = 128
PAGE_ITEMS = 1000
PAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredQueue:
    number: int
    definition: Queue
    stored: int
    last_position: int
    handed_out: int


@dataclass(frozen=True, slots=True)
class StoredTopology:
    exchanges: Sequence[str]
    queues: Sequence[StoredQueue]
    bindings: Sequence[tuple[str, str, int]]


class QueueStore:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute

    @classmethod
    def open(cls, path: Path) -> QueueStore:
        """Open or create the file. Raises ConfigurationError when it cannot be ours."""
        try:
            make_private(path)
            connection = sqlite3.connect(path, isolation_level=None, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"The embedded broker's file {path} cannot be opened: {error}.") from error
        try:
            _prepare(connection, path)
        except sqlite3.Error as error:
            connection.close()
            raise ConfigurationError(
                f"{path} cannot be used as an embedded broker's file ({error}): name another, or restore it."
            ) from error
        except ConfigurationError:
            connection.close()
            raise
        return cls(connection)

    @classmethod
    def in_memory(cls) -> QueueStore:
        """Nothing of it is left when it is closed."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        _create(connection)
        return cls(connection)

    def close(self) -> None:
        self._connection.close()

    # -- reading -----------------------------------------------------------------------------------

    def load_topology(self) -> StoredTopology:
        queues = [
            StoredQueue(number, msgspec.json.decode(definition, type=Queue), *self._extent(number), handed_out)
            for number, definition, handed_out in self._execute("SELECT id, definition, handed_out FROM queues")
        ]
        exchanges = [name for (name,) in self._execute("SELECT name FROM exchanges")]
        bindings = list(self._execute("SELECT exchange, routing_key, queue FROM bindings"))
        return StoredTopology(exchanges, queues, bindings)

    def load_page(self, number: int, after: int, up_to: int) -> list[Item]:
        """The messages of a queue behind `after`, at most a page of them, at least one if there is one."""
        first, last = row_id(number, after), row_id(number, up_to)
        (end,) = self._execute(
            "SELECT max(id) FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS size_before FROM "
            "(SELECT id, length(message) AS size FROM messages WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)) "
            "WHERE size_before < ?",
            (first, last, PAGE_ITEMS, PAGE_BYTES),
        ).fetchone()
        if end is None:
            return []
        (page,) = self._execute(
            "SELECT json_group_array(json_array(id, exchange, routing_key, hex(message))) FROM "
            "(SELECT * FROM messages WHERE id > ? AND id <= ? ORDER BY id)",
            (first, end),
        ).fetchone()
        return [
            Item(row & ((1 << POSITION_BITS) - 1), exchange, routing_key, bytes.fromhex(message))
            for row, exchange, routing_key, message in msgspec.json.decode(
                page, type=list[tuple[int, str, str, str]]
            )
        ]

    def _extent(self, number: int) -> tuple[int, int]:
        """How many messages a queue has, and the position of the last."""
        stored, last = self._execute(
            "SELECT count(*), max(id) FROM messages WHERE id > ? AND id < ?",
            (row_id(number, 0), row_id(number + 1, 0)),
        ).fetchone()
        return stored, (last or 0) & ((1 << POSITION_BITS) - 1)

    # -- writing -----------------------------------------------------------------------------------

    def commit(self, steps: Iterable[Step]) -> None:
        """Apply all steps in one transaction, durable on return, or none: then sqlite3.Error is raised."""
        to_apply = [step for step in steps if not isinstance(step, Barrier)]
        if not to_apply:
            return
        try:
            self._execute("BEGIN IMMEDIATE")
            for step in to_apply:
                if isinstance(step, Write):
                    self._write(step)
                else:
                    self._change(step)
            self._execute("COMMIT")
        except sqlite3.Error:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # Some errors roll back by themselves.
            try:
                self._execute("ROLLBACK")
            except sqlite3.Error as error:
                # The next BEGIN fails as long as this does, and says so.
                log.error("embedded_rollback_failed", error=str(error))

    def _write(self, write: Write) -> None:
        self._insert(write.inserts)
        if removed := write.removed + write.moved:
            self._execute(
                "DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?))", (_json(removed),)
            )
        if write.marks:
            self._execute(
                "UPDATE queues SET handed_out = json_extract(mark.value, '$[1]') FROM json_each(?) AS mark "
                "WHERE queues.id = json_extract(mark.value, '$[0]')",
                (_json(list(write.marks.items())),),
            )

    def _insert(self, rows: Sequence[Row]) -> None:
        done = 0
        while done < len(rows):
            # Sizes are powers of two, so that few statements are prepared.
            size = min(ROWS_PER_INSERT, 1 << ((len(rows) - done).bit_length() - 1))
            values = ",".join(["(?,?,?,?)"] * size)
            self._execute(
                f"INSERT INTO messages VALUES {values}", tuple(chain.from_iterable(rows[done : done + size]))
            )
            done += size

    def _change(self, change: Change) -> None:
        match change:
            case CreateExchanges(exchanges):
                names = [(exchange.name,) for exchange in exchanges]
                self._connection.executemany("INSERT INTO exchanges VALUES (?)", names)
            case CreateQueue(number, definition):
                self._execute(
                    "INSERT INTO queues (id, name, definition) VALUES (?, ?, ?)",
                    (number, definition.name, _json(definition)),
                )
            case DropQueue(number):
                self._execute("DELETE FROM queues WHERE id = ?", (number,))
                self._execute("DELETE FROM bindings WHERE queue = ?", (number,))
                self._remove_range(row_id(number, 0), row_id(number + 1, 0) - 1)
            case CreateBindings(bindings):
                self._execute(
                    f"INSERT INTO bindings {_BINDINGS_OF_JSON}",
                    (_json(_binding_rows(bindings)),),
                )
            case DropBindings(bindings):
                self._execute(
                    f"DELETE FROM bindings WHERE (exchange, routing_key, queue) IN ({_BINDINGS_OF_JSON})",
                    (_json(_binding_rows(bindings)),),
                )
            case PurgeRange(number, after, up_to):
                self._remove_range(row_id(number, after), row_id(number, up_to))

    def _remove_range(self, after: int, up_to: int) -> None:
        self._execute("DELETE FROM messages WHERE id > ? AND id <= ?", (after, up_to))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        raise ConfigurationError(f"{path} holds something else than an embedded broker: name another file.")
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path} was written by a newer dalsegno (format {version}, this one knows {SCHEMA_VERSION}): "
            "upgrade dalsegno, or name another file."
        )
    for pragma in PRAGMAS:
        connection.execute(pragma)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise ConfigurationError(
            f"{path} is on a file system without write-ahead logging: put it on a local disk."
        )
    if not tables:
        _create(connection)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _binding_rows(bindings: Sequence[tuple[Binding, int]]) -> list[tuple[str, str, int]]:
    return [(binding.exchange, binding.routing_key, number) for binding, number in bindings]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
