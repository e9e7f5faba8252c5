"""Wire protocol v1: every message as a type. docs/protocol.md is the contract for other languages.

The AMQP property `type` names the message (`TYPE` here), `message_id` makes it recognisable when it comes
twice, `correlation_id` and `reply_to` say where the answer goes. The body is a CBOR or JSON map with the
fields below; unknown fields are ignored. Durations and times are whole microseconds (times since 1970, UTC).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowIDReusePolicy, WorkflowStatus

Name = Annotated[str, Meta(min_length=1, max_length=255)]
"""IDs, types, names: 1 to 255 characters; the decoder also limits them to 255 bytes of printable UTF-8."""
TaskQueue = Annotated[str, Meta(min_length=1, max_length=240)]
"""The name of a queue to be made, so it is of fewer characters: see `name_rules.why_not_task_queue`."""
Text = Annotated[str, Meta(max_length=10_000)]
Microseconds = Annotated[int, Meta(ge=0, le=2**53, description="microseconds")]
Counter = Annotated[int, Meta(ge=0, le=2**53)]
Token = Annotated[bytes, Meta(min_length=16, max_length=64)]


class WireMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base: a message body."""

    TYPE: ClassVar[str]


# --- to a workflow, on dalsegno.commands -----------------------------------------------------------------


class ToWorkflow(WireMessage, frozen=True, kw_only=True):
    """Base of what is routed by a workflow ID. `run_id` None means the current run."""

    workflow_id: Name
    run_id: Name | None = None


class StartWorkflow(WireMessage, frozen=True, kw_only=True):
    """Start a run. Its run ID is derived from (workflow ID, message ID): see `ids`.

    `replies` says which answers go to `reply_to`: "accepted" as soon as the start is durable, "result" when
    the run has ended. Without a message ID the run ID is derived from the workflow ID alone: one run ever.
    """

    TYPE = "workflow.start"
    workflow_id: Name
    workflow_type: Name
    task_queue: TaskQueue = "default"
    args: tuple[Payload, ...] = ()
    replies: tuple[Literal["accepted", "result"], ...] = ()
    conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.FAIL
    reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    execution_timeout: Microseconds | None = None
    memo: dict[str, Payload] = {}
    tell_suspended: bool = False
    """Who waits for the result is told by an `answer` with the status "suspended" whenever that is so."""


class SignalWorkflow(ToWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.signal"
    name: Name
    args: tuple[Payload, ...] = ()


class QueryWorkflow(ToWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.query"
    name: Name
    args: tuple[Payload, ...] = ()


class CancelWorkflow(ToWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.cancel"
    reason: Text = ""


class TerminateWorkflow(ToWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.terminate"
    reason: Text = ""


class SuspendWorkflow(ToWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.suspend"
    reason: Text = ""


class ResumeWorkflow(ToWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.resume"


class DescribeWorkflow(ToWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.describe"


class AwaitResult(ToWorkflow, frozen=True, kw_only=True):
    """Answered when the run has ended. Waiters live in memory: ask again every 20 s, with a new message ID,
    and at once on a reply with the error code `moved`. `tell_suspended` as in a start."""

    TYPE = "workflow.result"
    tell_suspended: bool = False


class Marker(WireMessage, frozen=True, kw_only=True):
    """A host to itself: what was queued before it took the partition has now been seen."""

    TYPE = "partition.marker"
    partition: Counter
    host_id: Name
    nonce: Name


# --- from a worker to a workflow, on dalsegno.results ----------------------------------------------------


class FromActivity(WireMessage, frozen=True, kw_only=True):
    """Base of a worker's messages about one attempt; these fields are copied from the task."""

    workflow_id: Name
    run_id: Name
    activity_id: Name
    attempt: Counter
    token: Token


class ActivityStarted(FromActivity, frozen=True, kw_only=True):
    """Work has begun (late tasks: it has lasted 1 s; early tasks: asks for the grant).

    `worker` is the queue to which grant and cancel go; what follows a "~" in it tells names of one process
    apart. `alone`: of a late task that came back, and that would be to blame if the worker died now; it asks
    for a grant, as early work does.
    """

    TYPE = "activity.started"
    worker: Name
    alone: bool = False


class ActivityHeartbeat(FromActivity, frozen=True, kw_only=True):
    TYPE = "activity.heartbeat"
    worker: Name | None = None
    details: Payload | None = None


class ActivityCompleted(FromActivity, frozen=True, kw_only=True):
    TYPE = "activity.completed"
    result: Payload


class ActivityFailed(FromActivity, frozen=True, kw_only=True):
    """The attempt failed. `next_retry_delay` replaces the policy's delay once. `returned` is a host's word: the
    task came back more often than the broker hands one out, which a worker need not have died of. It is
    another for each time that the task was sent."""

    TYPE = "activity.failed"
    failure: Failure
    next_retry_delay: Microseconds | None = None
    returned: Name | None = None


class ActivityCanceled(FromActivity, frozen=True, kw_only=True):
    """The activity stopped because it was asked to."""

    TYPE = "activity.canceled"
    details: Payload | None = None


# --- to workers ------------------------------------------------------------------------------------------


class ActivityTask(WireMessage, frozen=True, kw_only=True):
    """One attempt to be made, on the queue `dalsegno.tasks.<task queue>`.

    `acknowledge`: "late" = work, publish the outcome with confirm, then acknowledge. "early" = publish
    `activity.started`, wait for the grant, acknowledge, then work. Answers go to `exchange` with
    `routing_key`. `fence` only grows over the attempts of one run; `idempotency_key` is the same for all
    attempts of one activity. `heartbeat_timeout` set and `auto_heartbeat` false means that the activity's own
    code sends heartbeats; with `auto_heartbeat` the worker does, at a third of the timeout.
    """

    TYPE = "activity.task"
    workflow_id: Name
    run_id: Name
    workflow_type: Name
    activity_id: Name
    activity_type: Name
    task_queue: Name
    attempt: Counter
    token: Token
    fence: Counter
    idempotency_key: Name
    acknowledge: Literal["late", "early"] = "late"
    exchange: Name
    routing_key: Name
    args: tuple[Payload, ...] = ()
    scheduled_at: Microseconds
    start_to_close: Microseconds | None = None
    heartbeat_timeout: Microseconds | None = None
    auto_heartbeat: bool = False
    heartbeat_details: Payload | None = None


class ActivityGrant(WireMessage, frozen=True, kw_only=True):
    """The answer to an early task's `started`. Not `granted`: another has it or it is over; drop it. `token`
    is the task's: an activity ID may be used again while what had it before still runs. Older hosts send
    none."""

    TYPE = "activity.grant"
    run_id: Name
    activity_id: Name
    attempt: Counter
    granted: bool
    token: Token | None = None


class ActivityCancel(WireMessage, frozen=True, kw_only=True):
    """The engine asks the worker to stop this attempt. `token` as in a grant."""

    TYPE = "activity.cancel"
    run_id: Name
    activity_id: Name
    attempt: Counter
    reason: Text = ""
    token: Token | None = None


# --- replies ---------------------------------------------------------------------------------------------

ErrorCode = Literal[
    "rejected",
    "invalid",
    "not_found",
    "already_started",
    "closed",
    "query_failed",
    "unsupported",
    "too_large",
    "moved",
]
"""The closed list. `moved`: this host gives the partition up, ask again. `too_large`: the answer does not
fit into a message. `invalid`: the request could not be read."""


class ReplyError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    code: ErrorCode
    message: Text
    workflow_id: str | None = None
    run_id: str | None = None


class PendingActivity(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One activity that is not settled, for `describe`."""

    activity_id: str
    activity_type: str
    task_queue: str
    attempt: int
    state: Literal["scheduled", "started", "backing_off"]
    scheduled_at: int
    next_attempt_at: int | None = None
    last_failure: Failure | None = None
    """Of the attempt before; its type and message are what people look for."""
    cancel_requested: bool = False
    worker: str | None = None
    """The queue of the worker that said that it works on this attempt."""
    started_at: int | None = None
    last_heartbeat_at: int | None = None
    """When this host heard the attempt's last heartbeat; it is not kept when the workflow leaves memory."""


class Description(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `describe` tells about a run. Of pending activities it has the first hundred, and counts all."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    status: WorkflowStatus
    sequence: int
    started_at: int
    closed_at: int | None = None
    suspended_reason: str | None = None
    cancel_requested: bool = False
    partition: int | None = None
    host_id: str | None = None
    history_length: int = 0
    next_wake_up_at: int | None = None
    memo: dict[str, Payload] = {}
    pending_activities: tuple[PendingActivity, ...] = ()
    pending_activities_count: int = 0
    pending_timers: int = 0
    buffered_signals: int = 0
    buffered_signal_names: dict[str, int] = {}
    """How many there are of each name: of the first 20 names, as they came."""
    waiting_for: tuple[str, ...] = ()
    input: tuple[Payload, ...] | None = None
    """The start's arguments; None behind a sign, and where they are too large to be shown here."""
    result: Payload | None = None
    """Of a completed run, unless it is too large to be shown here: ask by `workflow.result`."""
    failure: Failure | None = None
    left_out: tuple[str, ...] = ()  # in words, what there was no room for


class Reply(WireMessage, frozen=True, kw_only=True):
    """The answer to a command, sent to its `reply_to` with its `correlation_id` (or, failing that, its
    message ID). `error` set means that it was refused.

    For "result": `result` when the run completed, `failure` when it did not, `status` says how it ended. With
    the error `query_failed`, `failure` is what the handler raised.
    """

    TYPE = "reply"
    kind: Literal["accepted", "result", "answer"]
    workflow_id: str | None = None
    run_id: str | None = None
    status: WorkflowStatus | None = None
    reason: str | None = None
    result: Payload | None = None
    failure: Failure | None = None
    description: Description | None = None
    error: ReplyError | None = None


# --- the control queue -----------------------------------------------------------------------------------


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


class GetHistory(WireMessage, frozen=True, kw_only=True):
    """A run's journal, oldest first, from `after` (a sequence) on."""

    TYPE = "control.history"
    workflow_id: Name
    run_id: Name | None = None
    after: Counter = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


# `workflow.describe` and `workflow.query` may be sent to the control queue too: a host forwards them to the
# partition. (DescribeWorkflow, QueryWorkflow above.)


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


class WorkflowSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    status: WorkflowStatus
    started_at: int
    closed_at: int | None = None
    reason: str | None = None


class HistoryEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One journal row. Each event is a map whose `type` names it; payloads are shown by encoding and size
    unless they are JSON."""

    sequence: int
    time: int
    cause: str
    events: tuple[dict[str, object], ...]


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
    error: ReplyError | None = None


# --- between hosts ---------------------------------------------------------------------------------------


class PartitionsReleased(WireMessage, frozen=True, kw_only=True):
    """A host to the heir it named: these leases are yours to take now."""

    TYPE = "host.released"
    host_id: Name
    partitions: tuple[Counter, ...]


class HostJoined(WireMessage, frozen=True, kw_only=True):
    """A new host to the others: the shares have changed."""

    TYPE = "host.joined"
    host_id: Name


class TaskQueueLost(WireMessage, frozen=True, kw_only=True):
    """A host to the others: this task queue was deleted with what lay in it. It is there again."""

    TYPE = "host.task_queue_lost"
    task_queue: Name


class NamespaceDeclared(WireMessage, frozen=True, kw_only=True):
    """A host to the others: something of the namespace was deleted. It is there again."""

    TYPE = "host.namespace_declared"
    host_id: Name
