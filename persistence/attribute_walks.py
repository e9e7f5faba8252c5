"""Runs by a search attribute: the place of its index where those wanted stand.

An index holds the values of one attribute, and under each the newest runs first. So runs of one value are
walked from the newest on, whatever their number, and all runs in the order of a value. Runs between two values
are not in the order of their times: if they are FEW, they are all looked at and sorted; if they are many, the
newest of all runs are walked until enough of them fit, which is soon. Which it is, is found by counting no
further than FEW."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from dalsegno.persistence.filters.conditions import (
    Among,
    Compared,
    Condition,
    IsNull,
    Not,
    Order,
    StartsWith,
)
from dalsegno.persistence.filters.fields import Field, FieldKind
from dalsegno.persistence.filters.sql import Statement

FEW = 20_000

SOURCE = "run_attributes AS walked CROSS JOIN runs"
"""SQLite keeps this order, and PostgreSQL finds it by itself."""
_JOINED = "runs.run_id = walked.of_run"
VALUES_MAX = 100
"""Of one attribute, each walked by itself."""


class AttributeWalk(NamedTuple):
    """`places`: conditions, each of which leads to one place of the index of `field`."""

    field: Field
    places: tuple[str, ...]

    def counted(self) -> str:
        """A statement that counts its entries as far as FEW."""
        places = " UNION ALL ".join(
            f"SELECT * FROM (SELECT 1 AS one FROM run_attributes AS walked WHERE {place} LIMIT {FEW}) "
            f"AS place_{n}"
            for n, place in enumerate(self.places)
        )
        return f"SELECT count(*) FROM ({places}) AS looked_at"

    def conditions(self) -> list[str]:
        return [f"{_JOINED} AND {place}" for place in self.places]


def is_walkable(part: Condition) -> bool:
    """Those for which it holds stand together in the index of its attribute."""
    match part:
        case Compared(field, "!="):
            return False
        case Compared(field) | StartsWith(field):
            return field.indexed is not None
        case Not(IsNull(field)):  # a list stands there once for each of its keywords
            return field.indexed is not None and field.kind is not FieldKind.KEYWORDS
        case Among(field, values):
            return field.indexed is not None and len(values) <= VALUES_MAX
    return False


def is_of_values(part: Condition) -> bool:
    """Those for which it holds have one of some values: under each of them the newest run comes first."""
    return is_walkable(part) and (
        isinstance(part, Among) or (isinstance(part, Compared) and part.operator == "=")
    )


def walk_of(parts: Sequence[Condition], statement: Statement) -> AttributeWalk:
    """The walk for what is walkable, all of one field: one of values, or any others."""
    field = _field_of(parts[0])
    first = parts[0]
    if isinstance(first, Among):
        places = [_place(field, [Compared(field, "=", value)], statement) for value in first.values]
    else:
        places = [_place(field, parts, statement)]
    return AttributeWalk(field, tuple(places))


def walk_in_order(order: Order, parts: Iterable[Condition], statement: Statement) -> AttributeWalk:
    """All runs that have the attribute by which they are ordered, and of which `parts` hold."""
    return AttributeWalk(order.field, (_place(order.field, [*parts, Not(IsNull(order.field))], statement),))


def ranges(parts: Iterable[Condition]) -> list[list[Condition]]:
    """The walkable among them, those of one attribute together; what is said of a list is said of one of its
    keywords, and stands alone."""
    found: list[list[Condition]] = []
    by_field: dict[str, list[Condition]] = {}
    for part in filter(is_walkable, parts):
        field = _field_of(part)
        if is_of_values(part) or field.kind is FieldKind.KEYWORDS:
            found.append([part])
        else:
            by_field.setdefault(field.name, []).append(part)
    return [*found, *by_field.values()]


def has_few(connection: sa.Connection, walk: AttributeWalk, parameters: dict[str, Any]) -> bool:
    return int(connection.execute(sa.text(walk.counted()), parameters).scalar_one()) < FEW


def found_by(part: Condition, statement: Statement) -> str:
    """What is walkable, as a set of runs, for who counts them."""
    place = _place(_field_of(part), [part], statement)
    return f"(run_id IN (SELECT walked.of_run FROM run_attributes AS walked WHERE {place}))"


def is_of(part: Condition, field: Field) -> bool:
    return is_walkable(part) and _field_of(part) == field


def _place(field: Field, parts: Iterable[Condition], statement: Statement) -> str:
    assert field.indexed is not None, "only what is indexed is walked"
    walked = field._replace(column=f"walked.{field.indexed}", kind=_kind_of_one(field))
    conditions = " AND ".join(statement.text(_on(walked, part)) for part in parts)
    return f"walked.name = '{field.name}' AND {conditions}"


def _kind_of_one(field: Field) -> FieldKind:
    return FieldKind.TEXT if field.kind is FieldKind.KEYWORDS else field.kind


def _on(walked: Field, part: Condition) -> Condition:
    match part:
        case Compared(_, operator, value):
            return Compared(walked, operator, value)
        case Among(_, values):
            return Among(walked, values)
        case StartsWith(_, prefix):
            return StartsWith(walked, prefix)
    return Not(IsNull(walked))


def _field_of(part: Condition) -> Field:
    match part:
        case Compared(field) | Among(field) | StartsWith(field) | Not(IsNull(field)):
            return field
    raise ValueError(f"{part} is not of one field")
