"""Wire protocol v1: what all messages are made of."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from dalsegno.payload import Payload
from dalsegno.priority import LEVELS
from dalsegno.search_attributes import AttributeValue

Name = Annotated[str, Meta(min_length=1, max_length=255)]
"""IDs, types, names: 1 to 255 characters; the decoder also limits them to 255 bytes of printable UTF-8."""
TaskQueue = Annotated[str, Meta(min_length=1, max_length=240)]
"""The name of a queue to be made, so it is of fewer characters: see `name_rules.why_not_task_queue`."""
Text = Annotated[str, Meta(max_length=10_000)]
Microseconds = Annotated[int, Meta(ge=0, le=2**53, description="microseconds")]
Counter = Annotated[int, Meta(ge=0, le=2**53)]
Level = Annotated[int, Meta(ge=LEVELS[0], le=LEVELS[-1], description="from 1, the most urgent, to 5")]
QuarantineAction = Literal["retry", "edit", "drop"]
IncidentAction = Literal["retry", "complete", "fail"]

Attributes = dict[Name, AttributeValue]
"""By their names; a run's may not be too many together: see `search_attributes.why_too_much`."""
Headers = Annotated[dict[Name, Payload], Meta(max_length=64)]
"""What interceptors of the sender say to those of the receiver, beside the arguments."""
UpdateStage = Literal["admitted", "accepted", "completed"]
Asked = Literal["start", "signal", "cancel", "end", "terminate"]
Token = Annotated[bytes, Meta(min_length=16, max_length=64)]


class WireMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base: a message body."""

    TYPE: ClassVar[str]


class RequestOf(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run of a workflow, and the number that it knows by what it has asked another for."""

    workflow_id: Name
    run_id: Name
    number: Counter


class RootRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The run without a parent that a child comes from, by way of whatever parents."""

    workflow_id: Name
    run_id: Name


class ToResults(WireMessage, frozen=True, kw_only=True):
    """Base of what a workflow is told over dalsegno.results. All else that is for one comes over
    dalsegno.commands."""

    workflow_id: Name
    run_id: Name
