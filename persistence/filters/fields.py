"""What a filter can ask of a run. Names are read whatever their case; Temporal's are known, too."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class FieldKind(Enum):
    """What a field holds, by which its operators and values go."""

    TEXT = "text"
    STATUS = "status"
    TIME = "time"
    DURATION = "duration"


class Field(NamedTuple):
    """`column` is an SQL expression over the table `runs`."""

    name: str
    column: str
    kind: FieldKind


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


def field_of(name: str) -> Field | None:
    """The field of that name; None if there is none."""
    lower = name.lower()
    return _BY_NAME.get(_ALIASES.get(lower, lower))
