"""A condition as SQL.

What all runs wanted have in common, a status or a type, leads to one place of an index, where a list walks from
its newest run on (see `lists`); all else is looked at run by run on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from dalsegno.persistence.database import storable
from dalsegno.persistence.filters.conditions import (
    AllOf,
    Among,
    AnyOf,
    Compared,
    Condition,
    IsNull,
    Not,
    StartsWith,
    Value,
)
from dalsegno.persistence.filters.fields import (
    CLOSE_TIME,
    OWN,
    START_TIME,
    STATUS,
    TYPE,
    WORKFLOW_ID,
    Field,
    FieldKind,
)
from dalsegno.policies import WorkflowStatus

_NEVER = "1 = 0"
_HIGHEST = "\U0010ffff"


class Places(NamedTuple):
    """What is common to all runs wanted: one of these each. None: whatever it is. `rest`: what else holds."""

    statuses: frozenset[Value] | None
    workflow_types: frozenset[Value] | None
    workflow_ids: frozenset[Value] | None
    rest: tuple[Condition, ...]


def places(condition: Condition | None) -> Places:
    """Pure; see Places."""
    sets: dict[Field, frozenset[Value] | None] = {STATUS: None, TYPE: None, WORKFLOW_ID: None}
    rest: list[Condition] = []
    for part in _common(condition):
        field, values = _one_of(part)
        if field in sets and values is not None:
            known = sets[field]
            sets[field] = values if known is None else known & values
        else:
            rest.append(part)
    rest += [began for part in rest if (began := _began(part)) is not None]
    return Places(sets[STATUS], sets[TYPE], sets[WORKFLOW_ID], tuple(rest))


def _common(condition: Condition | None) -> Iterator[Condition]:
    if isinstance(condition, AllOf):
        for part in condition.parts:
            yield from _common(part)
    elif condition is not None:
        yield condition


def _one_of(part: Condition) -> tuple[Field | None, frozenset[Value] | None]:
    match part:
        case Among(field, values):
            return field, frozenset(values)
        case Compared(field, "=", value):
            return field, frozenset([value])
        case Compared(field, "!=", value) if field is STATUS:
            return field, _other_statuses([value])
        case Not(Among(field, values)) if field is STATUS:
            return field, _other_statuses(values)
        case Not(Compared(field, "=", value)) if field is STATUS:
            return field, _other_statuses([value])
    return None, None


def _other_statuses(values: Iterable[Value]) -> frozenset[Value]:
    return frozenset(status.value for status in WorkflowStatus) - frozenset(values)


def _began(part: Condition) -> Condition | None:
    """A run began before it ended: so what ended long ago is looked for among those that began long ago."""
    match part:
        case Compared(field, "<" | "<=" | "=", value) if field is CLOSE_TIME:
            return Compared(START_TIME, "<=", value)
    return None


def common_parts(condition: Condition | None) -> list[Condition]:
    """What holds of all runs wanted."""
    return list(_common(condition))


class Statement:
    """Conditions as text, and the parameters that they name: `f0`, `f1`, and so on."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}

    def text(self, condition: Condition) -> str:
        match condition:
            case Compared(field) | Among(field) if field.kind is FieldKind.KEYWORDS:
                return self._of_keywords(condition)
            case AllOf(parts):
                return f"({' AND '.join(map(self.text, parts))})"
            case AnyOf(parts):
                return f"({' OR '.join(map(self.text, parts))})"
            case Not(IsNull(field)):  # in the words of an index that has no others
                return f"({field.column} IS NOT NULL)"
            case Not(of):
                return f"NOT {self.text(of)}"
            case IsNull(field):
                return f"({field.column} IS NULL)"
            case StartsWith(field, prefix):
                return self._starts_with(field.column, prefix)
            case Among(field, values):
                named = [self._named(value) for value in values if _could_be(value)]
                return f"({field.column} IN ({', '.join(named)}))" if named else f"({_NEVER})"
            case Compared(field, operator, value):
                if not _could_be(value):
                    return "(1 = 1)" if operator == "!=" else f"({_NEVER})"
                return f"({field.column} {operator} {self._named(value)})"

    def _of_keywords(self, condition: Compared | Among) -> str:
        """One of them is, or none. Neither where there are none."""
        field = condition.field
        values = condition.values if isinstance(condition, Among) else (condition.value,)
        named = [self._named(value) for value in values if _could_be(value)]
        has_one = (
            f"max(CASE WHEN own.keyword_value IN ({', '.join(named)}) THEN 1 ELSE 0 END)" if named else "max(0)"
        )
        found = (
            f"(SELECT {has_one} FROM run_attributes AS own "
            f"WHERE {OWN} AND own.name = '{field.name}' AND own.keyword_value IS NOT NULL)"
        )
        is_one = 0 if isinstance(condition, Compared) and condition.operator == "!=" else 1
        return f"({found} = {is_one})"

    def _named(self, value: Value) -> str:
        name = f"f{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"

    def _starts_with(self, column: str, prefix: str) -> str:
        """As a range, which an index can be walked in: text is compared by its code points."""
        if not _could_be(prefix):
            return f"({_NEVER})"
        since = f"({column} >= {self._named(prefix)}"
        behind = _successor(prefix)
        return f"{since})" if behind is None else f"{since} AND {column} < {self._named(behind)})"


def _could_be(value: Value) -> bool:
    """A row could have it."""
    return not isinstance(value, str) or storable(value)


def _successor(prefix: str) -> str | None:
    """The first text behind all that begin with `prefix`; None if there is none."""
    stem = prefix.rstrip(_HIGHEST)
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)
