"""What a filter says, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dalsegno.persistence.filters.fields import START_TIME, Field

Value = str | int | float
"""Text, a status's value, microseconds, a number, or 0 and 1 for truth values."""


@dataclass(frozen=True, slots=True)
class Compared:
    field: Field
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Among:
    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class StartsWith:
    field: Field
    prefix: str


@dataclass(frozen=True, slots=True)
class IsNull:
    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    of: Condition


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


Condition = Compared | Among | StartsWith | IsNull | Not | AllOf | AnyOf


class Order(NamedTuple):
    """By StartTime, CloseTime or a search attribute; runs of the same time are in the order of their IDs, and
    those of the same value in that of their start times."""

    field: Field = START_TIME
    descending: bool = True


class ListFilter(NamedTuple):
    """`condition` None: all runs."""

    condition: Condition | None = None
    group_by: tuple[Field, ...] = ()
    order: Order = Order()
