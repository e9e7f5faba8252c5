"""Wire protocol v1: every message as a type. docs/protocol.md is the contract for other languages.

The AMQP property `type` names the message (`TYPE` here), `message_id` makes it recognisable when it comes
twice, `correlation_id` and `reply_to` say where the answer goes. The body is a CBOR or JSON map with the
fields of its class; unknown fields are ignored. Durations and times are whole microseconds (times since 1970,
UTC).

They stand in modules by who speaks to whom. This is the list of them all: what is not in it is not known.
"""

from __future__ import annotations

from dalsegno.broker.protocol.activities import (
    ActivityCancel,
    ActivityCanceled,
    ActivityCompleted,
    ActivityFailed,
    ActivityGrant,
    ActivityHeartbeat,
    ActivityStarted,
    ActivityTask,
    FromActivity,
)
from dalsegno.broker.protocol.between_hosts import (
    HostJoined,
    Marker,
    NamespaceDeclared,
    PartitionsReleased,
    TaskQueueLost,
)
from dalsegno.broker.protocol.between_workflows import (
    WorkflowEnded,
)
from dalsegno.broker.protocol.control import (
    ControlReply,
    CountWorkflows,
    FindWorkflows,
    GetHistory,
    HistoryEntry,
    HostInfo,
    ListHosts,
    ListPartitions,
    ListWorkflows,
    PartitionInfo,
    Ping,
    RunGroup,
    WorkflowSummary,
)
from dalsegno.broker.protocol.fields import (
    Counter,
    Microseconds,
    Name,
    TaskQueue,
    Text,
    Token,
    ToResults,
    UpdateStage,
    WireMessage,
)
from dalsegno.broker.protocol.replies import (
    Description,
    ErrorCode,
    PendingActivity,
    PendingUpdate,
    Reply,
    ReplyError,
)
from dalsegno.broker.protocol.to_workflow import (
    AwaitResult,
    AwaitUpdate,
    CancelWorkflow,
    DescribeWorkflow,
    QueryWorkflow,
    ResumeWorkflow,
    SignalWorkflow,
    StartWorkflow,
    SuspendWorkflow,
    TerminateWorkflow,
    ToChangeWorkflow,
    ToWorkflow,
    UpdateWorkflow,
)

__all__ = [
    "ActivityCancel",
    "ActivityCanceled",
    "ActivityCompleted",
    "ActivityFailed",
    "ActivityGrant",
    "ActivityHeartbeat",
    "ActivityStarted",
    "ActivityTask",
    "AwaitResult",
    "AwaitUpdate",
    "CancelWorkflow",
    "ControlReply",
    "CountWorkflows",
    "Counter",
    "DescribeWorkflow",
    "Description",
    "ErrorCode",
    "FindWorkflows",
    "FromActivity",
    "GetHistory",
    "HistoryEntry",
    "HostInfo",
    "HostJoined",
    "ListHosts",
    "ListPartitions",
    "ListWorkflows",
    "Marker",
    "Microseconds",
    "Name",
    "NamespaceDeclared",
    "PartitionInfo",
    "PartitionsReleased",
    "PendingActivity",
    "PendingUpdate",
    "Ping",
    "QueryWorkflow",
    "Reply",
    "ReplyError",
    "ResumeWorkflow",
    "RunGroup",
    "SignalWorkflow",
    "StartWorkflow",
    "SuspendWorkflow",
    "TaskQueue",
    "TaskQueueLost",
    "TerminateWorkflow",
    "Text",
    "ToChangeWorkflow",
    "ToResults",
    "ToWorkflow",
    "Token",
    "UpdateStage",
    "UpdateWorkflow",
    "WireMessage",
    "WorkflowEnded",
    "WorkflowSummary",
]
