"""Wire protocol v1, to a workflow, on dalsegno.commands: see `messages`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from dalsegno.broker.protocol.fields import (
    Attributes,
    Counter,
    Headers,
    IncidentAction,
    Level,
    Microseconds,
    Name,
    QuarantineAction,
    RequestOf,
    RootRun,
    TaskQueue,
    Text,
    Token,
    UpdateStage,
    WireMessage,
)
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import (
    ATTEMPTS_MAX,
    QueryRejectCondition,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)


class ToWorkflow(WireMessage, frozen=True, kw_only=True):
    """Base of what is routed by a workflow ID. `run_id` None means the current run."""

    workflow_id: Name
    run_id: Name | None = None


class ToChangeWorkflow(ToWorkflow, frozen=True, kw_only=True):
    """Base of what changes something; it needs a message ID, to be known when it comes twice."""


class ByWorkflow(ToChangeWorkflow, frozen=True, kw_only=True):
    """Base of what a workflow may send, too. `answer_to` is then told whether it was done, by
    `workflow.answered`; `child_of`: it is refused by whatever is not the child that this has started."""

    answer_to: RequestOf | None = None
    child_of: RequestOf | None = None


class WorkflowRetries(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a run that has failed is tried again: see RetryPolicy. `maximum_attempts` 0 means no limit."""

    initial_interval: Annotated[int, Meta(ge=1, le=2**53)] = 1_000_000
    backoff_coefficient: Annotated[float, Meta(ge=1, le=1_000_000)] = 2.0
    maximum_interval: Microseconds = 100_000_000
    maximum_attempts: Annotated[int, Meta(ge=0, le=ATTEMPTS_MAX)] = 0
    non_retryable_error_types: tuple[Name, ...] = ()


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
    memo: dict[str, Payload] = field(default_factory=dict)
    tell_suspended: bool = False
    """Who waits for the result is told by an `answer` with the status "suspended" whenever that is so."""
    parent: RequestOf | None = None
    """It is a child of this, which is told whether it has begun, by `workflow.answered`, and how it has
    ended, by `workflow.ended`."""
    root: RootRun | None = None
    run_timeout: Microseconds | None = None
    """Of one run, which may be tried again; `execution_timeout` is of all runs that follow each other."""
    retry_policy: WorkflowRetries | None = None
    start_delay: Microseconds | None = None
    """The run's code begins so much later, unless a signal or an update comes with the start."""
    search_attributes: Attributes = field(default_factory=dict)
    last_result: Payload | None = None
    """Of a child: what the one before it has given, where they are started one after the other, as by a
    schedule."""
    last_failure: Failure | None = None
    """Likewise: by what the one before it has failed, if it did."""
    priority: Level | None = None
    """How urgent its activities are, and its children, where nothing else is said of them. Left out: 3."""
    headers: Headers = field(default_factory=dict)
    """Of the run; and of the signal, if one comes with it."""


class SignalWithStart(StartWorkflow, frozen=True, kw_only=True):
    """A start with a signal, in one: it is for the open run, which is left in place if nothing else is said, or
    for the one that begins. Both are recorded together, or none. It needs a message ID."""

    TYPE = "workflow.signal_with_start"
    signal_name: Name
    signal_args: tuple[Payload, ...] = ()
    conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.USE_EXISTING


class UpdateWithStart(StartWorkflow, frozen=True, kw_only=True):
    """A start with an update, in one, as SignalWithStart, but an open run is in its way unless something else
    is said. It is answered as an update is; `replies` are those to the start, beside that."""

    TYPE = "workflow.update_with_start"
    update_name: Name
    update_args: tuple[Payload, ...] = ()
    update_id: Name | None = None
    wait_for: UpdateStage = "accepted"
    update_headers: Headers = field(default_factory=dict)


class SignalWorkflow(ByWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.signal"
    name: Name
    args: tuple[Payload, ...] = ()
    headers: Headers = field(default_factory=dict)


class ChangeQuarantine(ToChangeWorkflow, frozen=True, kw_only=True):
    """See to a signal in the quarantine of the workflow, by its number: give it to its handler again, give it
    other arguments, or drop it."""

    TYPE = "workflow.quarantine"
    number: Counter
    action: QuarantineAction
    args: tuple[Payload, ...] = ()


class ResolveIncident(ToChangeWorkflow, frozen=True, kw_only=True):
    """What becomes of an activity whose attempts are exhausted, and which waits for a person, by the number of
    its incident: it is tried again, completes with `result`, or fails, with `failure` or, without one, as its
    last attempt has."""

    TYPE = "workflow.incident"
    number: Counter
    action: IncidentAction
    result: Payload | None = None
    failure: Failure | None = None


class QueryWorkflow(ToWorkflow, frozen=True, kw_only=True):
    """`reject_condition`: of which runs it is not answered, but refused as `query_rejected`."""

    TYPE = "workflow.query"
    name: Name
    args: tuple[Payload, ...] = ()
    reject_condition: QueryRejectCondition = QueryRejectCondition.NONE
    headers: Headers = field(default_factory=dict)


class UpdateWorkflow(ToChangeWorkflow, frozen=True, kw_only=True):
    """Answered at once with how far it has come, and again, by a reply of the kind "update", when that is as
    far as `wait_for`. It is known by its `update_id`, which is the message ID if none is given."""

    TYPE = "workflow.update"
    name: Name
    args: tuple[Payload, ...] = ()
    update_id: Name | None = None
    wait_for: UpdateStage = "accepted"
    headers: Headers = field(default_factory=dict)


class AwaitUpdate(ToWorkflow, frozen=True, kw_only=True):
    """Answered, by a reply of the kind "update", when the update has come so far. As with AwaitResult, ask
    again every 20 s, with a new message ID, and at once on the error code `moved`."""

    TYPE = "workflow.await_update"
    update_id: Name
    wait_for: UpdateStage = "completed"


class ResolveActivity(ToChangeWorkflow, frozen=True, kw_only=True):
    """How an activity has ended, as somebody else than its worker says. One of `result`, `failure` and
    `canceled` is given, with `details` if it is the last. `token`: of one attempt; without it, of whatever is
    pending under that ID."""

    TYPE = "workflow.resolve_activity"
    activity_id: Name
    token: Token | None = None
    result: Payload | None = None
    failure: Failure | None = None
    canceled: bool = False
    details: tuple[Payload, ...] = ()


class HeartbeatActivity(ToWorkflow, frozen=True, kw_only=True):
    """An activity is alive, as somebody else than its worker says. Answered with the result
    `{"cancel_requested": false}`, or true. `token` as in ResolveActivity."""

    TYPE = "workflow.heartbeat_activity"
    activity_id: Name
    token: Token | None = None
    details: Payload | None = None


class CancelWorkflow(ByWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.cancel"
    reason: Text = ""


class TerminateWorkflow(ByWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.terminate"
    reason: Text = ""


class SuspendWorkflow(ToChangeWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.suspend"
    reason: Text = ""


class ResumeWorkflow(ToChangeWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.resume"


class DescribeWorkflow(ToWorkflow, frozen=True, kw_only=True):
    TYPE = "workflow.describe"


class AwaitEndOfWorkflow(ToWorkflow, frozen=True, kw_only=True):
    """A run of another workflow wants to be told how this one ends: by `workflow.ended`, when it has, or by
    `workflow.answered`, if there is no such run."""

    TYPE = "workflow.await_end"
    answer_to: RequestOf


class AwaitResult(ToWorkflow, frozen=True, kw_only=True):
    """Answered when the run has ended. Waiters live in memory: ask again every 20 s, with a new message ID,
    and at once on a reply with the error code `moved`. `tell_suspended` as in a start. Of a run that goes on as
    another the end of that one is told, and so on, unless `follow_runs` is false."""

    TYPE = "workflow.result"
    tell_suspended: bool = False
    follow_runs: bool = True
