"""The hot path on PostgreSQL: a round is ONE statement, which is its own transaction.

It locks the leases first and lets in only rows of partitions that it holds, so the fence and the commit are
one trip to the server: a host that is frozen before or after it holds no lock, and none can be frozen within.

    fence    leases, FOR SHARE with owner, epoch and generation checked: a take-over waits until we have
             committed
    known    commands that were answered before: nothing of their workflow IDs is written
    created, updated     compare-and-set of the instances of held partitions, returning those that matched
    written  the workflow IDs that matched
    ...      journal, snapshots, runs, seen: rows whose workflow ID is among `written`

`IN (subquery) IS TRUE` rather than a join makes PostgreSQL hash the subquery whatever the planner thinks of
joins. All parts of one statement see the tables as they were before it; `rows` sees to it that none depends on
another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import psycopg
import sqlalchemy as sa

from dalsegno.persistence.bisection import commit_bisecting, outcome_of
from dalsegno.persistence.database import Database, DataRefusedError, OwnedConnection, Role
from dalsegno.persistence.deadlines import ListedDeadlines
from dalsegno.persistence.port import Round, RoundOutcome, Watermark
from dalsegno.persistence.postgres_arrays import (
    ENCODING_ERRORS,
    bigint_array,
    bytes_array,
    double_array,
    text_array,
)
from dalsegno.persistence.rows import Part, refused_rows, rows_of
from dalsegno.persistence.tables import meta
from dalsegno.persistence.watermark import raise_watermark
from dalsegno.policies import WorkflowStatus

_FENCE = """fence AS MATERIALIZED (
    SELECT leases.partition FROM leases
    JOIN unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS f(partition, epoch, generation)
    ON leases.partition = f.partition AND leases.epoch = f.epoch
    WHERE leases.owner = $4 AND f.generation = (SELECT meta.generation FROM meta WHERE meta.id = 1)
    ORDER BY leases.partition FOR SHARE OF leases)"""
"""In the order of partitions, as a take-over locks them: so they wait for each other and never deadlock."""

_HELD = "(partition IN (SELECT fence.partition FROM fence)) IS TRUE"
_WRITTEN = "(r.workflow_id IN (SELECT written.workflow_id FROM written)) IS TRUE"

_CLOSED = ", ".join(f"'{status.value}'" for status in WorkflowStatus if status.closed)

_ENCODERS: dict[str, Callable[[Sequence[Any]], bytes]] = {
    "text": text_array,
    "bytea": bytes_array,
    "bigint": bigint_array,
    "float8": double_array,
}

_COLUMNS: dict[Part, str] = {
    Part.CREATED: "partition bigint, workflow_id text, slot bigint, run_id text, sequence bigint, status text, "
    "wake_at bigint",
    Part.UPDATED: "partition bigint, workflow_id text, expected_run_id text, expected_sequence bigint, "
    "run_id text, sequence bigint, status text, wake_at bigint",
    Part.FORCED: "partition bigint, workflow_id text, slot bigint, run_id text, sequence bigint, status text, "
    "wake_at bigint",
    Part.HALTED: "partition bigint, workflow_id text, wake_at bigint",
    Part.HALTED_RUNS: "partition bigint, run_id text, reason text",
    Part.MAIL: "partition bigint, workflow_id text, number bigint, slot bigint, time bigint, message bytea",
    Part.WORKED_OFF: "partition bigint, workflow_id text, number bigint",
    Part.UNLESS: "workflow_id text, message_id text, type text",
    Part.REFUSED: "partition bigint, slot bigint, workflow_id text, message_id text, type text, time bigint, "
    "answer text",
    Part.JOURNAL: "workflow_id text, run_id text, sequence bigint, round bigint, cause text, partition bigint, "
    "epoch bigint, host text, time bigint, events bytea",
    Part.SNAPSHOTS: "workflow_id text, run_id text, sequence bigint, format bigint, checksum bytea, body bytea",
    Part.TRIMMED: "workflow_id text, run_id text, trim_to bigint",
    Part.OPENED: "workflow_id text, run_id text, workflow_type text, task_queue text, status text, "
    "started_at bigint, closed_at bigint, reason text, result bytea, memo bytea",
    Part.CHANGED: "workflow_id text, run_id text, status text, closed_at bigint, reason text, result bytea",
    Part.ATTRIBUTES: "workflow_id text, of_run text, name text, ordinal bigint, begun_at bigint, "
    "keyword_value text, int_value bigint, double_value float8, text_value text",
    Part.DEADLINES: "workflow_id text, of_run text, number bigint, name text, risk_at bigint, due_at bigint",
    Part.DEADLINES_OVER: "workflow_id text, of_run text, number bigint",
    Part.SEEN: "workflow_id text, slot bigint, message_id text, type text, time bigint, answer text",
}
"""The rows of `rows.Part`, column by column."""

_STATEMENTS: dict[Part, str] = {
    Part.CREATED: f"""INSERT INTO instances (workflow_id, slot, run_id, sequence, status, wake_at)
    SELECT workflow_id, slot, run_id, sequence, status, wake_at FROM {{rows}} WHERE {_HELD}{{unless_known}}
    ON CONFLICT (workflow_id) DO NOTHING RETURNING workflow_id""",
    Part.UPDATED: f"""UPDATE instances SET
    run_id = r.run_id, sequence = r.sequence, status = r.status, wake_at = r.wake_at
    FROM {{rows}} WHERE instances.workflow_id = r.workflow_id AND instances.run_id = r.expected_run_id
    AND instances.sequence = r.expected_sequence AND {_HELD}{{unless_known}} RETURNING instances.workflow_id""",
    Part.FORCED: f"""INSERT INTO instances (workflow_id, slot, run_id, sequence, status, wake_at)
    SELECT workflow_id, slot, run_id, sequence, status, wake_at FROM {{rows}} WHERE {_HELD}{{unless_known}}
    ON CONFLICT (workflow_id) DO UPDATE SET run_id = excluded.run_id, sequence = excluded.sequence,
    status = excluded.status, wake_at = excluded.wake_at RETURNING workflow_id""",
    Part.HALTED: f"""UPDATE instances SET wake_at = r.wake_at,
    status = CASE WHEN instances.status IN ({_CLOSED}) THEN instances.status ELSE 'suspended' END
    FROM {{rows}} WHERE instances.workflow_id = r.workflow_id AND {_HELD}""",
    Part.HALTED_RUNS: f"""UPDATE runs SET status = 'suspended', reason = r.reason FROM {{rows}}
    WHERE runs.run_id = r.run_id AND runs.closed_at IS NULL AND {_HELD}""",
    Part.MAIL: f"""INSERT INTO mail (workflow_id, number, slot, time, message)
    SELECT workflow_id, number, slot, time, message FROM {{rows}} WHERE {_HELD}{{unless_known}}""",
    Part.WORKED_OFF: f"""DELETE FROM mail USING {{rows}}
    WHERE mail.workflow_id = r.workflow_id AND mail.number = r.number AND {_HELD}""",
    Part.REFUSED: f"""INSERT INTO seen (slot, workflow_id, message_id, type, time, answer)
    SELECT slot, workflow_id, message_id, type, time, answer FROM {{rows}} WHERE {_HELD}{{unless_known}}
    ON CONFLICT DO NOTHING""",
    Part.JOURNAL: f"""INSERT INTO journal
    (run_id, sequence, round, cause, partition, epoch, host, time, events)
    SELECT run_id, sequence, round, cause, partition, epoch, host, time, events
    FROM {{rows}} WHERE {_WRITTEN}""",
    Part.SNAPSHOTS: f"""INSERT INTO snapshots (run_id, sequence, format, checksum, body)
    SELECT run_id, sequence, format, checksum, body FROM {{rows}} WHERE {_WRITTEN}
    ON CONFLICT (run_id) DO UPDATE SET sequence = excluded.sequence, format = excluded.format,
    checksum = excluded.checksum, body = excluded.body""",
    Part.TRIMMED: f"""DELETE FROM journal USING {{rows}}
    WHERE journal.run_id = r.run_id AND journal.sequence <= r.trim_to AND {_WRITTEN}""",
    Part.OPENED: f"""INSERT INTO runs (workflow_id, run_id, workflow_type, task_queue, status,
    started_at, closed_at, reason, result, memo)
    SELECT workflow_id, run_id, workflow_type, task_queue, status,
    started_at, closed_at, reason, result, memo FROM {{rows}} WHERE {_WRITTEN}""",
    Part.CHANGED: f"""UPDATE runs SET
    status = r.status, closed_at = r.closed_at, reason = r.reason, result = r.result
    FROM {{rows}} WHERE runs.run_id = r.run_id AND {_WRITTEN}""",
    Part.ATTRIBUTES: f"""INSERT INTO run_attributes
    (of_run, name, ordinal, begun_at, keyword_value, int_value, double_value, text_value)
    SELECT of_run, name, ordinal, begun_at, keyword_value, int_value, double_value, text_value
    FROM {{rows}} WHERE {_WRITTEN}
    ON CONFLICT (of_run, name, ordinal) DO UPDATE SET keyword_value = excluded.keyword_value,
    int_value = excluded.int_value, double_value = excluded.double_value, text_value = excluded.text_value""",
    Part.DEADLINES: f"""INSERT INTO deadlines (of_run, number, name, risk_at, due_at)
    SELECT of_run, number, name, risk_at, due_at FROM {{rows}} WHERE {_WRITTEN}
    ON CONFLICT (of_run, number) DO UPDATE SET name = excluded.name, risk_at = excluded.risk_at,
    due_at = excluded.due_at""",
    Part.DEADLINES_OVER: f"""DELETE FROM deadlines USING {{rows}}
    WHERE deadlines.of_run = r.of_run AND (r.number = 0 OR deadlines.number = r.number) AND {_WRITTEN}""",
    Part.SEEN: f"""INSERT INTO seen (workflow_id, slot, message_id, type, time, answer)
    SELECT workflow_id, slot, message_id, type, time, answer FROM {{rows}} WHERE {_WRITTEN}""",
}

_COMMANDS = (Part.UNLESS, Part.REFUSED, Part.SEEN)

_KNOWN = """known AS MATERIALIZED (
    SELECT r.workflow_id, s.type, s.message_id, s.answer FROM ({commands}) AS r
    CROSS JOIN LATERAL (SELECT seen.type, seen.message_id, seen.answer FROM seen
        WHERE seen.workflow_id = r.workflow_id AND seen.message_id = r.message_id
        AND seen.type IN (r.type, '') LIMIT 2) AS s)"""
"""Commands that were answered before. With a limit no plan but one by the key comes to mind."""

_UNLESS_KNOWN = " AND (r.workflow_id IN (SELECT known.workflow_id FROM known)) IS NOT TRUE"

_OF_INSTANCES = (Part.CREATED, Part.UPDATED, Part.FORCED)

_RESULT = """SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    ARRAY(SELECT partition FROM fence), {written}, {known}"""


class PostgresWriter:
    """`port.Writer` on one connection in autocommit mode."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owned = OwnedConnection(database, Role.WRITER)
        self._deadlines = ListedDeadlines(self._owned)

    def commit(self, round_: Round) -> RoundOutcome:
        return commit_bisecting(self._deadlines.fitting(round_), self._write)

    def _write(self, round_: Round) -> RoundOutcome:
        rows = rows_of(round_.instances, refused_rows(round_), round_.asides)
        parameters: list[Any] = [
            bigint_array([fence.partition.number for fence in round_.fences]),
            bigint_array([fence.epoch for fence in round_.fences]),
            bigint_array([fence.partition.generation for fence in round_.fences]),
            round_.host_id,
        ]
        try:
            for part, found in rows.items():
                parameters += map(_encode, _types(part), zip(*found, strict=True))
        except ENCODING_ERRORS as error:
            # Not chained: a UnicodeEncodeError carries the whole text.
            raise DataRefusedError(f"PostgreSQL cannot hold the data: {type(error).__name__}") from None
        with self._owned.opened() as connection:
            driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
            cursor = psycopg.RawCursor(driver)
            answer = cursor.execute(statement(tuple(rows)), parameters, binary=True).fetchone()
        assert answer is not None, "a SELECT without FROM has one row"
        now, held, written, known = answer
        return outcome_of(round_, now=now, held=held, written=written, known=known)

    def settle(self) -> None:
        """A standby that has this has all that was committed before. It has to write something, or nobody would
        wait for it."""
        with self._owned.transaction() as connection:
            connection.execute(sa.update(meta).values(generation=meta.c.generation))

    def raise_watermark(self, *, above: int, accept: bool = False) -> Watermark | None:
        with self._owned.transaction() as connection:
            return raise_watermark(self._database, connection, above=above, accept=accept)

    def close(self) -> None:
        self._owned.close()


@cache
def statement(parts: tuple[Part, ...]) -> str:
    """The statement that writes these parts. Its parameters: partitions, epochs, generations, host, then the
    columns of each part, all but the host as arrays."""
    rows = _rows(parts)
    commands = [f"SELECT workflow_id, message_id, type FROM {rows[part]}" for part in _COMMANDS if part in rows]
    ctes = [_FENCE]
    if commands:
        ctes.append(_KNOWN.format(commands=" UNION ALL ".join(commands)))
    for part in parts:
        if part not in _STATEMENTS:
            continue
        body = _STATEMENTS[part].format(rows=rows[part], unless_known=_UNLESS_KNOWN if commands else "")
        ctes.append(f"{part}_rows AS (\n    {body})")
        if part == _last_of_instances(parts):
            ctes.append(_written(parts))
    written = "ARRAY(SELECT workflow_id FROM written)" if _last_of_instances(parts) else "'{}'::text[]"
    columns = "ARRAY[workflow_id, type, message_id, answer]"
    known = f"ARRAY(SELECT {columns} FROM known)" if commands else "'{}'::text[]"
    return "WITH " + ",\n".join(ctes) + "\n" + _RESULT.format(written=written, known=known)


def _rows(parts: tuple[Part, ...]) -> dict[Part, str]:
    """What each part's columns are read from."""
    rows, position = {}, 5
    for part in parts:
        types = _types(part)
        arrays = ", ".join(f"${position + index}::{kind}[]" for index, kind in enumerate(types))
        position += len(types)
        names = ", ".join(column.split()[0] for column in _COLUMNS[part].split(", "))
        rows[part] = f"unnest({arrays}) AS r({names})"
    return rows


def _last_of_instances(parts: tuple[Part, ...]) -> Part | None:
    return next((part for part in reversed(_OF_INSTANCES) if part in parts), None)


def _written(parts: tuple[Part, ...]) -> str:
    sources = [f"SELECT workflow_id FROM {part}_rows" for part in _OF_INSTANCES if part in parts]
    return f"written AS MATERIALIZED ({' UNION ALL '.join(sources)})"


@cache
def _types(part: Part) -> tuple[str, ...]:
    return tuple(column.split()[1] for column in _COLUMNS[part].split(", "))


def _encode(kind: str, values: Sequence[Any]) -> bytes:
    return _ENCODERS[kind](values)
