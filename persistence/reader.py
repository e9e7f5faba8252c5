"""Loading: what a cold workflow needs, and nothing behind its newest snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa

from dalsegno.errors import UnreadableRowError
from dalsegno.persistence.database import Database, OwnedConnection, Role
from dalsegno.persistence.membership import read_cluster
from dalsegno.persistence.port import (
    Cluster,
    Due,
    JournalRow,
    Loaded,
    LoadedInstance,
    Mail,
    MessageKey,
    Remains,
    RunRow,
    SnapshotRow,
    Watermark,
)
from dalsegno.persistence.tables import instances, journal, mail, runs, seen, snapshots, strikes
from dalsegno.persistence.visibility import find_run, journal_row, list_runs, read_history, run_row, status_of
from dalsegno.persistence.watermark import read_watermark
from dalsegno.policies import WorkflowStatus

_SNAPSHOT = [
    snapshots.c.sequence.label("snapshot_sequence"),
    snapshots.c.format,
    snapshots.c.checksum,
    snapshots.c.body,
]


class _Statements:
    """Built once: building one costs more than running it. `ids` is what is asked for."""

    def __init__(self, database: Database) -> None:
        self.instances = (
            sa.select(instances, *_SNAPSHOT)
            .add_columns(sa.exists().where(strikes.c.run_id == instances.c.run_id).label("struck"))
            .add_columns(sa.exists().where(mail.c.workflow_id == instances.c.workflow_id).label("has_mail"))
            .outerjoin(snapshots, snapshots.c.run_id == instances.c.run_id)
            .where(database.among(instances.c.workflow_id, "ids"))
        )
        # Its workflow's instance says a run's slot, which never changes, and whether it is the current one.
        self.run = (
            sa.select(runs.c.run_id, runs.c.workflow_id, runs.c.status, *_SNAPSHOT)
            .add_columns(instances.c.slot, instances.c.run_id.label("current"))
            .add_columns(instances.c.sequence, instances.c.wake_at)
            .join(instances, instances.c.workflow_id == runs.c.workflow_id)
            .outerjoin(snapshots, snapshots.c.run_id == runs.c.run_id)
            .where(database.among(runs.c.run_id, "ids"))
        )
        self.tails = database.tails()
        self.strikes = (
            sa.select(strikes)
            .where(database.among(strikes.c.run_id, "ids"))
            .order_by(strikes.c.run_id, strikes.c.cause)
        )
        self.answers = database.answers()
        self.seen = sa.select(seen.c.message_id, seen.c.type, seen.c.answer).where(
            database.among(seen.c.workflow_id, "ids"), database.among(seen.c.message_id, "message_ids")
        )
        self.newest_run = (
            sa.select(runs)
            .where(database.among(runs.c.workflow_id, "ids"))
            .order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
            .limit(1)
        )
        # SQLite lets any type into any column, and sorts what is no number behind all numbers.
        self.last_sequence = sa.select(sa.func.max(journal.c.sequence)).where(
            database.among(journal.c.run_id, "ids"), journal.c.sequence < 2**62
        )
        self.last_time = sa.select(sa.func.max(journal.c.time)).where(
            database.among(journal.c.run_id, "ids"), journal.c.time < 2**62
        )
        self.last_mail = sa.select(sa.func.max(mail.c.number)).where(database.among(mail.c.workflow_id, "ids"))
        self.mail = (
            sa.select(mail.c.number, mail.c.message)
            .where(database.among(mail.c.workflow_id, "ids"))
            .where(mail.c.number > sa.bindparam("after", type_=sa.BigInteger()))
            .order_by(mail.c.number)
            .limit(sa.bindparam("most", type_=sa.BigInteger()))
        )
        in_slots = database.among(instances.c.slot, "ids")
        self.due = (
            sa.select(instances.c.workflow_id, instances.c.slot, instances.c.wake_at)
            .where(in_slots, instances.c.wake_at <= sa.bindparam("before", type_=sa.BigInteger()))
            .order_by(instances.c.wake_at, instances.c.workflow_id)
            .limit(sa.bindparam("most", type_=sa.BigInteger()))
        )
        after = sa.bindparam("after", type_=sa.Text())
        # A literal, so that the partial index is seen to apply.
        is_suspended = instances.c.status == sa.text("'suspended'")
        with_mail = sa.select(mail.c.workflow_id).where(database.among(mail.c.slot, "ids"))
        self.suspended = (
            sa.select(instances.c.workflow_id)
            .where(in_slots, is_suspended, instances.c.workflow_id > after)
            .union(with_mail.where(mail.c.workflow_id > after))
            .order_by("workflow_id")
            .limit(sa.bindparam("most", type_=sa.BigInteger()))
        )
        is_open = instances.c.status.in_([status.value for status in WorkflowStatus if not status.closed])
        self.waiting = (
            sa.select(instances.c.workflow_id)
            .where(in_slots, is_open, instances.c.wake_at.is_not(None), instances.c.workflow_id > after)
            .order_by("workflow_id")
            .limit(sa.bindparam("most", type_=sa.BigInteger()))
        )


class SqlReader:
    """`port.Reader` on one connection; every method reads one snapshot in time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owned = OwnedConnection(database, Role.READER)
        self._statements = _Statements(database)

    def load(self, workflow_ids: Sequence[str], *, seen_limit: int = 500) -> list[Loaded]:
        asked = {"ids": self._database.keys(workflow_ids)}
        # One answer more than is wanted, to know whether there are more.
        asked_answers = {**asked, "most": seen_limit + 1}
        with self._owned.transaction() as connection:
            found = {row.workflow_id: row for row in connection.execute(self._statements.instances, asked)}
            answers = _answers(connection.execute(self._statements.answers, asked_answers))
            tails = self._tails(connection, found.values())
            struck = self._strikes(connection, [row.run_id for row in found.values() if row.struck])
        return [
            Loaded(
                workflow_id=workflow_id,
                instance=_loaded(row, tails) if (row := found.get(workflow_id)) else None,
                seen=_at_most(seen_limit, answers[workflow_id]),
                seen_partial=len(answers[workflow_id]) > seen_limit,
                strikes=tuple(struck[row.run_id]) if row else (),
                has_mail=bool(row and row.has_mail),
            )
            for workflow_id in workflow_ids
        ]

    def _tails(self, connection: sa.Connection, found: Collection[sa.Row[Any]]) -> dict[str, list[JournalRow]]:
        """By run ID, the rows behind the snapshot, oldest first."""
        tails: dict[str, list[JournalRow]] = defaultdict(list)
        if found:
            asked = self._database.runs_after({row.run_id: row.snapshot_sequence or 0 for row in found})
            for row in connection.execute(self._statements.tails, asked):
                tails[row.run_id].append(journal_row(row))
        return tails

    def _strikes(self, connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        struck: dict[str, list[tuple[str, int]]] = defaultdict(list)
        if run_ids:
            asked = {"ids": self._database.keys(run_ids)}
            for run_id, cause, count in connection.execute(self._statements.strikes, asked):
                struck[run_id].append((cause, count))
        return struck

    def load_run(self, run_id: str) -> LoadedInstance | None:
        with self._owned.transaction() as connection:
            asked = {"ids": self._database.keys([run_id])}
            row = connection.execute(self._statements.run, asked).one_or_none()
            tail = self._tails(connection, [] if row is None else [row])[run_id]
        if row is None:
            return None
        current = row.current == run_id
        last = tail[-1].sequence if tail else row.snapshot_sequence or 0
        return LoadedInstance(
            workflow_id=row.workflow_id,
            slot=row.slot,
            run_id=run_id,
            sequence=row.sequence if current else last,
            status=status_of("runs", row),
            wake_at=row.wake_at if current else None,
            snapshot=_snapshot(row),
            journal=tuple(tail),
        )

    def seen(self, workflow_id: str, message_ids: Sequence[str]) -> dict[MessageKey, str]:
        asked = {
            "ids": self._database.keys([workflow_id]),
            "message_ids": self._database.keys(message_ids),
        }
        with self._owned.transaction() as connection:
            rows = connection.execute(self._statements.seen, asked).all()
        return {(row.type, row.message_id): row.answer for row in rows}

    def remains(self, workflow_id: str) -> Remains:
        asked = {"ids": self._database.keys([workflow_id])}
        with self._owned.transaction() as connection:
            last_mail = connection.scalar(self._statements.last_mail, asked) or 0
            row = connection.execute(self._statements.newest_run, asked).one_or_none()
            if row is None:
                return Remains(last_mail=last_mail)
            of_run = {"ids": self._database.keys([row.run_id])}
            last_sequence = connection.scalar(self._statements.last_sequence, of_run) or 0
            last_time = connection.scalar(self._statements.last_time, of_run) or 0
        try:
            run = run_row(row)
        except UnreadableRowError:
            run = run_row(row, status=WorkflowStatus.SUSPENDED)
        return Remains(run=run, last_sequence=last_sequence, last_time=last_time, last_mail=last_mail)

    def mail(self, workflow_id: str, *, after: int, limit: int) -> list[Mail]:
        asked = {"ids": self._database.keys([workflow_id]), "after": after, "most": limit}
        with self._owned.transaction() as connection:
            return [Mail(row.number, row.message) for row in connection.execute(self._statements.mail, asked)]

    def due(self, slots: Sequence[int], *, before: int, limit: int) -> list[Due]:
        asked = {"ids": self._database.keys(slots), "before": before, "most": limit}
        with self._owned.transaction() as connection:
            rows = connection.execute(self._statements.due, asked).all()
        return [Due(row.workflow_id, row.slot, row.wake_at) for row in rows]

    def suspended(self, slots: Sequence[int], *, after: str, limit: int) -> list[str]:
        asked = {"ids": self._database.keys(slots), "after": after, "most": limit}
        with self._owned.transaction() as connection:
            return list(connection.scalars(self._statements.suspended, asked))

    def waiting(self, slots: Sequence[int], *, after: str, limit: int) -> list[str]:
        asked = {"ids": self._database.keys(slots), "after": after, "most": limit}
        with self._owned.transaction() as connection:
            return list(connection.scalars(self._statements.waiting, asked))

    def run(self, workflow_id: str, run_id: str | None) -> RunRow | None:
        with self._owned.transaction() as connection:
            return find_run(self._database, connection, workflow_id, run_id)

    def runs(
        self,
        *,
        statuses: Collection[WorkflowStatus] = (),
        workflow_types: Collection[str] = (),
        workflow_id: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> tuple[list[RunRow], str | None]:
        filters = {
            "status": [status.value for status in statuses],
            "workflow_type": workflow_types,
            "workflow_id": [] if workflow_id is None else [workflow_id],
        }
        with self._owned.transaction() as connection:
            return list_runs(self._database, connection, filters=filters, limit=limit, before=before)

    def cluster(self) -> Cluster:
        with self._owned.transaction() as connection:
            return read_cluster(self._database, connection)

    def watermark(self) -> Watermark:
        with self._owned.transaction() as connection:
            return read_watermark(connection)

    def history(self, run_id: str, *, after: int = 0, limit: int = 200) -> list[JournalRow]:
        with self._owned.transaction() as connection:
            return read_history(self._database, connection, run_id, after=after, limit=limit)

    def close(self) -> None:
        self._owned.close()


def _answers(rows: Iterable[Any]) -> dict[str, dict[MessageKey, str]]:
    """By workflow ID, commands with their answers."""
    answers: dict[str, dict[MessageKey, str]] = defaultdict(dict)
    for workflow_id, message_id, type_, answer in rows:
        answers[workflow_id][type_, message_id] = answer
    return answers


def _at_most(limit: int, answers: dict[MessageKey, str]) -> dict[MessageKey, str]:
    return answers if len(answers) <= limit else dict(islice(answers.items(), limit))


def _loaded(row: sa.Row[Any], tails: dict[str, list[JournalRow]]) -> LoadedInstance:
    return LoadedInstance(
        workflow_id=row.workflow_id,
        slot=row.slot,
        run_id=row.run_id,
        sequence=row.sequence,
        status=status_of("instances", row),
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
