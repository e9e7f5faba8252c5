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
from msgspec.structs import replace

from dalsegno._log import get_logger
from dalsegno.errors import CommandRejectedError, UnreadableRowError
from dalsegno.persistence.attribute_walks import (
    SOURCE,
    AttributeWalk,
    found_by,
    has_few,
    is_of,
    is_of_values,
    is_walkable,
    ranges,
    walk_in_order,
    walk_of,
)
from dalsegno.persistence.cursors import cursors_of
from dalsegno.persistence.database import Database, storable
from dalsegno.persistence.filters.conditions import Among, Condition, IsNull, ListFilter, Not, Order
from dalsegno.persistence.filters.fields import (
    CLOSE_TIME,
    START_TIME,
    STATUS,
    TYPE,
    WORKFLOW_ID,
    Field,
    FieldKind,
)
from dalsegno.persistence.filters.sql import Statement, common_parts, places
from dalsegno.persistence.port import ListedRun, RunCount
from dalsegno.persistence.search_attributes import read_values
from dalsegno.persistence.visibility import LISTED, listed_run
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue, size_of

log = get_logger()

ROW_BYTES = 250
"""Of a run as lists show it, but for its reason, as most have it."""

ATTRIBUTE_BYTES = 50
"""Of a search attribute, beside its name and value."""

WALKS_MAX = 100
"""Of an index, in one statement."""

WALKED_CHARACTERS_MAX = 50_000
"""Of what else holds, in all walks of one statement together. It is read again for each of them, and a database
is not stopped while it reads: half a million characters took SQLite 20 seconds."""

GROUPS_MAX = 1_000
"""In one count."""

_COLUMNS = ", ".join(LISTED)


class RunFilter(NamedTuple):
    """Which runs are wanted; what is empty or None does not filter. `rest` is what else holds, with its
    `parameters`. With a `walk`, they are looked for by that alone. `if_few`: other ways to the same runs, each
    to be taken if its walk has few."""

    statuses: Collection[WorkflowStatus] = ()
    workflow_types: Collection[str] = ()
    workflow_id: str | None = None
    rest: str = ""
    parameters: Mapping[str, Any] = {}
    order: Order = Order()
    walk: AttributeWalk | None = None
    if_few: tuple[RunFilter, ...] = ()


def list_runs(
    database: Database,
    connection: sa.Connection,
    wanted: RunFilter,
    *,
    limit: int,
    before: str | None,
    bytes_max: int,
) -> tuple[list[ListedRun], str | None]:
    """Runs of the same microsecond are in the order of their IDs."""
    for other in wanted.if_few:
        if other.walk is not None and has_few(connection, other.walk, dict(other.parameters)):
            wanted = other
            break
    parameters: dict[str, Any] = {"most": limit + 1, **wanted.parameters}
    order = wanted.order
    cursors = cursors_of(order)
    conditions = _walks(wanted, parameters) if wanted.walk is None else wanted.walk.conditions()
    walks = [f"{walk}{wanted.rest}" for walk in conditions]
    if not walks:
        return [], None
    columns = cursors.columns if wanted.walk is None else cursors.walked
    if before is not None:
        given = cursors.parse(before)
        parameters.update(given)
        behind = "<" if order.descending else ">"
        place = ", ".join(f":{name}" for name in given)
        walks = [f"{walk} AND ({', '.join(columns)}) {behind} ({place})" for walk in walks]
    statement = sa.text(_statement(walks, order, columns, by_attribute=wanted.walk is not None))
    found = connection.execute(statement, parameters).all()
    run_ids = [row.run_id for row in found[:limit] if isinstance(row.run_id, str)]
    attributes = read_values(database, connection, run_ids)
    page = found[: within(bytes_max, [_size(row, attributes.get(row.run_id, {})) for row in found[:limit]])]
    return _readable(page, attributes), cursors.cursor(page[-1]) if len(found) > len(page) else None


def _size(row: sa.Row[Any], attributes: Mapping[str, AttributeValue]) -> int:
    reason = len(row.reason) if isinstance(row.reason, str) else 0
    return (
        ROW_BYTES + reason + sum(ATTRIBUTE_BYTES + len(name) + size_of(one) for name, one in attributes.items())
    )


def count_runs(connection: sa.Connection, wanted: ListFilter) -> RunCount:
    """All that fit, and how many of each group: of the largest GROUPS_MAX. Runs that lack what they are grouped
    by are in no group."""
    statement = Statement()
    conditions = [
        found_by(part, statement) if is_walkable(part) else statement.text(part)
        for part in common_parts(wanted.condition)
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    if not wanted.group_by:
        counted = connection.execute(sa.text(f"SELECT count(*) FROM runs{where}"), statement.parameters)
        return RunCount(counted.scalar_one())
    joins, columns = "", []
    for n, field in enumerate(wanted.group_by):
        columns.append(field.column if field.indexed is None else f"group_{n}.{field.indexed}")
        if field.indexed is not None:
            joins += (
                f" LEFT JOIN run_attributes AS group_{n} ON group_{n}.of_run = runs.run_id "
                f"AND group_{n}.name = '{field.name}' AND group_{n}.ordinal = 0"
            )
    by = ", ".join(columns)
    grouped = (
        f"SELECT {by}, count(*) AS n, sum(count(*)) OVER () AS total FROM runs{joins}{where} "
        f"GROUP BY {by} ORDER BY n DESC, {by} LIMIT {GROUPS_MAX}"
    )
    rows = connection.execute(sa.text(grouped), statement.parameters).all()
    groups = tuple((_group(wanted, row), int(row.n)) for row in rows if None not in row[:-2])
    return RunCount(int(rows[0].total) if rows else 0, groups)


def _group(wanted: ListFilter, row: sa.Row[Any]) -> tuple[str, ...]:
    return tuple(map(_group_value, wanted.group_by, row[:-2]))


def _group_value(field: Field, value: object) -> str:
    if field.kind is FieldKind.BOOL:
        return "true" if value else "false"
    return str(value)


def run_filter(wanted: ListFilter) -> RunFilter | None:
    """What a filter asks for, as a list walks; None if no run can be that. In the order of close times, only
    runs that have one are wanted, and one index is walked, whatever else holds."""
    common = places(wanted.condition)
    if frozenset() in common[:3]:
        return None
    by_start = wanted.order.field is START_TIME
    parts = common_parts(wanted.condition)
    if wanted.order.field.indexed is not None:
        return _in_order_of_attribute(wanted.order, parts)
    values = [part for part in parts if is_of_values(part)]
    if by_start and values and len(common.workflow_ids or ()) != 1:
        return _by_attribute(wanted.order, values[:1], parts)
    other_ways = () if len(common.workflow_ids or ()) == 1 else ranges(parts)
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
        if_few=tuple(_by_attribute(wanted.order, some, parts) for some in other_ways),
    )


def _by_attribute(order: Order, walked: Sequence[Condition], parts: Sequence[Condition]) -> RunFilter:
    """By what is walkable among the parts."""
    statement = Statement()
    rest: list[Condition] = [part for part in parts if not any(part is one for one in walked)]
    if order.field is CLOSE_TIME:
        rest.append(Not(IsNull(CLOSE_TIME)))
    walk = walk_of(walked, statement)
    return RunFilter(rest=_all_of(rest, statement), parameters=statement.parameters, order=order, walk=walk)


def _in_order_of_attribute(order: Order, parts: Sequence[Condition]) -> RunFilter:
    statement = Statement()
    walked = next(
        (some for some in ranges(parts) if is_of(some[0], order.field) and not isinstance(some[0], Among)), []
    )
    walk = walk_in_order(order, walked, statement)
    rest = [part for part in parts if not any(part is one for one in walked)]
    return RunFilter(rest=_all_of(rest, statement), parameters=statement.parameters, order=order, walk=walk)


def _all_of(conditions: Iterable[Condition], statement: Statement) -> str:
    return "".join(f" AND {statement.text(condition)}" for condition in conditions)


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


def _statement(walks: Sequence[str], order: Order, columns: Sequence[str], *, by_attribute: bool) -> str:
    direction = "DESC" if order.descending else "ASC"
    source = SOURCE if by_attribute else "runs"
    extra = f", {columns[0]} AS sorted_by, {columns[1]} AS sorted_then" if len(columns) == 3 else ""
    in_order = f"ORDER BY {', '.join(f'{column} {direction}' for column in columns)} LIMIT :most"
    found = [f"SELECT {_COLUMNS}{extra} FROM {source} WHERE {walk} {in_order}" for walk in walks]
    if len(found) == 1:
        return found[0]
    # A list of keywords may stand in several places.
    parts = (" UNION " if by_attribute else " UNION ALL ").join(
        f"SELECT * FROM ({part}) AS walk_{n}" for n, part in enumerate(found)
    )
    in_order = f"ORDER BY {order.field.column} {direction}, run_id {direction} LIMIT :most"
    return f"SELECT * FROM ({parts}) AS found {in_order}"


def within(most: int, sizes: Sequence[int]) -> int:
    """How many of these, from the first on, are at most so much together; one at least."""
    return max(1, sum(total <= most for total in accumulate(sizes)))


def _readable(
    rows: Iterable[sa.Row[Any]], attributes: Mapping[str, Mapping[str, AttributeValue]]
) -> list[ListedRun]:
    """One row that cannot be read must not hide all others; `dalsegno verify` shows it, too."""
    readable = []
    for row in rows:
        try:
            run = listed_run(row)
        except UnreadableRowError as error:
            log.error("run_not_listed", reason=str(error))
        else:
            own = attributes.get(run.run_id)
            readable.append(run if own is None else replace(run, attributes=own))
    return readable
