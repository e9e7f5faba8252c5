"""What a reader asks of the database, but for lists."""

from __future__ import annotations

import sqlalchemy as sa

from dalsegno.persistence.database import Database
from dalsegno.persistence.tables import GENERATION, instances, journal, mail, runs, snapshots, strikes
from dalsegno.policies import WorkflowStatus

_SNAPSHOT = [
    snapshots.c.sequence.label("snapshot_sequence"),
    snapshots.c.format,
    snapshots.c.checksum,
    snapshots.c.body,
]


class ReaderStatements:
    """Built once: building one costs more than running it. `ids` is what is asked for."""

    def __init__(self, database: Database) -> None:
        self.instances = (
            sa.select(instances, *_SNAPSHOT)
            .add_columns(sa.exists().where(strikes.c.run_id == instances.c.run_id).label("struck"))
            .add_columns(sa.exists().where(mail.c.workflow_id == instances.c.workflow_id).label("has_mail"))
            .outerjoin(snapshots, snapshots.c.run_id == instances.c.run_id)
            .where(database.among(instances.c.workflow_id, "ids"))
        )
        behind_snapshot = (
            sa.select(sa.func.sum(sa.func.length(journal.c.events)))
            .where(journal.c.run_id == instances.c.run_id)
            .where(journal.c.sequence > sa.func.coalesce(snapshots.c.sequence, 0))
            .scalar_subquery()
        )
        size = sa.func.coalesce(sa.func.length(snapshots.c.body), 0) + sa.func.coalesce(behind_snapshot, 0)
        self.instance_sizes = (
            sa.select(instances.c.workflow_id, size.label("size"))
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
        self.last_mail = sa.select(sa.func.max(mail.c.number)).where(
            database.among(mail.c.workflow_id, "ids"), mail.c.number < 2**62
        )
        self.mail = _mail_of(database, mail.c.message)
        self.mail_sizes = _mail_of(database, sa.func.length(mail.c.message).label("size"))
        in_run = database.among(journal.c.run_id, "ids")
        behind = journal.c.sequence > sa.bindparam("after", type_=sa.BigInteger())
        self.sizes = (
            sa.select(journal.c.sequence, sa.func.length(journal.c.events).label("size"))
            .where(in_run, behind)
            .order_by(journal.c.sequence)
            .limit(sa.bindparam("most", type_=sa.BigInteger()))
        )
        self.history = (
            sa.select(journal, GENERATION.label("generation"))
            .where(in_run, behind, journal.c.sequence <= sa.bindparam("until", type_=sa.BigInteger()))
            .order_by(journal.c.sequence)
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


_BUILT: dict[type[Database], ReaderStatements] = {}


def statements_of(database: Database) -> ReaderStatements:
    """Those of its kind: nothing in them is of one database."""
    kind = type(database)
    if kind not in _BUILT:
        _BUILT[kind] = ReaderStatements(database)
    return _BUILT[kind]


def _mail_of(database: Database, what: sa.ColumnElement[object]) -> sa.Select[tuple[int, object]]:
    return (
        sa.select(mail.c.number, what)
        .where(database.among(mail.c.workflow_id, "ids"))
        .where(mail.c.number > sa.bindparam("after", type_=sa.BigInteger()))
        .order_by(mail.c.number)
        .limit(sa.bindparam("most", type_=sa.BigInteger()))
    )
