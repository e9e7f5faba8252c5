"""The hot path on SQLite: BEGIN IMMEDIATE keeps every other writer out, so checking first is as good as
compare-and-set: leases, then instances, then what remains is written with one `executemany` per table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Container, Iterable, Sequence

from msgspec.structs import replace

from dalsegno.persistence.bisection import Known, commit_bisecting, outcome_of
from dalsegno.persistence.database import Database, DataRefusedError, OwnedConnection, Role, storable
from dalsegno.persistence.deadlines import ListedDeadlines
from dalsegno.persistence.port import Aside, InstanceWrite, Round, RoundOutcome, Watermark
from dalsegno.persistence.rows import Part, Row, mail_commands, refused_rows, rows_of
from dalsegno.persistence.watermark import raise_watermark
from dalsegno.policies import WorkflowStatus

_LEASES = "SELECT partition, epoch, (SELECT generation FROM meta WHERE id = 1) FROM leases WHERE owner = ?"
_CURRENT = """SELECT workflow_id, CAST(run_id AS BLOB), sequence FROM instances
    WHERE workflow_id IN (SELECT value FROM json_each(?))"""
"""As bytes: one run ID that is no text must not stop the round of all others."""

_KNOWN = """SELECT type, CAST(answer AS BLOB) FROM seen
    WHERE workflow_id = ? AND message_id = ? AND type IN (?, '')"""

_CLOSED = ", ".join(f"'{status.value}'" for status in WorkflowStatus if status.closed)

_STATEMENTS: dict[Part, str] = {
    Part.CREATED: """INSERT INTO instances (workflow_id, slot, run_id, sequence, status, wake_at)
    VALUES (?2, ?3, ?4, ?5, ?6, ?7)""",
    Part.UPDATED: """UPDATE instances SET run_id = ?5, sequence = ?6, status = ?7, wake_at = ?8
    WHERE workflow_id = ?2""",
    Part.FORCED: """INSERT INTO instances (workflow_id, slot, run_id, sequence, status, wake_at)
    VALUES (?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (workflow_id) DO UPDATE SET run_id = excluded.run_id,
    sequence = excluded.sequence, status = excluded.status, wake_at = excluded.wake_at""",
    Part.HALTED: f"""UPDATE instances SET wake_at = ?3,
    status = CASE WHEN status IN ({_CLOSED}) THEN status ELSE 'suspended' END WHERE workflow_id = ?2""",
    Part.HALTED_RUNS: """UPDATE runs SET status = 'suspended', reason = ?3
    WHERE run_id = ?2 AND closed_at IS NULL""",
    Part.MAIL: """INSERT INTO mail (workflow_id, number, slot, time, message) VALUES (?2, ?3, ?4, ?5, ?6)""",
    Part.WORKED_OFF: "DELETE FROM mail WHERE workflow_id = ?2 AND number = ?3",
    Part.REFUSED: """INSERT INTO seen (slot, workflow_id, message_id, type, time, answer)
    VALUES (?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT DO NOTHING""",
    Part.JOURNAL: """INSERT INTO journal
    (run_id, sequence, round, cause, partition, epoch, host, time, events)
    VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)""",
    Part.SNAPSHOTS: """INSERT INTO snapshots (run_id, sequence, format, checksum, body)
    VALUES (?2, ?3, ?4, ?5, ?6) ON CONFLICT (run_id) DO UPDATE SET sequence = excluded.sequence,
    format = excluded.format, checksum = excluded.checksum, body = excluded.body""",
    Part.TRIMMED: "DELETE FROM journal WHERE run_id = ?2 AND sequence <= ?3",
    Part.OPENED: """INSERT INTO runs (workflow_id, run_id, workflow_type, task_queue, status,
    started_at, closed_at, reason, result, memo) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)""",
    Part.CHANGED: "UPDATE runs SET status = ?3, closed_at = ?4, reason = ?5, result = ?6 WHERE run_id = ?2",
    Part.ATTRIBUTES: """INSERT INTO run_attributes
    (of_run, name, ordinal, begun_at, keyword_value, int_value, double_value, text_value)
    VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (of_run, name, ordinal) DO UPDATE SET keyword_value = excluded.keyword_value,
    int_value = excluded.int_value, double_value = excluded.double_value, text_value = excluded.text_value""",
    Part.DEADLINES: """INSERT INTO deadlines (of_run, number, name, risk_at, due_at)
    VALUES (?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (of_run, number) DO UPDATE SET name = excluded.name, risk_at = excluded.risk_at,
    due_at = excluded.due_at""",
    Part.DEADLINES_OVER: "DELETE FROM deadlines WHERE of_run = ?2 AND (?3 = 0 OR number = ?3)",
    Part.SEEN: """INSERT INTO seen (workflow_id, slot, message_id, type, time, answer)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)""",
}
"""Parameters are numbered as the columns of `rows.Part`; the keys by which PostgreSQL filters go unused."""


class SqliteWriter:
    """`port.Writer` on the one connection that also checkpoints."""

    def __init__(self, database: Database, time_ns: Callable[[], int]) -> None:
        self._database = database
        self._time_ns = time_ns
        self._owned = OwnedConnection(database, Role.WRITER)
        self._deadlines = ListedDeadlines(self._owned)

    def commit(self, round_: Round) -> RoundOutcome:
        return commit_bisecting(self._deadlines.fitting(round_), self._write)

    def _write(self, round_: Round) -> RoundOutcome:
        try:
            with self._owned.transaction() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                return _write_rows(driver, round_, self._time_ns)
        except (UnicodeEncodeError, OverflowError) as error:
            # Not chained: a UnicodeEncodeError carries the whole text.
            raise DataRefusedError(f"SQLite cannot hold the data: {type(error).__name__}") from None

    def settle(self) -> None:
        """What can be read is on disk: there is nobody else to have it."""

    def raise_watermark(self, *, above: int, accept: bool = False) -> Watermark | None:
        with self._owned.transaction() as connection:
            return raise_watermark(self._database, connection, above=above, accept=accept)

    def close(self) -> None:
        self._owned.close()


def _write_rows(driver: sqlite3.Connection, round_: Round, time_ns: Callable[[], int]) -> RoundOutcome:
    ours = set(driver.execute(_LEASES, (round_.host_id,)))
    fences = [(fence.partition.number, fence.epoch, fence.partition.generation) for fence in round_.fences]
    held = {fence[0] for fence in fences if fence in ours}
    matched = _matching(driver, [write for write in round_.instances if write.partition.number in held])
    refused = [row for row in refused_rows(round_) if row[0] in held]
    asides = [aside for aside in round_.asides if aside.partition.number in held]
    known = _known(driver, matched, refused, asides)
    unwritten = {row[0] for row in known}
    matched = [write for write in matched if write.workflow_id not in unwritten]
    refused = [row for row in refused if row[2] not in unwritten]
    if unwritten:
        asides = [_without_mail(aside, unwritten) for aside in asides]
    for part, rows in rows_of(matched, refused, asides).items():
        if part in _STATEMENTS:
            driver.executemany(_STATEMENTS[part], rows)
    written = [write.workflow_id for write in matched]
    return outcome_of(round_, now=time_ns() // 1000, held=held, written=written, known=known)


def _without_mail(aside: Aside, workflow_ids: Container[str]) -> Aside:
    return replace(aside, mail=tuple(row for row in aside.mail if row.workflow_id not in workflow_ids))


def _known(
    driver: sqlite3.Connection,
    writes: Iterable[InstanceWrite],
    refused: Iterable[Row],
    asides: Iterable[Aside],
) -> list[Known]:
    """Their commands that were answered before."""
    keys = [(row.workflow_id, row.message_id, row.type) for write in writes for row in write.seen]
    keys += [(write.workflow_id, key[1], key[0]) for write in writes for key in write.unless]
    keys += [(workflow_id, message_id, type_) for _, _, workflow_id, message_id, type_, _, _ in refused]
    keys += [key for aside in asides for key in mail_commands(aside)]
    return [
        (key[0], type_, key[1], answer.decode(errors="replace"))
        for key in keys
        for type_, answer in driver.execute(_KNOWN, key)
    ]


def _matching(driver: sqlite3.Connection, writes: Sequence[InstanceWrite]) -> list[InstanceWrite]:
    """Those whose instance is as they expect. A NUL, which SQLite would keep in a text but not find again, is
    refused as PostgreSQL does."""
    if not all(storable(write.workflow_id) and storable(write.run_id) for write in writes):
        raise DataRefusedError(
            "SQLite cannot hold the data: a workflow or run ID has a NUL or a lone surrogate"
        )
    workflow_ids = json.dumps([write.workflow_id for write in writes])
    current = {name: (run_id, sequence) for name, run_id, sequence in driver.execute(_CURRENT, (workflow_ids,))}
    return [
        write
        for write in writes
        if write.forced
        or current.get(write.workflow_id)
        == (write.expected_run_id and (write.expected_run_id.encode(), write.expected_sequence))
    ]
