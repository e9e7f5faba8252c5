"""Lists of open deadlines: one walk along the index by when they are at risk. Where the tables are older there
are none, and none are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from dalsegno.errors import CommandRejectedError
from dalsegno.persistence import formats
from dalsegno.persistence.database import Database, OwnedConnection, storable
from dalsegno.persistence.deadlines_port import FoundDeadline
from dalsegno.persistence.port import Round
from dalsegno.persistence.tables import deadlines, runs

SINCE = "0013"
"""The revision of the tables that has them."""
_CURSOR = re.compile(r"(-?\d{1,18})\.(\d{1,18})\.(.+)", re.ASCII | re.DOTALL)
_KEY = (deadlines.c.risk_at, deadlines.c.of_run, deadlines.c.number)


class ListedDeadlines:
    """What a writer may write of them. Used by its thread. That the tables are older stops no workflow."""

    def __init__(self, connection: OwnedConnection) -> None:
        self._connection = connection
        self._are_there = False

    def fitting(self, round_: Round) -> Round:
        """The round, as the tables can hold it."""
        for write in round_.instances:
            if write.deadlines:
                return round_ if self._find() else _without(round_)
        return round_

    def _find(self) -> bool:
        if not self._are_there:
            with self._connection.transaction() as connection:
                self._are_there = formats.revision_of(connection) >= SINCE
        return self._are_there


def _without(round_: Round) -> Round:
    return replace(round_, instances=tuple(replace(write, deadlines=()) for write in round_.instances))


def list_deadlines(
    database: Database, connection: sa.Connection, *, at_risk: bool, limit: int, before: str | None
) -> tuple[list[FoundDeadline], str | None]:
    """None where the tables are older. Rows that are damaged are passed over."""
    behind = None if before is None else _parsed(before)
    if formats.revision_of(connection) < SINCE:
        return [], None
    now = database.now()
    query = (
        sa.select(*(deadlines.c[name] for name in ("number", "name", "due_at", "risk_at")), now.label("now"))
        .add_columns(*(runs.c[name] for name in ("workflow_id", "run_id", "workflow_type", "status")))
        .join(runs, runs.c.run_id == deadlines.c.of_run)
        .where(runs.c.closed_at.is_(None))
        .order_by(*_KEY)
        .limit(limit + 1)
    )
    if at_risk:
        query = query.where(deadlines.c.risk_at <= now)
    if behind is not None:
        query = query.where(sa.tuple_(*_KEY) > sa.tuple_(*map(sa.literal, behind)))
    rows = connection.execute(query).all()
    found = list(_found(rows[:limit]))
    more = len(rows) > limit and bool(found)
    return found, f"{found[-1].risk_at}.{found[-1].number}.{found[-1].run_id}" if more else None


def _found(rows: Sequence[sa.Row[Any]]) -> Iterator[FoundDeadline]:
    for row in rows:
        try:
            values = {name: getattr(row, name) for name in FoundDeadline.__struct_fields__}
            yield msgspec.convert(values, FoundDeadline)
        except msgspec.ValidationError:
            continue


def _parsed(cursor: str) -> tuple[int, str, int]:
    """As `_KEY`. Raises CommandRejectedError for what is no cursor."""
    match = _CURSOR.fullmatch(cursor)
    if match is None or not storable(match[3]):
        raise CommandRejectedError(
            "That is not a cursor which a list of deadlines has given out; list from the start."
        )
    return int(match[1]), match[3], int(match[2])
