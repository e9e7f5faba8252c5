"""Loading: what a cold workflow needs, and nothing behind its newest snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from dalsegno.persistence.database import Database, OwnedConnection, Role
from dalsegno.persistence.port import Due, JournalRow, Loaded, LoadedInstance, RunRow, SnapshotRow
from dalsegno.persistence.tables import instances, journal, runs, seen, snapshots, strikes
from dalsegno.persistence.visibility import find_run, journal_row, list_runs, read_history
from dalsegno.policies import WorkflowStatus

_SNAPSHOT = [
    snapshots.c.sequence.label("snapshot_sequence"),
    snapshots.c.format,
    snapshots.c.checksum,
    snapshots.c.body,
]

_BEHIND_SNAPSHOT = journal.c.sequence > sa.func.coalesce(snapshots.c.sequence, -1)


class SqlReader:
    """`port.Reader` on one connection; every method reads one snapshot in time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owned = OwnedConnection(database, Role.READER)

    def load(self, workflow_ids: Sequence[str], *, seen_limit: int = 10_000) -> list[Loaded]:
        with self._owned.transaction() as connection:
            found = {row.workflow_id: row for row in connection.execute(self._instances(workflow_ids))}
            tails = self._tails(connection, list(found))
            answered = self._answered(connection, workflow_ids, seen_limit + 1)
            struck = self._strikes(connection, [row.run_id for row in found.values()])
        return [
            Loaded(
                workflow_id=workflow_id,
                instance=_loaded(found[workflow_id], tails) if workflow_id in found else None,
                seen=_newest(answered[workflow_id], seen_limit),
                seen_partial=len(answered[workflow_id]) > seen_limit,
                strikes=tuple(struck[found[workflow_id].run_id]) if workflow_id in found else (),
            )
            for workflow_id in workflow_ids
        ]

    def _instances(self, workflow_ids: Sequence[str]) -> sa.Select[Any]:
        return (
            sa.select(instances, *_SNAPSHOT)
            .outerjoin(snapshots, snapshots.c.run_id == instances.c.run_id)
            .where(self._database.among(instances.c.workflow_id, workflow_ids))
        )

    def _tails(self, connection: sa.Connection, workflow_ids: Sequence[str]) -> dict[str, list[JournalRow]]:
        """By run ID, the rows behind the snapshot, oldest first."""
        tails: dict[str, list[JournalRow]] = defaultdict(list)
        if workflow_ids:
            query = (
                sa.select(journal)
                .join(instances, instances.c.run_id == journal.c.run_id)
                .outerjoin(snapshots, snapshots.c.run_id == journal.c.run_id)
                .where(self._database.among(instances.c.workflow_id, workflow_ids), _BEHIND_SNAPSHOT)
                .order_by(journal.c.run_id, journal.c.sequence)
            )
            for row in connection.execute(query):
                tails[row.run_id].append(journal_row(row))
        return tails

    def _answered(
        self, connection: sa.Connection, workflow_ids: Sequence[str], limit: int
    ) -> dict[str, dict[str, str]]:
        """By workflow ID, the newest `limit` message IDs with their answers, oldest first."""
        age = sa.func.row_number().over(
            partition_by=seen.c.workflow_id, order_by=[seen.c.time.desc(), seen.c.message_id.desc()]
        )
        newest = (
            sa.select(seen.c.workflow_id, seen.c.message_id, seen.c.answer, age.label("age"))
            .where(self._database.among(seen.c.workflow_id, workflow_ids))
            .subquery()
        )
        query = (
            sa.select(newest.c.workflow_id, newest.c.message_id, newest.c.answer)
            .where(newest.c.age <= limit)
            .order_by(newest.c.age.desc())
        )
        answered: dict[str, dict[str, str]] = defaultdict(dict)
        for workflow_id, message_id, answer in connection.execute(query):
            answered[workflow_id][message_id] = answer
        return answered

    def _strikes(self, connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        struck: dict[str, list[tuple[str, int]]] = defaultdict(list)
        if run_ids:
            query = sa.select(strikes).where(self._database.among(strikes.c.run_id, run_ids))
            for run_id, cause, count in connection.execute(query.order_by(strikes.c.cause)):
                struck[run_id].append((cause, count))
        return struck

    def load_run(self, run_id: str) -> LoadedInstance | None:
        # Its workflow's instance says the slot, which never changes, and whether the run is the current one.
        query = (
            sa.select(runs.c.run_id, runs.c.workflow_id, runs.c.status, *_SNAPSHOT)
            .add_columns(instances.c.slot, instances.c.run_id.label("current"))
            .add_columns(instances.c.sequence, instances.c.wake_at)
            .join(instances, instances.c.workflow_id == runs.c.workflow_id)
            .outerjoin(snapshots, snapshots.c.run_id == runs.c.run_id)
            .where(self._database.among(runs.c.run_id, [run_id]))
        )
        tail = (
            sa.select(journal)
            .outerjoin(snapshots, snapshots.c.run_id == journal.c.run_id)
            .where(self._database.among(journal.c.run_id, [run_id]), _BEHIND_SNAPSHOT)
            .order_by(journal.c.sequence)
        )
        with self._owned.transaction() as connection:
            row = connection.execute(query).one_or_none()
            rows = [journal_row(found) for found in connection.execute(tail)]
        if row is None:
            return None
        current = row.current == run_id
        last = rows[-1].sequence if rows else row.snapshot_sequence or 0
        return LoadedInstance(
            workflow_id=row.workflow_id,
            slot=row.slot,
            run_id=run_id,
            sequence=row.sequence if current else last,
            status=WorkflowStatus(row.status),
            wake_at=row.wake_at if current else None,
            snapshot=_snapshot(row),
            journal=tuple(rows),
        )

    def seen(self, workflow_id: str, message_ids: Sequence[str]) -> dict[str, str]:
        query = sa.select(seen.c.message_id, seen.c.answer).where(
            self._database.among(seen.c.workflow_id, [workflow_id]),
            self._database.among(seen.c.message_id, message_ids),
        )
        with self._owned.transaction() as connection:
            return {row.message_id: row.answer for row in connection.execute(query)}

    def due(self, slots: Sequence[int], *, before: int, limit: int) -> list[Due]:
        query = (
            sa.select(instances.c.workflow_id, instances.c.slot, instances.c.wake_at)
            .where(self._database.among(instances.c.slot, slots), instances.c.wake_at <= before)
            .order_by(instances.c.wake_at, instances.c.workflow_id)
            .limit(limit)
        )
        with self._owned.transaction() as connection:
            return [Due(row.workflow_id, row.slot, row.wake_at) for row in connection.execute(query)]

    def suspended(self, slots: Sequence[int], *, limit: int) -> list[str]:
        query = (
            sa.select(instances.c.workflow_id)
            # A literal, so that the partial index is seen to apply.
            .where(self._database.among(instances.c.slot, slots), instances.c.status == sa.text("'suspended'"))
            .order_by(instances.c.workflow_id)
            .limit(limit)
        )
        with self._owned.transaction() as connection:
            return list(connection.scalars(query))

    def run(self, workflow_id: str, run_id: str | None) -> RunRow | None:
        with self._owned.transaction() as connection:
            return find_run(self._database, connection, workflow_id, run_id)

    def runs(
        self,
        *,
        status: WorkflowStatus | None = None,
        workflow_type: str | None = None,
        workflow_id: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> tuple[list[RunRow], str | None]:
        filters = {
            "status": status and status.value,
            "workflow_type": workflow_type,
            "workflow_id": workflow_id,
        }
        with self._owned.transaction() as connection:
            return list_runs(self._database, connection, filters=filters, limit=limit, before=before)

    def history(self, run_id: str, *, after: int = 0, limit: int = 200) -> list[JournalRow]:
        with self._owned.transaction() as connection:
            return read_history(self._database, connection, run_id, after=after, limit=limit)

    def close(self) -> None:
        self._owned.close()


def _newest(answers: dict[str, str], limit: int) -> dict[str, str]:
    """The last `limit`: one more than that was read, to know whether there are more."""
    return dict(list(answers.items())[max(0, len(answers) - limit) :])


def _loaded(row: sa.Row[Any], tails: dict[str, list[JournalRow]]) -> LoadedInstance:
    return LoadedInstance(
        workflow_id=row.workflow_id,
        slot=row.slot,
        run_id=row.run_id,
        sequence=row.sequence,
        status=WorkflowStatus(row.status),
        wake_at=row.wake_at,
        snapshot=_snapshot(row),
        journal=tuple(tails.get(row.run_id, ())),
    )


def _snapshot(row: sa.Row[Any]) -> SnapshotRow | None:
    if row.snapshot_sequence is None:
        return None
    return SnapshotRow(
        run_id=row.run_id,
        sequence=row.snapshot_sequence,
        format=row.format,
        checksum=row.checksum,
        body=row.body,
    )
