"""What is asked of the database. Every statement walks an index from a key onwards and ends after a bounded
number of rows, so that none is long however large the tables are."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dalsegno.persistence.attribute_rows import COLUMNS
from dalsegno.persistence.database import Database
from dalsegno.persistence.tables import GENERATION, instances, journal, leases, run_attributes, runs, snapshots

SHORT = 64
"""Journal rows of a run that is read together with others; the rest of longer ones is read by itself."""

_current = runs.alias("current")


def _most(name: str = "most") -> sa.BindParameter[int]:
    # Written into the statement: a planner that knows the limit walks the index instead of sorting the table.
    return sa.bindparam(name, type_=sa.Integer(), literal_execute=True)


class Statements:
    """Built once."""

    def __init__(self, database: Database) -> None:
        behind = sa.tuple_(
            sa.bindparam("workflow_id", type_=sa.Text()),
            sa.bindparam("started_at", type_=sa.BigInteger()),
            sa.bindparam("run_id", type_=sa.Text()),
        )
        heads = _heads()
        place = (runs.c.workflow_id, runs.c.started_at, runs.c.run_id)
        self.runs = heads.where(sa.tuple_(*place) > behind).order_by(*place).limit(_most())
        self.runs_of = self.runs.where(runs.c.workflow_id == sa.bindparam("only", type_=sa.Text()))
        self.run = heads.where(runs.c.run_id == sa.bindparam("run_id", type_=sa.Text()))
        self.short = (
            sa.select(journal, GENERATION.label("generation"))
            .where(database.among(journal.c.run_id, "ids"), journal.c.sequence <= SHORT)
            .order_by(journal.c.run_id, journal.c.sequence)
        )
        self.rows = (
            sa.select(journal, GENERATION.label("generation"))
            .where(
                journal.c.run_id == sa.bindparam("run_id", type_=sa.Text()),
                journal.c.sequence > sa.bindparam("after", type_=sa.BigInteger()),
            )
            .order_by(journal.c.sequence)
            .limit(_most())
        )
        self.snapshots = sa.select(snapshots).where(database.among(snapshots.c.run_id, "ids"))
        columns = (run_attributes.c[name] for name in COLUMNS)
        self.attributes = (
            sa.select(run_attributes)
            .where(database.among(run_attributes.c.of_run, "ids"))
            .where(sa.or_(*(column.is_not(None) for column in columns)))
        )
        self.leases = sa.select(leases, GENERATION.label("generation")).order_by(leases.c.partition)
        self.instances = (
            sa.select(instances.c.workflow_id, instances.c.slot, instances.c.run_id)
            .add_columns(_current.c.workflow_id.label("run_of"))
            .outerjoin(_current, _current.c.run_id == instances.c.run_id)
            .where(instances.c.workflow_id > sa.bindparam("after", type_=sa.Text()))
            .order_by(instances.c.workflow_id)
            .limit(_most())
        )
        self.instance = self.instances.where(instances.c.workflow_id == sa.bindparam("only", type_=sa.Text()))
        self.journal_ids = _ids_of(journal)
        self.snapshot_ids = _ids_of(snapshots)


def _heads() -> sa.Select[Any]:
    first_kept = _first_of_run()
    # Not EXISTS: PostgreSQL would make a table of all runs that have such a row, for each batch.
    is_long = _first_of_run(journal.c.sequence > SHORT).is_not(None)
    return (
        sa.select(runs)
        .add_columns(
            instances.c.run_id.label("current_run_id"),
            instances.c.sequence.label("current_sequence"),
            instances.c.status.label("current_status"),
            instances.c.slot,
            instances.c.wake_at,
            _current.c.started_at.label("current_started_at"),
            snapshots.c.sequence.label("snapshot_sequence"),
            sa.func.length(snapshots.c.body).label("snapshot_bytes"),
            first_kept.label("first_kept"),
            is_long.label("is_long"),
        )
        .outerjoin(instances, instances.c.workflow_id == runs.c.workflow_id)
        .outerjoin(_current, _current.c.run_id == instances.c.run_id)
        .outerjoin(snapshots, snapshots.c.run_id == runs.c.run_id)
    )


def _first_of_run(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    rows = sa.select(journal.c.sequence).where(journal.c.run_id == runs.c.run_id, *conditions)
    return rows.order_by(journal.c.sequence).limit(1).scalar_subquery()


def _ids_of(table: sa.Table) -> sa.Select[Any]:
    """The next run IDs in `table`, and whether `runs` has them. It jumps from run to run in the index."""
    column = table.c.run_id
    after = sa.bindparam("after", type_=sa.Text())
    first = sa.select(
        sa.select(column).where(column > after).order_by(column).limit(1).scalar_subquery().label("run_id"),
        sa.literal_column("1").label("place"),
    ).cte("ids", recursive=True)
    following = table.alias("following").c.run_id
    jump = sa.select(following).where(following > first.c.run_id).order_by(following).limit(1)
    ids = first.union_all(
        sa.select(jump.correlate(first).scalar_subquery(), first.c.place + 1).where(
            first.c.run_id.is_not(None), first.c.place < _most()
        )
    )
    known = sa.select(runs.c.run_id).where(runs.c.run_id == ids.c.run_id).limit(1).scalar_subquery()
    return (
        sa.select(ids.c.run_id, known.is_not(None).label("known"))
        .where(ids.c.run_id.is_not(None))
        .order_by(ids.c.place)
    )
