"""Lists of runs, newest first or in another order, and counts of them.

A database that is asked for several types or statuses at once would fetch all runs that have one of them, and
sort them. So each is looked for by itself, where its newest runs come first in one index, and the newest of all
that was found are taken. Statements are texts: to build one, SQLAlchemy would take longer than the database to
run it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import sqlalchemy as sa

from dalsegno._log import get_logger
from dalsegno.errors import CommandRejectedError, UnreadableRowError
from dalsegno.persistence.database import storable
from dalsegno.persistence.filters.conditions import Among, Condition, IsNull, ListFilter, Not, Order
from dalsegno.persistence.filters.fields import CLOSE_TIME, START_TIME, STATUS, TYPE, WORKFLOW_ID
from dalsegno.persistence.filters.sql import Statement, places
from dalsegno.persistence.port import ListedRun, RunCount
from dalsegno.persistence.visibility import listed_run
from dalsegno.policies import WorkflowStatus

log = get_logger()

ROW_BYTES = 250
"""Of a run as lists show it, but for its reason, as most have it."""

CURSOR_MAX = 10**18 - 1
"""Microseconds since 1970, as far as a cursor tells them."""

WALKS_MAX = 100
"""Of an index, in one statement."""

WALKED_CHARACTERS_MAX = 50_000
"""Of what else holds, in all walks of one statement together. It is read again for each of them, and a database
is not stopped while it reads: half a million characters took SQLite 20 seconds."""

GROUPS_MAX = 1_000
"""In one count."""

_HIGHEST = "\U0010ffff"
_COLUMNS = ", ".join(ListedRun.__struct_fields__)


class RunFilter(NamedTuple):
    """Which runs are wanted; what is empty or None does not filter. `rest` is what else holds, with its
    `parameters`."""

    statuses: Collection[WorkflowStatus] = ()
    workflow_types: Collection[str] = ()
    workflow_id: str | None = None
    rest: str = ""
    parameters: Mapping[str, Any] = {}
    order: Order = Order()


def list_runs(
    connection: sa.Connection, wanted: RunFilter, *, limit: int, before: str | None, bytes_max: int
) -> tuple[list[ListedRun], str | None]:
    """Runs of the same microsecond are in the order of their IDs."""
    parameters: dict[str, Any] = {"most": limit + 1, **wanted.parameters}
    walks = [f"{walk}{wanted.rest}" for walk in _walks(wanted, parameters)]
    if not walks:
        return [], None
    order = wanted.order
    column = order.field.column
    if before is not None:
        parameters["at"], parameters["run_id"] = _parse_cursor(before)
        behind = "<" if order.descending else ">"
        walks = [f"{walk} AND ({column}, run_id) {behind} (:at, :run_id)" for walk in walks]
    found = connection.execute(sa.text(_statement(walks, order)), parameters).all()
    sizes = [ROW_BYTES + (len(row.reason) if isinstance(row.reason, str) else 0) for row in found[:limit]]
    page = found[: within(bytes_max, sizes)]
    return _readable(page), _cursor(page[-1], order) if len(found) > len(page) else None


def count_runs(connection: sa.Connection, wanted: ListFilter) -> RunCount:
    """All that fit, and how many of each group: of the largest GROUPS_MAX."""
    statement = Statement()
    where = "" if wanted.condition is None else f" WHERE {statement.text(wanted.condition)}"
    if not wanted.group_by:
        counted = connection.execute(sa.text(f"SELECT count(*) FROM runs{where}"), statement.parameters)
        return RunCount(counted.scalar_one())
    columns = ", ".join(field.column for field in wanted.group_by)
    grouped = (
        f"SELECT {columns}, count(*) AS n, sum(count(*)) OVER () AS total FROM runs{where} "
        f"GROUP BY {columns} ORDER BY n DESC, {columns} LIMIT {GROUPS_MAX}"
    )
    rows = connection.execute(sa.text(grouped), statement.parameters).all()
    groups = tuple((tuple(map(str, row[:-2])), int(row.n)) for row in rows)
    return RunCount(int(rows[0].total) if rows else 0, groups)


def run_filter(wanted: ListFilter) -> RunFilter | None:
    """What a filter asks for, as a list walks; None if no run can be that. In the order of close times, only
    runs that have one are wanted, and one index is walked, whatever else holds."""
    common = places(wanted.condition)
    if frozenset() in common[:3]:
        return None
    by_start = wanted.order.field is START_TIME
    rest: list[Condition] = [] if by_start else [Not(IsNull(CLOSE_TIME))]
    statuses, types, ids = (sorted(map(str, values or ())) for values in common[:3])
    if len(ids) > 1:
        rest.append(Among(WORKFLOW_ID, tuple(ids)))
    statement = Statement()
    others = [statement.text(condition) for condition in (*common.rest, *rest)]
    size = sum(map(len, others))
    walks = len(types) * (len(statuses) or len(WorkflowStatus))
    if types and (not by_start or walks > WALKS_MAX or walks * size > WALKED_CHARACTERS_MAX):
        others.append(statement.text(Among(TYPE, tuple(types))))
        types = []
    if statuses and not types and (not by_start or len(statuses) * size > WALKED_CHARACTERS_MAX):
        others.append(statement.text(Among(STATUS, tuple(statuses))))
        statuses = []
    return RunFilter(
        statuses=[WorkflowStatus(status) for status in statuses],
        workflow_types=types,
        workflow_id=ids[0] if len(ids) == 1 else None,
        rest="".join(f" AND {other}" for other in others),
        parameters=statement.parameters,
        order=wanted.order,
    )


def _walks(wanted: RunFilter, parameters: dict[str, Any]) -> list[str]:
    """Conditions, each of which leads to one place of one index; the parameters that they name are added."""
    statuses = _named("status", [status.value for status in wanted.statuses], parameters)
    types = _named("type", wanted.workflow_types, parameters)
    if wanted.workflow_types and not types:
        return []
    if wanted.workflow_id is not None:
        one = _named("id", [wanted.workflow_id], parameters)
        conditions = [_among("workflow_id", one), _among("workflow_type", types), _among("status", statuses)]
        return [" AND ".join(filter(None, conditions))] if one else []
    if not types:
        return [f"status = {status}" for status in statuses] or ["1 = 1"]
    statuses = statuses or _named("status", [status.value for status in WorkflowStatus], parameters)
    if len(types) * len(statuses) > WALKS_MAX:
        most = WALKS_MAX // len(statuses)
        which = "" if len(statuses) == len(WorkflowStatus) else f" of {len(statuses)} statuses"
        raise CommandRejectedError(f"At most {most} workflow types{which} can be listed at once; list fewer.")
    return [f"workflow_type = {type_} AND status = {status}" for type_ in types for status in statuses]


def _named(name: str, values: Iterable[str], parameters: dict[str, Any]) -> list[str]:
    """Parameters for those that a row could have."""
    given = {f"{name}_{n}": value for n, value in enumerate(dict.fromkeys(filter(storable, values)))}
    parameters.update(given)
    return [f":{parameter}" for parameter in given]


def _among(column: str, parameters: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(parameters)})" if parameters else ""


def _statement(walks: Sequence[str], order: Order) -> str:
    direction = "DESC" if order.descending else "ASC"
    in_order = f"ORDER BY {order.field.column} {direction}, run_id {direction} LIMIT :most"
    found = [f"SELECT {_COLUMNS} FROM runs WHERE {walk} {in_order}" for walk in walks]
    if len(found) == 1:
        return found[0]
    parts = " UNION ALL ".join(f"SELECT * FROM ({part}) AS walk_{n}" for n, part in enumerate(found))
    return f"SELECT * FROM ({parts}) AS found {in_order}"


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


def _cursor(last: sa.Row[Any], order: Order) -> str | None:
    """SQLite lets any type into any column. There a time that is no number stands behind all times, and an ID
    that is no text behind all IDs. None where no cursor could tell what is still to come: of such rows no more
    is shown than one page."""
    time, run_id = getattr(last, order.field.column), last.run_id
    at = time if isinstance(time, int | float) else CURSOR_MAX + 1
    if at < 0 if order.descending else at > CURSOR_MAX:
        return None
    at = int(max(0, min(at, CURSOR_MAX)))
    if not order.descending and isinstance(time, float):
        return f"{at + 1}.!"  # behind it, whatever part of a microsecond it has
    return f"{at}.{run_id if isinstance(run_id, str) else _HIGHEST}"


def _parse_cursor(cursor: str) -> tuple[int, str]:
    at, _, run_id = cursor.partition(".")
    if not (at.isascii() and at.isdigit() and len(at) <= 18 and run_id):
        raise CommandRejectedError(
            "That is not a cursor which a list of runs has given out; list from the start."
        )
    if not storable(run_id):
        raise CommandRejectedError(
            "That is not a cursor which a list of runs has given out; list from the start."
        )
    return int(at), run_id
