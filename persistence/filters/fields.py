"""What a filter can ask of a run. Names are read whatever their case; Temporal's are known, too."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from dalsegno.persistence.attribute_rows import COLUMN
from dalsegno.search_attributes import NONE_DECLARED, Declared
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type


class FieldKind(Enum):
    """What a field holds, by which its operators and values go."""

    TEXT = "text"
    STATUS = "status"
    TIME = "time"
    DURATION = "duration"
    INT = "whole number"
    DOUBLE = "number"
    BOOL = "truth value"
    KEYWORDS = "list of keywords"


class Field(NamedTuple):
    """`column` is an SQL expression over the table `runs`. `indexed`: of a search attribute the column of
    `run_attributes` that an index has; None for one that has none, and for other fields."""

    name: str
    column: str
    kind: FieldKind
    indexed: str | None = None


STATUS: Final = Field("Status", "status", FieldKind.STATUS)
TYPE: Final = Field("Type", "workflow_type", FieldKind.TEXT)
WORKFLOW_ID: Final = Field("WorkflowID", "workflow_id", FieldKind.TEXT)
START_TIME: Final = Field("StartTime", "started_at", FieldKind.TIME)
CLOSE_TIME: Final = Field("CloseTime", "closed_at", FieldKind.TIME)

FIELDS: Final = (
    STATUS,
    TYPE,
    WORKFLOW_ID,
    Field("RunID", "run_id", FieldKind.TEXT),
    Field("TaskQueue", "task_queue", FieldKind.TEXT),
    START_TIME,
    CLOSE_TIME,
    Field("Duration", "(closed_at - started_at)", FieldKind.DURATION),
)
_ALIASES = {
    "executionstatus": "status",
    "workflowtype": "type",
    "executiontime": "starttime",
    "executionduration": "duration",
}
"""Temporal's names that are not ours but for their case."""
_BY_NAME = {field.name.lower(): field for field in FIELDS}

NAMES: Final = ", ".join(field.name for field in FIELDS)


def field_of(name: str, declared: Declared = NONE_DECLARED) -> Field | None:
    """The field of that name, or the attribute among those declared; None if there is none."""
    lower = name.lower()
    field = _BY_NAME.get(_ALIASES.get(lower, lower))
    if field is not None or not declared:
        return field
    same = name if name in declared else next((one for one in declared if one.lower() == lower), None)
    return None if same is None else attribute_field(same, declared[same])


def attribute_field(name: str, type_: Type) -> Field:
    """A search attribute as a field. Names are of letters, digits and what means nothing in SQL."""
    column, kind = COLUMN[type_], _KINDS[type_]
    first = f"max(own.{column})" if kind is FieldKind.KEYWORDS else f"own.{column}"
    place = "" if kind is FieldKind.KEYWORDS else " AND own.ordinal = 0"
    value = f"(SELECT {first} FROM run_attributes AS own WHERE {OWN} AND own.name = '{name}'{place})"
    return Field(name, value, kind, indexed=None if type_ is Type.TEXT else column)


OWN: Final = "own.of_run = runs.run_id"
_KINDS = {
    Type.TEXT: FieldKind.TEXT,
    Type.KEYWORD: FieldKind.TEXT,
    Type.INT: FieldKind.INT,
    Type.DOUBLE: FieldKind.DOUBLE,
    Type.BOOL: FieldKind.BOOL,
    Type.DATETIME: FieldKind.TIME,
    Type.KEYWORD_LIST: FieldKind.KEYWORDS,
}
