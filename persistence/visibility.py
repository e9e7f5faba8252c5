"""What people see: runs, their order and their history. Queries on a connection that the reader has opened."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from dalsegno._log import get_logger
from dalsegno.errors import CommandRejectedError, UnreadableRowError
from dalsegno.persistence.database import Database, storable
from dalsegno.persistence.port import JournalRow, RunRow
from dalsegno.persistence.tables import instances, journal, runs
from dalsegno.policies import WorkflowStatus

log = get_logger()


def find_run(
    database: Database, connection: sa.Connection, workflow_id: str, run_id: str | None
) -> RunRow | None:
    """The run named, if it is one of this workflow, or the workflow's newest: that which its instance names."""
    query = sa.select(runs).where(database.among(runs.c.workflow_id, "workflow_ids"))
    if run_id is None:
        query = query.join(instances, instances.c.run_id == runs.c.run_id)
    else:
        query = query.where(database.among(runs.c.run_id, "run_ids"))
    named = {"workflow_ids": database.keys([workflow_id]), "run_ids": database.keys([run_id])}
    row = connection.execute(query, named).one_or_none()
    return None if row is None else run_row(row)


def list_runs(
    database: Database,
    connection: sa.Connection,
    *,
    filters: Mapping[str, Collection[str]],
    limit: int,
    before: str | None,
) -> tuple[list[RunRow], str | None]:
    """Newest first; runs that started in the same microsecond are in the order of their IDs. `filters` are
    columns of `runs` and the values that they may have; none do not filter."""
    query = sa.select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit + 1)
    parameters = {}
    for column, values in filters.items():
        if values:
            query = query.where(database.among(runs.c[column], column))
            parameters[column] = database.keys(values)
    if before is not None:
        started_at, run_id = _parse_cursor(before)
        position = sa.tuple_(sa.literal(started_at, sa.BigInteger()), sa.literal(run_id))
        query = query.where(sa.tuple_(runs.c.started_at, runs.c.run_id) < position)
    found = connection.execute(query, parameters).all()
    page = found[:limit]
    return _readable(page), _cursor(page[-1]) if len(found) > limit and page else None


def read_history(
    database: Database, connection: sa.Connection, run_id: str, *, after: int, limit: int
) -> list[JournalRow]:
    query = (
        sa.select(journal)
        .where(database.among(journal.c.run_id, "run_ids"), journal.c.sequence > after)
        .order_by(journal.c.sequence)
        .limit(limit)
    )
    return [journal_row(row) for row in connection.execute(query, {"run_ids": database.keys([run_id])})]


def _readable(rows: Iterable[sa.Row[Any]]) -> list[RunRow]:
    """One row that cannot be read must not hide all others; `dalsegno verify` shows it, too."""
    readable = []
    for row in rows:
        try:
            readable.append(run_row(row))
        except UnreadableRowError as error:
            log.error("run_not_listed", reason=str(error))
    return readable


def run_row(row: sa.Row[Any], *, status: WorkflowStatus | None = None) -> RunRow:
    """`status` is shown instead of the row's. Raises UnreadableRowError."""
    return RunRow(
        run_id=row.run_id,
        workflow_id=row.workflow_id,
        workflow_type=row.workflow_type,
        task_queue=row.task_queue,
        status=status or status_of("runs", row),
        started_at=row.started_at,
        closed_at=row.closed_at,
        reason=row.reason,
        result=row.result,
        memo=row.memo,
    )


def status_of(table: str, row: sa.Row[Any]) -> WorkflowStatus:
    """Raises UnreadableRowError."""
    try:
        return WorkflowStatus(row.status)
    except ValueError:
        whose = f"workflow {row.workflow_id!r}, run {row.run_id}"
        raise UnreadableRowError(f"the row of {whose} in {table} has a status that does not exist") from None


def journal_row(row: sa.Row[Any]) -> JournalRow:
    return JournalRow(
        run_id=row.run_id,
        sequence=row.sequence,
        round=row.round,
        cause=row.cause,
        partition=row.partition,
        epoch=row.epoch,
        host=row.host,
        time=row.time,
        events=row.events,
    )


def _cursor(last: sa.Row[Any]) -> str:
    return f"{last.started_at}.{last.run_id}"


def _parse_cursor(cursor: str) -> tuple[int, str]:
    started_at, _, run_id = cursor.partition(".")
    if not (started_at.isascii() and started_at.isdigit() and len(started_at) <= 18 and run_id):
        raise CommandRejectedError(
            "That is not a cursor which a list of runs has given out; list from the start."
        )
    if not storable(run_id):
        raise CommandRejectedError(
            "That is not a cursor which a list of runs has given out; list from the start."
        )
    return int(started_at), run_id
