"""What can become of a stored instance on a bad disk or under a clumsy hand: one column of one row, each time.

Each damage is done to an instance of its own, all of which have a snapshot and a journal row behind it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cbor2

from dalsegno.actors.workflow_actor.stored.snapshots import checksum
from tests.protocol.hostile import CANARY, CBOR_TABLE, colliding_integer_keys, shared_tower

WHERE = {
    "journal": "run_id = :run_id AND sequence = :last",
    "snapshots": "run_id = :run_id",
    "runs": "run_id = :run_id",
    "instances": "workflow_id = :workflow_id",
    "seen": "workflow_id = :workflow_id",
}


class Place(NamedTuple):
    """An instance in the file, as it was left."""

    workflow_id: str
    run_id: str
    last: int
    """The sequence of its last journal row."""


@dataclass(frozen=True, slots=True)
class Damage:
    name: str
    do: Callable[[sqlite3.Connection, Place], None]


def damages() -> Iterator[Damage]:
    for table, column in (("journal", "events"), ("snapshots", "body"), ("snapshots", "checksum")):
        for what, change in BYTES.items():
            yield Damage(f"{table}.{column}: {what}", partial(_change, table, column, change))
    for what, body in BLOBS.items():
        yield Damage(f"journal.events: {what}", partial(_put, body))
        yield Damage(f"snapshots.body, with its checksum: {what}", partial(_seal, body))
    yield from (Damage(what, partial(_set, what, value)) for what, value in SETTINGS.items())
    yield Damage("journal: the last row lost", _lose_last_row)


BYTES: Mapping[str, Callable[[bytes], Any]] = {
    "the first bit": lambda blob: bytes([blob[0] ^ 0x80]) + blob[1:],
    "nothing left": lambda _: b"",
    "half of it left": lambda blob: blob[: len(blob) // 2],
    "the last byte lost": lambda blob: blob[:-1],
    "zeros": lambda blob: bytes(len(blob)),
    "other bytes": lambda _: CANARY.encode() * 20,
    "a text": lambda _: CANARY,
    "a number": lambda _: 7,
}
"""What can become of bytes, whatever they are."""

BLOBS: dict[str, bytes] = {
    "of a later format": cbor2.dumps([99, CANARY]),
    "of an earlier format": cbor2.dumps([0, CANARY]),
    "of no format": cbor2.dumps([CANARY, []]),
    "of a format of 20,000 bits": cbor2.dumps([2**20_000, CANARY]),
    "without a body": cbor2.dumps([1]),
    "of a text": cbor2.dumps([1, CANARY]),
    "of nothing": cbor2.dumps([1, []]),
    "of nulls": cbor2.dumps([1, [None] * 30]),
    "of a shared tower": b"\x82\x01" + shared_tower(25),
    "of colliding keys": b"\x82\x01" + colliding_integer_keys(4_000),
    "of itself": b"\x82\x01\xd8\x1c\x81\xd8\x1d\x00",
    "of 390 lists": b"\x82\x01" + b"\x81" * 390 + b"\x00",
    **{
        what: b"\x82\x01" + CBOR_TABLE[what] for what in ("array of 2^64-1", "regular expression", "short UUID")
    },
    "of format 2, an array of 2^32-1": b"\x92\x02\xdd\xff\xff\xff\xff",
    "of format 2, effects of 2^32-1": b"\x92\x02\x95\x01\x02\xc3\xdd\xff\xff\xff\xff",
    "of format 2, a map of 2^32-1": b"\x92\x02\xdf\xff\xff\xff\xff",
    "of format 2, bytes of 2^32-1": b"\x92\x02\xc6\xff\xff\xff\xff",
    "of format 2, a time": b"\x92\x02\xd6\xff\x00\x00\x00\x00",
    "of format 2, 100,000 lists": b"\x92\x02" + b"\x91" * 100_000,
    "of format 2, in CBOR": cbor2.dumps([2, CANARY]),
}
"""What decodes to something, if to anything, that is no record and no state."""

SETTINGS = {
    "journal.sequence: a gap": "sequence + 5",
    "journal.time: another": "time + 1",
    "journal.time: a text": "'noon'",
    "journal.events: of the row before": (
        "(SELECT events FROM journal WHERE run_id = :run_id AND sequence = :last - 1)"
    ),
    "snapshots.sequence: one less": "sequence - 1",
    "snapshots.sequence: one more": "sequence + 1",
    "snapshots.sequence: a text": "'first'",
    "snapshots.format: a later one": "99",
    "snapshots.format: a text": "'new'",
    "snapshots.checksum: of another": "(SELECT checksum FROM snapshots WHERE run_id <> :run_id LIMIT 1)",
    "instances.sequence: one less": "sequence - 1",
    "instances.sequence: one more": "sequence + 1",
    "instances.sequence: a text": "'last'",
    "instances.status: none there is": f"'{CANARY}'",
    "instances.status: a number": "7",
    "instances.run_id: of nobody": "'nobody'",
    "instances.run_id: of another": "(SELECT run_id FROM runs WHERE run_id <> :run_id LIMIT 1)",
    "instances.run_id: bytes": "x'ff00'",
    "instances.run_id: no text": f"CAST(x'ff{CANARY.encode().hex()}' AS TEXT)",
}
"""What else can become of a column."""

HARMLESS = {
    "runs.status: none there is": f"'{CANARY}'",
    "runs.result: other bytes": f"x'{CANARY.encode().hex()}'",
    "runs.memo: other bytes": f"x'{CANARY.encode().hex()}'",
    "runs.reason: a number": "7",
    "instances.wake_at: a text": "'noon'",
    "seen.answer: none there is": f"'{CANARY}'",
    "seen.answer: bytes": "x'ff'",
    "seen.message_id: bytes": "CAST(message_id AS BLOB)",
    "seen.time: a text": "'noon'",
}
"""What the instance itself does not rest on: it goes on."""


def harmless() -> Iterator[Damage]:
    yield from (Damage(what, partial(_set, what, value)) for what, value in HARMLESS.items())


def _change(
    table: str, column: str, change: Callable[[bytes], Any], connection: sqlite3.Connection, place: Place
) -> None:
    selected = f"SELECT {column} FROM {table} WHERE {WHERE[table]}"
    (blob,) = connection.execute(selected, place._asdict()).fetchone()
    _update(connection, place, table, f"{column} = :value", value=change(blob))


def _put(events: bytes, connection: sqlite3.Connection, place: Place) -> None:
    _update(connection, place, "journal", "events = :events", events=events)


def _seal(body: bytes, connection: sqlite3.Connection, place: Place) -> None:
    """The snapshot's body replaced, and its checksum made to fit."""
    selected = f"SELECT sequence FROM snapshots WHERE {WHERE['snapshots']}"
    (sequence,) = connection.execute(selected, place._asdict()).fetchone()
    sum_ = checksum(body, place.run_id, sequence)
    _update(connection, place, "snapshots", "body = :body, checksum = :sum", body=body, sum=sum_)


def _set(what: str, value: str, connection: sqlite3.Connection, place: Place) -> None:
    """`what` begins with table and column."""
    table, _, column = what.partition(":")[0].partition(".")
    _update(connection, place, table, f"{column} = {value}")


def _lose_last_row(connection: sqlite3.Connection, place: Place) -> None:
    done = connection.execute(f"DELETE FROM journal WHERE {WHERE['journal']}", place._asdict())
    assert done.rowcount == 1


def _update(connection: sqlite3.Connection, place: Place, table: str, settings: str, **values: object) -> None:
    statement = f"UPDATE {table} SET {settings} WHERE {WHERE[table]}"
    done = connection.execute(statement, {**place._asdict(), **values})
    assert done.rowcount > 0, f"nothing was damaged by {statement}"


def inflict(file: Path, wounds: dict[str, Damage]) -> None:
    """Do each damage to the instance of its workflow ID. Nobody else may have the file open."""
    with closing(sqlite3.connect(file)) as connection, connection:
        places = connection.execute("SELECT workflow_id, run_id, sequence FROM instances").fetchall()
        for place in (Place(*row) for row in places):
            if place.workflow_id in wounds:
                wounds[place.workflow_id].do(connection, place)
