"""What activities really did: a SQLite file outside the system, one row for each attempt that had its effect.

An attempt may run twice (its worker died, and the task came again), but has its effect once: who comes second
finds the first one's value. `value` is drawn at random, so a result says which row it came from.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    workflow_id: str
    run_id: str
    activity_id: str
    attempt: int
    what: str
    value: str


class Ledger:
    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            # Processes die here, machines don't: nothing needs to reach the disk.
            connection.execute("pragma synchronous=off")
            yield connection
        finally:
            connection.close()

    def create(self) -> None:
        with self._opened() as connection:
            connection.execute("pragma journal_mode=wal")
            connection.execute(
                "create table entries (workflow_id text, run_id text, activity_id text, attempt integer, "
                "what text, value text, unique (run_id, activity_id, attempt))"
            )

    def book(self, workflow_id: str, run_id: str, activity_id: str, attempt: int, what: str) -> str:
        """The value of this attempt's row."""
        key = (run_id, activity_id, attempt)
        with self._opened() as connection:
            connection.execute(
                "insert or ignore into entries values (?, ?, ?, ?, ?, ?)",
                (workflow_id, *key, what, secrets.token_hex(6)),
            )
            query = "select value from entries where run_id = ? and activity_id = ? and attempt = ?"
            value: str = connection.execute(query, key).fetchone()[0]
        return value

    def of(self, workflow_id: str) -> list[Entry]:
        """All rows of a workflow, oldest first."""
        with self._opened() as connection:
            rows = connection.execute(
                "select * from entries where workflow_id = ? order by rowid", (workflow_id,)
            ).fetchall()
        return [Entry(*row) for row in rows]
