"""What people see: runs, their order and their history. Queries on a connection that the reader has opened."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import sqlalchemy as sa

from dalsegno._log import get_logger
from dalsegno.errors import CommandRejectedError, UnreadableRowError
from dalsegno.persistence.database import Database, storable
from dalsegno.persistence.port import JournalRow, ListedRun, RunRow
from dalsegno.persistence.tables import instances, runs
from dalsegno.policies import WorkflowStatus

log = get_logger()


_LISTED = [runs.c[name] for name in ListedRun.__struct_fields__]
"""The columns that lists show. Results and memos may be large, and are left where they are."""

ROW_BYTES = 250
"""Of a run as lists show it, but for its reason, as most have it."""

PARTS_MAX = 100
"""Walks of an index in one statement."""


class RunFilter(NamedTuple):
    """Which runs are wanted; what is empty or None does not filter."""

    statuses: Collection[WorkflowStatus] = ()
    workflow_types: Collection[str] = ()
    workflow_id: str | None = None

    def parts(self) -> list[list[sa.ColumnElement[bool]]]:
        """Conditions that lead to one place of one index each, in which the newest runs come first: a database
        that is asked for several values at once would fetch all that have one of them, and sort them."""
        statuses, types = list(dict.fromkeys(self.statuses)), list(dict.fromkeys(self.workflow_types))
        if self.workflow_id is not None or not (statuses or types):
            return self._whole(statuses, types)
        if not types:
            return [[runs.c.status == status.value] for status in statuses]
        if len(types) * len(statuses or WorkflowStatus) > PARTS_MAX:
            most = PARTS_MAX // len(WorkflowStatus)
            raise CommandRejectedError(f"At most {most} workflow types can be listed at once; list fewer.")
        return [
            [runs.c.workflow_type == type_, runs.c.status == status.value]
            for type_ in types
            if storable(type_)
            for status in statuses or WorkflowStatus
        ]

    def _whole(
        self, statuses: Sequence[WorkflowStatus], types: Sequence[str]
    ) -> list[list[sa.ColumnElement[bool]]]:
        """All, or those of one workflow, of which there are few."""
        one: list[sa.ColumnElement[bool]] = []
        if self.workflow_id is not None:
            if not storable(self.workflow_id):
                return []
            one.append(runs.c.workflow_id == self.workflow_id)
        if statuses:
            one.append(runs.c.status.in_([status.value for status in statuses]))
        if types:
            one.append(runs.c.workflow_type.in_([type_ for type_ in types if storable(type_)]))
        return [one]


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


def list_runs(
    connection: sa.Connection, wanted: RunFilter, *, limit: int, before: str | None, bytes_max: int
) -> tuple[list[ListedRun], str | None]:
    """Newest first; runs that started in the same microsecond are in the order of their IDs."""
    position = None if before is None else _parse_cursor(before)
    parts = [_newest(part, limit + 1, position) for part in wanted.parts()]
    if not parts:
        return [], None
    query = parts[0]
    if len(parts) > 1:
        several = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
        query = _in_order(sa.select(several), several.c, limit + 1)
    found = connection.execute(query).all()
    page = found[: within(bytes_max, [ROW_BYTES + len(row.reason or "") for row in found[:limit]])]
    return _readable(page), _cursor(page[-1]) if len(found) > len(page) else None


def _newest(
    part: Sequence[sa.ColumnElement[bool]], limit: int, before: tuple[int, str] | None
) -> sa.Select[Any]:
    query = sa.select(*_LISTED).where(*part)
    if before is not None:
        started_at, run_id = before
        position = sa.tuple_(sa.literal(started_at, sa.BigInteger()), sa.literal(run_id))
        query = query.where(sa.tuple_(runs.c.started_at, runs.c.run_id) < position)
    return _in_order(query, runs.c, limit)


def _in_order(query: sa.Select[Any], columns: Any, limit: int) -> sa.Select[Any]:
    return query.order_by(columns.started_at.desc(), columns.run_id.desc()).limit(limit)


def within(most: int, sizes: Sequence[int]) -> int:
    """How many of these, from the first on, are at most so much together; one at least."""
    return max(1, sum(total <= most for total in accumulate(sizes)))


def _readable(rows: Iterable[sa.Row[Any]]) -> list[ListedRun]:
    """One row that cannot be read must not hide all others; `dalsegno verify` shows it, too."""
    readable = []
    for row in rows:
        try:
            readable.append(listed_run(row))
        except UnreadableRowError as error:
            log.error("run_not_listed", reason=str(error))
    return readable


def listed_run(row: sa.Row[Any]) -> ListedRun:
    """Raises UnreadableRowError."""
    return ListedRun(
        run_id=row.run_id,
        workflow_id=row.workflow_id,
        workflow_type=row.workflow_type,
        task_queue=row.task_queue,
        status=status_of("runs", row),
        started_at=row.started_at,
        closed_at=row.closed_at,
        reason=row.reason,
    )


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
