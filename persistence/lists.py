"""Lists of runs, newest first.

A database that is asked for several types or statuses at once would fetch all runs that have one of them, and
sort them. So each is looked for by itself, where its newest runs come first in one index, and the newest of all
that was found are taken. Statements are texts: to build one, SQLAlchemy would take longer than the database to
run it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import sqlalchemy as sa

from dalsegno._log import get_logger
from dalsegno.errors import CommandRejectedError, UnreadableRowError
from dalsegno.persistence.database import storable
from dalsegno.persistence.port import ListedRun
from dalsegno.persistence.visibility import listed_run
from dalsegno.policies import WorkflowStatus

log = get_logger()

ROW_BYTES = 250
"""Of a run as lists show it, but for its reason, as most have it."""

CURSOR_MAX = 10**18 - 1
"""Microseconds since 1970, as far as a cursor tells them."""

WALKS_MAX = 100
"""Of an index, in one statement."""

_COLUMNS = ", ".join(ListedRun.__struct_fields__)
_IN_ORDER = "ORDER BY started_at DESC, run_id DESC LIMIT :most"


class RunFilter(NamedTuple):
    """Which runs are wanted; what is empty or None does not filter."""

    statuses: Collection[WorkflowStatus] = ()
    workflow_types: Collection[str] = ()
    workflow_id: str | None = None


def list_runs(
    connection: sa.Connection, wanted: RunFilter, *, limit: int, before: str | None, bytes_max: int
) -> tuple[list[ListedRun], str | None]:
    """Runs that started in the same microsecond are in the order of their IDs."""
    parameters: dict[str, Any] = {"most": limit + 1}
    walks = _walks(wanted, parameters)
    if before is not None:
        parameters["started_at"], parameters["run_id"] = _parse_cursor(before)
        walks = [f"{walk} AND (started_at, run_id) < (:started_at, :run_id)" for walk in walks]
    if not walks:
        return [], None
    found = connection.execute(sa.text(_statement(walks)), parameters).all()
    sizes = [ROW_BYTES + (len(row.reason) if isinstance(row.reason, str) else 0) for row in found[:limit]]
    page = found[: within(bytes_max, sizes)]
    return _readable(page), _cursor(page[-1]) if len(found) > len(page) else None


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


def _statement(walks: Sequence[str]) -> str:
    found = [f"SELECT {_COLUMNS} FROM runs WHERE {walk} {_IN_ORDER}" for walk in walks]
    if len(found) == 1:
        return found[0]
    parts = " UNION ALL ".join(f"SELECT * FROM ({part}) AS walk_{n}" for n, part in enumerate(found))
    return f"SELECT * FROM ({parts}) AS found {_IN_ORDER}"


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


def _cursor(last: sa.Row[Any]) -> str:
    """SQLite lets any type into any column. In this order a time that is no number stands before all times, and
    an ID that is no text before all IDs."""
    started_at = last.started_at if isinstance(last.started_at, int | float) else CURSOR_MAX
    run_id = last.run_id if isinstance(last.run_id, str) else "\U0010ffff"
    return f"{max(0, min(int(started_at), CURSOR_MAX))}.{run_id}"


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
