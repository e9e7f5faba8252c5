"""IDs that must not come twice, in a temporary file, so that memory stays flat however many there are."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b

from msgspec import Struct

CACHE_KIB = 16 * 1024


class Use(Struct, frozen=True):
    """Where an ID was used, and when."""

    run_id: str
    sequence: int
    time: int


class UsedIDs:
    """A set of IDs with their first use. Used by one thread; `close` deletes the file.

    `remembered` is for how many microseconds a namespace recognises the message ID of a client.
    """

    def __init__(self, *, remembered: int) -> None:
        self.remembered = remembered
        # An empty name is a file of SQLite's own, which it deletes and only writes when memory does not do.
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        self._file.execute("PRAGMA journal_mode=OFF")
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.execute(
            "CREATE TABLE uses (id BLOB PRIMARY KEY, run_id TEXT, sequence INTEGER, time INTEGER) WITHOUT ROWID"
        )
        # Never committed: pages are written when the cache is full, not at each statement.
        self._file.execute("BEGIN")

    def use(self, kind: str, *parts: str, at: Use) -> Use | None:
        """Note that the ID was used; another use that came before it is returned. The same use may be noted
        again, as happens when rows are read again."""
        key = _key(kind, parts)
        added = self._file.execute(
            "INSERT INTO uses VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (key, at.run_id, at.sequence, at.time),
        )
        if added.rowcount:
            return None
        found = self._file.execute("SELECT run_id, sequence, time FROM uses WHERE id = ?", (key,)).fetchone()
        earlier = Use(*found)
        return None if (earlier.run_id, earlier.sequence) == (at.run_id, at.sequence) else earlier

    def move(self, kind: str, *parts: str, at: Use) -> None:
        """From now on this use is the one that counts."""
        self._file.execute(
            "UPDATE uses SET run_id = ?, sequence = ?, time = ? WHERE id = ?",
            (at.run_id, at.sequence, at.time, _key(kind, parts)),
        )

    def close(self) -> None:
        self._file.close()


def _key(kind: str, parts: tuple[str, ...]) -> bytes:
    return blake2b("\0".join((kind, *parts)).encode(errors="surrogatepass"), digest_size=16).digest()
