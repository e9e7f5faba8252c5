"""docs/protocol.cddl says of every message what broker/protocol/messages.py says."""

from __future__ import annotations

import re
import types
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest

from dalsegno.broker.protocol import messages
from dalsegno.broker.protocol.codec import MESSAGE_TYPES
from dalsegno.broker.protocol.fields import Asked
from dalsegno.failure import Failure, FailureKind
from dalsegno.payload import Payload
from dalsegno.policies import (
    QueryRejectCondition,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    WorkflowStatus,
)
from dalsegno.search_attributes import AttributeValue, SearchAttributeIndexedValueType

CDDL = (Path(__file__).parents[2] / "docs" / "protocol.cddl").read_text()
MAPS = dict(re.findall(r"^([\w.-]+) = \{\n?(.*?)\n?\}$", CDDL, re.MULTILINE | re.DOTALL))
for _name, _body in MAPS.items():
    """What a map takes over from another one."""
    MAPS[_name] = re.sub(r"^  ~([\w.-]+),.*$", lambda other: MAPS[other[1]], _body, flags=re.MULTILINE)
CHOICES = {
    name: re.findall(r'"(\w+)"', body)
    for name, body in re.findall(r"^([\w-]+) = (\"\w+\"(?:\s*/\s*\"\w+\")*)", CDDL, re.MULTILINE)
}

STRUCTS: dict[str, type[msgspec.Struct]] = {
    "payload": Payload,
    "failure": Failure,
    "reply-error": messages.ReplyError,
    "request-of": messages.RequestOf,
    "root-run": messages.RootRun,
    "pending-activity": messages.PendingActivity,
    "pending-compensation": messages.PendingCompensation,
    "pending-update": messages.PendingUpdate,
    "pending-timer": messages.PendingTimer,
    "open-request": messages.OpenRequest,
    "shown-suspension": messages.ShownSuspension,
    "open-child": messages.OpenChild,
    "run-deadline": messages.RunDeadline,
    "listed-deadline": messages.ListedDeadline,
    "unfit-signal": messages.UnfitSignal,
    "open-incident": messages.OpenIncident,
    "description": messages.Description,
    "host-info": messages.HostInfo,
    "partition-info": messages.PartitionInfo,
    "workflow-summary": messages.WorkflowSummary,
    "history-entry": messages.HistoryEntry,
    "run-group": messages.RunGroup,
    "attribute-value": AttributeValue,
    "workflow-retries": messages.WorkflowRetries,
    **MESSAGE_TYPES,
}
ENUMS: dict[str, type[StrEnum]] = {
    "workflow-status": WorkflowStatus,
    "conflict-policy": WorkflowIDConflictPolicy,
    "reuse-policy": WorkflowIDReusePolicy,
    "reject-condition": QueryRejectCondition,
    "attribute-type": SearchAttributeIndexedValueType,
}
LITERALS: dict[str, Any] = {
    "error-code": messages.ErrorCode,
    "failure-kind": FailureKind,
    "update-stage": messages.UpdateStage,
    "asked": Asked,
    "quarantine-action": messages.QuarantineAction,
    "incident-action": messages.IncidentAction,
}
NAMED: dict[Any, str] = {
    messages.Name: "name",
    messages.TaskQueue: "task-queue",
    messages.Text: "text",
    messages.Microseconds: "microseconds",
    messages.Counter: "counter",
    messages.Level: "level",
    messages.Token: "token",
    messages.Headers: "{* name => payload}",
    str: "tstr",
    bytes: "bstr",
    int: "int",
    bool: "bool",
    float: "float",
    object: "any",
    **{cls: name for name, cls in (STRUCTS | ENUMS | LITERALS).items()},
}


def cddl_of(annotation: Any) -> str:
    if annotation in NAMED:
        return NAMED[annotation]
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):  # None is told by absence
        return " / ".join(cddl_of(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        item = cddl_of(arguments[0])
        return f"[* ({item})]" if "/" in item else f"[* {item}]"
    if origin is dict:
        return f"{{* {cddl_of(arguments[0])} => {cddl_of(arguments[1])}}}"
    if origin is Literal:
        return " / ".join(f'"{value}"' for value in arguments)
    if origin is Annotated:
        return f"{arguments[1].ge}..{arguments[1].le}"
    raise AssertionError(f"this test has no CDDL for {annotation}")


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_each_map_has_the_fields_of_its_class(name: str) -> None:
    declared = {
        field: (bool(optional), kind)
        for optional, field, kind in re.findall(
            r"^  (\? )?(\w+): (.*?),?(?:\s*;.*)?$", MAPS[name], re.MULTILINE
        )
    }
    fields = msgspec.structs.fields(STRUCTS[name])
    assert declared == {f.encode_name: (not f.required, cddl_of(f.type)) for f in fields}


def test_no_map_is_left_over() -> None:
    assert set(MAPS) == set(STRUCTS)


@pytest.mark.parametrize(("name", "enum"), ENUMS.items())
def test_each_choice_has_the_values_of_its_enum(name: str, enum: type[StrEnum]) -> None:
    assert CHOICES[name] == [member.value for member in enum]


@pytest.mark.parametrize(("name", "literal"), LITERALS.items())
def test_each_closed_list_is_the_one_in_code(name: str, literal: Any) -> None:
    assert CHOICES[name] == list(get_args(literal))
