"""Search attributes of runs as rows of `run_attributes`, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dalsegno.persistence.port import AttributeSet
from dalsegno.search_attributes import AttributePlain, AttributeValue, Declared
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type

COLUMN = {
    Type.KEYWORD: "keyword_value",
    Type.KEYWORD_LIST: "keyword_value",
    Type.INT: "int_value",
    Type.BOOL: "int_value",
    Type.DATETIME: "int_value",
    Type.DOUBLE: "double_value",
    Type.TEXT: "text_value",
}
"""In which a value stands, by its type."""
COLUMNS = ("keyword_value", "int_value", "double_value", "text_value")
"""In the order in which they are written."""
_PLACE = {type_: COLUMNS.index(column) for type_, column in COLUMN.items()}


def attribute_rows(workflow_id: str, attributes: Iterable[AttributeSet]) -> list[tuple[Any, ...]]:
    """workflow_id, of_run, name, ordinal, begun_at, and the columns of values. Of what was set more than once
    the last counts: one statement writes no row twice."""
    rows: dict[tuple[str, str, int], tuple[Any, ...]] = {}
    for one in attributes:
        values = _values(one.value)
        place = None if one.value is None else _PLACE[one.value.type]
        for ordinal in range(max(one.places, len(values))):
            columns: list[Any] = [None] * len(COLUMNS)
            if place is not None and ordinal < len(values):
                columns[place] = values[ordinal]
            key = (one.run_id, one.name, ordinal)
            rows[key] = (workflow_id, *key, one.begun_at, *columns)
    return list(rows.values())


def attributes_of(rows: Iterable[Any], declared: Declared) -> dict[str, dict[str, AttributeValue]]:
    """By run ID, what these rows say, in the order of run, name and ordinal. A value that is not of its
    attribute's type is left out: it was declared anew since, or SQLite has let something else in."""
    found: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        type_ = declared.get(row.name)
        value = None if type_ is None else getattr(row, COLUMN[type_])
        if value is not None:
            found.setdefault(row.of_run, {}).setdefault(row.name, []).append(value)
    return {
        run_id: {
            name: value
            for name, values in attributes.items()
            if (value := _value(declared[name], values)) is not None
        }
        for run_id, attributes in found.items()
    }


def _values(value: AttributeValue | None) -> tuple[AttributePlain, ...]:
    if value is None:
        return ()
    return value.value if isinstance(value.value, tuple) else (value.value,)


def _value(type_: Type, values: list[Any]) -> AttributeValue | None:
    plain: Any = values[0]
    if type_ is Type.KEYWORD_LIST:
        plain = tuple(values)
    elif type_ is Type.BOOL:
        plain = bool(plain)
    try:
        return AttributeValue(type_, plain)
    except (TypeError, ValueError):
        return None
