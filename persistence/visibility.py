"""Rows as the port has them, and the run that is meant."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import asdict

from dalsegno.errors import UnreadableRowError
from dalsegno.partition_id import PartitionID
from dalsegno.payload import mismatch
from dalsegno.persistence.database import Database
from dalsegno.persistence.port import JournalRow, ListedRun, RunRow
from dalsegno.persistence.tables import instances, runs
from dalsegno.policies import WorkflowStatus

LISTED = tuple(name for name in ListedRun.__struct_fields__ if name != "attributes")
"""The columns that lists show. Results and memos may be large, and are left where they are."""
_LISTED = [runs.c[name] for name in LISTED]


def find_run(
    database: Database, connection: sa.Connection, workflow_id: str, run_id: str | None
) -> ListedRun | None:
    """The run named, if it is one of this workflow, or the workflow's newest: that which its instance names."""
    query = sa.select(*_LISTED).where(database.among(runs.c.workflow_id, "workflow_ids"))
    if run_id is None:
        query = query.join(instances, instances.c.run_id == runs.c.run_id)
    else:
        query = query.where(database.among(runs.c.run_id, "run_ids"))
    named = {"workflow_ids": database.keys([workflow_id]), "run_ids": database.keys([run_id])}
    row = connection.execute(query, named).one_or_none()
    return None if row is None else listed_run(row)


def listed_run(row: sa.Row[Any]) -> ListedRun:
    """Raises UnreadableRowError, also for a column of another type: SQLite lets any into any."""
    return _listed(row, status_of("runs", row))


def run_row(row: sa.Row[Any], *, unknown_status: WorkflowStatus) -> RunRow:
    """As `listed_run`, with what only the core reads; but a status that does not exist is shown as another."""
    try:
        status = status_of("runs", row)
    except UnreadableRowError:
        status = unknown_status
    return RunRow(**asdict(_listed(row, status)), result=row.result, memo=row.memo)


def _listed(row: sa.Row[Any], status: WorkflowStatus) -> ListedRun:
    shown = {name: getattr(row, name) for name in LISTED}
    try:
        return msgspec.convert({**shown, "status": status}, ListedRun)
    except msgspec.ValidationError as error:
        raise UnreadableRowError(f"the row of {_whose(row)} in runs is damaged: {mismatch(error)}") from None


def status_of(table: str, row: sa.Row[Any]) -> WorkflowStatus:
    """Raises UnreadableRowError."""
    try:
        return WorkflowStatus(row.status)
    except ValueError:
        raise UnreadableRowError(
            f"the row of {_whose(row)} in {table} has a status that does not exist"
        ) from None


def _whose(row: sa.Row[Any]) -> str:
    workflow_id = repr(row.workflow_id) if isinstance(row.workflow_id, str) else "without an ID"
    return f"workflow {workflow_id}, run {row.run_id if isinstance(row.run_id, str) else 'without an ID'}"


def journal_row(row: sa.Row[Any]) -> JournalRow:
    """`row` has the namespace's generation beside the columns of the table."""
    return JournalRow(
        run_id=row.run_id,
        sequence=row.sequence,
        round=row.round,
        cause=row.cause,
        partition=PartitionID(row.generation, row.partition),
        epoch=row.epoch,
        host=row.host,
        time=row.time,
        events=row.events,
    )
