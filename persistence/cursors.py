"""Where a page of a list ends, as a text that its reader gives back for the next one: the place of the last run
in the list's order."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from dalsegno.errors import CommandRejectedError
from dalsegno.persistence.database import storable
from dalsegno.persistence.filters.conditions import Order
from dalsegno.persistence.filters.fields import CLOSE_TIME

CURSOR_MAX = 10**18 - 1
"""Microseconds since 1970, as far as a cursor tells them."""
_HIGHEST = "\U0010ffff"


class Cursors(Protocol):
    """Of lists in one order. `columns` are those that make the order; `walked`, where a search attribute is
    walked."""

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def walked(self) -> tuple[str, ...]: ...

    def cursor(self, last: sa.Row[Any]) -> str | None:
        """Behind that run. None where no cursor could tell what is still to come."""

    def parse(self, cursor: str) -> Mapping[str, Any]:
        """The values of the columns. Raises CommandRejectedError for what is no cursor."""


def cursors_of(order: Order) -> Cursors:
    return ByTime(order) if order.field.indexed is None else ByAttribute(order.field.indexed)


class ByTime:
    """Start or close time, and the run's ID."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.columns = (order.field.column, "run_id")
        self.walked = self.columns if order.field is CLOSE_TIME else ("walked.begun_at", "walked.of_run")

    def cursor(self, last: sa.Row[Any]) -> str | None:
        """SQLite lets any type into any column. There a time that is no number stands behind all times, and an
        ID that is no text behind all IDs: of such rows no more is shown than one page."""
        descending = self._order.descending
        time, run_id = getattr(last, self._order.field.column), last.run_id
        at = time if isinstance(time, int | float) else CURSOR_MAX + 1
        if at < 0 if descending else at > CURSOR_MAX:
            return None
        at = int(max(0, min(at, CURSOR_MAX)))
        if not descending and isinstance(time, float):
            return f"{at + 1}.!"  # behind it, whatever part of a microsecond it has
        return f"{at}.{run_id if isinstance(run_id, str) else _HIGHEST}"

    def parse(self, cursor: str) -> Mapping[str, Any]:
        at, _, run_id = cursor.partition(".")
        if not (at.isascii() and at.isdigit() and len(at) <= 18 and run_id and storable(run_id)):
            raise _no_cursor()
        return {"at": int(at), "run_id": run_id}


class ByAttribute:
    """The value of a search attribute, when the run began, and its ID."""

    def __init__(self, column: str) -> None:
        self._type = {"keyword_value": str, "int_value": int, "double_value": float}[column]
        self.columns = self.walked = (f"walked.{column}", "walked.begun_at", "walked.of_run")

    def cursor(self, last: sa.Row[Any]) -> str | None:
        place = (last.sorted_by, last.sorted_then, last.run_id)
        if not self._is_place(place):
            return None
        return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()

    def parse(self, cursor: str) -> Mapping[str, Any]:
        try:
            place = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        except (ValueError, RecursionError):
            raise _no_cursor() from None
        if not isinstance(place, list) or not self._is_place(tuple(place)):
            raise _no_cursor()
        return dict(zip(("sorted_by", "at", "run_id"), place, strict=True))

    def _is_place(self, place: tuple[Any, ...]) -> bool:
        return (
            tuple(map(type, place)) == (self._type, int, str)
            and all(map(storable, place))
            and all(abs(number) < 2**63 for number in place if type(number) is int)
        )


def _no_cursor() -> CommandRejectedError:
    return CommandRejectedError("That is not a cursor which a list of runs has given out; list from the start.")
