"""Which pieces of a payload store a database refers to: all that is to be kept of it.

Hosts go on meanwhile, and each page is read in a transaction of its own. So tables are read in the order in
which references come through them, mail before the journal, and that before the snapshots that take its place:
what is moved from one to the next while somebody reads is found in one of them, if not in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa

from dalsegno.payload_store import StoredReference, keys_in, nodes_in
from dalsegno.persistence import tables
from dalsegno.persistence.database import Database, OwnedConnection, Role
from dalsegno.persistence.schema import read_namespace

ROWS = 100
"""Of a page: each may hold as much as a message."""

_HOLD_PAYLOADS: tuple[tuple[sa.Table, tuple[sa.Column[bytes], ...]], ...] = (
    (tables.inbox, (tables.inbox.c.message,)),
    (tables.mail, (tables.mail.c.message,)),
    (tables.journal, (tables.journal.c.events,)),
    (tables.snapshots, (tables.snapshots.c.body,)),
    (tables.runs, (tables.runs.c.result, tables.runs.c.memo)),
)


class Referred(NamedTuple):
    keys: set[str]
    nodes: set[StoredReference]
    """Those of them on which other pieces hang, which may be referred to from there alone."""


def referred_keys(database: Database) -> Iterator[Referred]:
    """Those of each page. Raises what reading raises (`DalsegnoError`)."""
    owned = OwnedConnection(database, Role.AUDITOR)
    try:
        with owned.transaction() as connection:
            read_namespace(database, connection)
            there = set(sa.inspect(connection).get_table_names())  # of an older version, not all are
        for table, blobs in _HOLD_PAYLOADS:
            if table.name in there:
                yield from _of_table(owned, table, blobs)
    finally:
        owned.close()


def _of_table(
    owned: OwnedConnection, table: sa.Table, blobs: tuple[sa.Column[bytes], ...]
) -> Iterator[Referred]:
    place = list(table.primary_key.columns)
    query = sa.select(*place, *blobs).order_by(*place).limit(ROWS)
    last: tuple[object, ...] | None = None
    while True:
        behind = query if last is None else query.where(sa.tuple_(*place) > sa.tuple_(*map(sa.literal, last)))
        with owned.transaction() as connection:
            rows = connection.execute(behind).all()
        found = Referred(set(), set())
        for row in rows:
            for blob in row[len(place) :]:
                if blob is not None:
                    found.keys.update(keys_in(bytes(blob)))
                    found.nodes.update(nodes_in(bytes(blob)))
        yield found
        if len(rows) < ROWS:
            return
        last = tuple(rows[-1][: len(place)])
