"""Runs that come from elsewhere: each is written whole, by somebody who is no host.

That needs no lease, because no host has anything to write of it: its workflow ID is a new one, and it has
ended, with nothing to send and no wake-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

import sqlalchemy as sa

from dalsegno.errors import CommandRejectedError
from dalsegno.persistence.attribute_rows import COLUMNS
from dalsegno.persistence.database import Database, DataRefusedError, OwnedConnection, Role
from dalsegno.persistence.port import InstanceWrite
from dalsegno.persistence.rows import Part, rows_of
from dalsegno.persistence.tables import instances, journal, run_attributes, runs, snapshots

NOBODY = (0, "import")
"""The epoch and the host of rows that no host has written. Epochs of leases begin with 1."""

_WRITTEN: dict[Part, tuple[sa.Table, tuple[str | None, ...]]] = {
    Part.CREATED: (instances, (None, "workflow_id", "slot", "run_id", "sequence", "status", "wake_at")),
    Part.OPENED: (
        runs,
        (
            *("workflow_id", "run_id", "workflow_type", "task_queue", "status", "started_at", "closed_at"),
            *("reason", "result", "memo"),
        ),
    ),
    Part.JOURNAL: (
        journal,
        (None, "run_id", "sequence", "round", "cause", "partition", "epoch", "host", "time", "events"),
    ),
    Part.SNAPSHOTS: (snapshots, (None, "run_id", "sequence", "format", "checksum", "body")),
    Part.ATTRIBUTES: (run_attributes, (None, "of_run", "name", "ordinal", "begun_at", *COLUMNS)),
}
"""By what `rows_of` makes, the table, and the column for each value (None: it has none)."""


def insert_ended_run(database: Database, run: InstanceWrite) -> None:
    """In one transaction. CommandRejectedError where the workflow ID, or the run, is there already; ValueError
    for a run that a host would have something to do for."""
    if not run.status.closed or run.wake_at is not None:
        raise ValueError("only a run that has ended, and that nothing wakes, can be written by who is no host")
    parts = rows_of([run])
    if not parts.keys() <= _WRITTEN.keys():
        raise ValueError(f"a run that has ended has none of {sorted(parts.keys() - _WRITTEN.keys())}")
    with closing(OwnedConnection(database, Role.MEMBERSHIP)) as owned:
        try:
            with owned.transaction() as connection:
                _must_be_new(connection, run)
                _insert(connection, parts)
        except DataRefusedError:
            # Perhaps since somebody has put it there in between.
            with owned.transaction() as connection:
                _must_be_new(connection, run)
            raise


def _must_be_new(connection: sa.Connection, run: InstanceWrite) -> None:
    has_id = sa.select(instances.c.run_id).where(instances.c.workflow_id == run.workflow_id)
    was_there = sa.select(runs.c.run_id).where(
        sa.or_(runs.c.workflow_id == run.workflow_id, runs.c.run_id == run.run_id)
    )
    if connection.execute(has_id).first() or connection.execute(was_there.limit(1)).first():
        raise CommandRejectedError(
            f"There is a workflow {run.workflow_id!r} here already, or that run of it: nothing was "
            "changed; import it into another database."
        )


def _insert(connection: sa.Connection, parts: Mapping[Part, Sequence[Sequence[object]]]) -> None:
    for part, (table, columns) in _WRITTEN.items():
        if found := parts.get(part):
            values = [
                {name: value for name, value in zip(columns, row, strict=True) if name is not None}
                for row in found
            ]
            connection.execute(sa.insert(table), values)
