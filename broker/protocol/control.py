"""Wire protocol v1, the control queue: questions that any host answers, and the answer. See `messages`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from dalsegno.broker.protocol.fields import Counter, Name, Text, WireMessage
from dalsegno.broker.protocol.replies import Description, ReplyError
from dalsegno.broker.protocol.shown_runs import NamedAsTemporal
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import (
    AttributeValue,
    SearchAttributeIndexedValueType,
    TypedSearchAttributes,
    shown_attributes,
)


class Ping(WireMessage, frozen=True, kw_only=True):
    TYPE = "control.ping"


class ListHosts(WireMessage, frozen=True, kw_only=True):
    TYPE = "control.hosts"


class ListPartitions(WireMessage, frozen=True, kw_only=True):
    TYPE = "control.partitions"


class ListWorkflows(WireMessage, frozen=True, kw_only=True):
    """Runs, newest first. `before` is the `cursor` of the page before. Of several statuses or types a run has
    one; hosts of earlier versions know only the singular fields."""

    TYPE = "control.workflows"
    status: WorkflowStatus | None = None
    workflow_type: Name | None = None
    workflow_id: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Name | None = None
    statuses: tuple[WorkflowStatus, ...] = ()
    workflow_types: tuple[Name, ...] = ()


class FindWorkflows(WireMessage, frozen=True, kw_only=True):
    """Runs that fit a filter, in its order. `before` is the `cursor` of the page before, of the same filter."""

    TYPE = "control.find"
    filter: Text = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Text | None = None


class DescribeWorkflows(WireMessage, frozen=True, kw_only=True):
    """Runs that fit a filter, described as far as rows tell, without payloads, stacks and memo: for who asks of
    many why they do not move. `before` as in FindWorkflows."""

    TYPE = "control.descriptions"
    filter: Text = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Text | None = None


class CountWorkflows(WireMessage, frozen=True, kw_only=True):
    """How many runs fit a filter, and how many of each group that it names."""

    TYPE = "control.count"
    filter: Text = ""


class ListSearchAttributes(WireMessage, frozen=True, kw_only=True):
    """The search attributes that are declared."""

    TYPE = "control.search_attributes"


class DeclareSearchAttribute(WireMessage, frozen=True, kw_only=True):
    """The reply has the attribute, if it is new."""

    TYPE = "control.declare_search_attribute"
    name: Name
    value_type: SearchAttributeIndexedValueType


class RemoveSearchAttribute(WireMessage, frozen=True, kw_only=True):
    """`force`: from runs that have it, too. The reply has the attribute, if there was one."""

    TYPE = "control.remove_search_attribute"
    name: Name
    force: bool = False


class ListDeadlines(WireMessage, frozen=True, kw_only=True):
    """Open deadlines of open runs, in the order in which they are at risk; with `at_risk` those that are so
    now, or overdue. `before` is the `cursor` of the page before."""

    TYPE = "control.deadlines"
    at_risk: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Text | None = None


class GetHistory(WireMessage, frozen=True, kw_only=True):
    """A run's journal, oldest first, from `after` (a sequence) on."""

    TYPE = "control.history"
    workflow_id: Name
    run_id: Name | None = None
    after: Counter = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


# `workflow.describe` and `workflow.query` may be sent to the control queue too: a host forwards them to the
# partition. (DescribeWorkflow, QueryWorkflow in `to_workflow`.)


class HostInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    host_id: str
    expires_at: int
    partitions: tuple[int, ...] = ()
    version: str = ""
    format_read: int = 1
    tables: str = ""  # the newest revision that it knows


class PartitionInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    partition: int
    owner: str | None = None
    epoch: int = 0


class WorkflowSummary(NamedAsTemporal, Struct, frozen=True, kw_only=True, omit_defaults=True):
    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    status: WorkflowStatus
    started_at: int
    closed_at: int | None = None
    reason: str | None = None
    search_attributes: dict[str, AttributeValue] = {}

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        return shown_attributes(self.search_attributes)


class ListedDeadline(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A deadline that is open. `workflow_status` is that of its run, which may be suspended."""

    workflow_id: str
    run_id: str
    workflow_type: str
    workflow_status: WorkflowStatus
    number: int
    name: str
    status: Literal["on_time", "at_risk", "overdue"]
    due_at: int
    risk_at: int
    """`due_at`, if nobody is to be warned."""


class HistoryEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One journal row. Each event is a map whose `type` names it; payloads are shown by encoding and size
    unless they are JSON."""

    sequence: int
    time: int
    cause: str
    events: tuple[dict[str, object], ...]


class RunGroup(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Runs that have these values, in the order of the fields by which they are grouped."""

    values: tuple[str, ...]
    count: int


class ControlReply(WireMessage, frozen=True, kw_only=True):
    """The answer to a control request: the field asked for, or `error`."""

    TYPE = "control.reply"
    version: str = ""
    host_id: str = ""
    hosts: tuple[HostInfo, ...] = ()
    partitions: tuple[PartitionInfo, ...] = ()
    workflows: tuple[WorkflowSummary, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    cursor: str | None = None
    count: int | None = None
    groups: tuple[RunGroup, ...] = ()
    deadlines: tuple[ListedDeadline, ...] = ()
    search_attributes: dict[str, SearchAttributeIndexedValueType] = field(default_factory=dict)
    descriptions: tuple[Description, ...] = ()
    error: ReplyError | None = None
