"""Wire protocol v1, to who has asked a workflow: see `messages`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from dalsegno.broker.protocol.fields import Text, UpdateStage, WireMessage
from dalsegno.broker.protocol.shown_runs import NamedAsTemporal, moment_of
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue, TypedSearchAttributes, shown_attributes

ErrorCode = Literal[
    "rejected",
    "invalid",
    "not_found",
    "already_started",
    "closed",
    "query_failed",
    "query_rejected",
    "update_rejected",
    "activity_not_found",
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
    state: Literal["scheduled", "started", "backing_off", "paused"]
    scheduled_at: int
    next_attempt_at: int | None = None
    last_failure: Failure | None = None
    """Of the attempt before; its type and message are what people look for."""
    cancel_requested: bool = False
    worker: str | None = None
    """The queue of the worker that said that it works on this attempt."""
    started_at: int | None = None
    outside: bool = False
    """It goes on outside of its worker."""
    last_heartbeat_at: int | None = None
    """When this host heard the attempt's last heartbeat; it is not kept when the workflow leaves memory."""
    is_local: bool = False
    """The host itself runs it."""
    priority: int | None = None
    """None: the ordinary, 3."""
    maximum_attempts: int = 0
    """0: without a limit."""
    heartbeat_timeout: int | None = None
    """How long a started attempt may be silent."""
    due_at: int | None = None
    """When hosts do something about it of themselves: time it out, try it again, look for its task."""


class PendingTimer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For `describe`."""

    number: int
    fire_at: int


class OpenRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run has asked of another workflow that has not answered, for `describe`."""

    asked: str
    workflow_id: str
    asked_at: int


class ShownSuspension(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Beside the reason of a suspension, for `describe`. `kind`: "bug", "nondeterminism", "unknown_type",
    "operator", "struck", "corrupt", or one of a later version. `retry_at`: when its code is tried again."""

    kind: str
    since: int
    retry_at: int | None = None


class PendingUpdate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An update without an outcome, for `describe`."""

    update_id: str
    name: str
    stage: Literal["admitted", "accepted"]
    admitted_at: int


class PendingCompensation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What undoes a step of a saga. `phase`: "pending" while nothing is undone, "due" when it is, or will be
    when those before it are undone, "failed" (for good)."""

    number: int
    name: str
    step: str
    phase: str
    pushed_at: int
    saga: str = ""
    failure: str | None = None


class RunDeadline(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A deadline of a run, for `describe`. `risk_at`: when it is at risk, if somebody is to be warned."""

    number: int
    name: str
    status: Literal["on_time", "at_risk", "overdue", "met", "met_late"]
    set_at: int
    due_at: int
    risk_at: int | None = None
    met_at: int | None = None


class OpenChild(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A child workflow that is open as far as its parent knows, for `describe`. `run_id` when it has begun."""

    workflow_id: str
    workflow_type: str
    parent_close_policy: Literal["terminate", "abandon", "request_cancel"]
    started_at: int
    run_id: str | None = None


class UnfitSignal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A signal that does not fit its handler, or at which code killed its host, for `describe`. `args` are left
    out where all those of the run are too large."""

    number: int
    name: str
    reason: str
    set_aside_at: int
    args: tuple[Payload, ...] | None = None


class OpenIncident(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An activity whose attempts are exhausted, and which waits for a person, for `describe`. `args` are left
    out where they are too large."""

    number: int
    activity_id: str
    activity_type: str
    task_queue: str
    attempts: int
    opened_at: int
    last_failure: Failure | None = None
    args: tuple[Payload, ...] | None = None


class Description(NamedAsTemporal, Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    search_attributes: dict[str, AttributeValue] = {}
    pending_activities: tuple[PendingActivity, ...] = ()
    pending_activities_count: int = 0
    pending_timers: int = 0
    buffered_signals: int = 0
    buffered_signal_names: dict[str, int] = {}
    """How many there are of each name: of the first 20 names, as they came."""
    quarantine: tuple[UnfitSignal, ...] = ()
    incidents: tuple[OpenIncident, ...] = ()
    """The first 100 of those that are open, by number."""
    incidents_open: int = 0
    updates: tuple[PendingUpdate, ...] = ()
    """The first 20 of those that are open, in the order of their IDs."""
    updates_open: int = 0
    updates_completed: int = 0
    compensations: tuple[PendingCompensation, ...] = ()
    """What sagas have still to undo, or could not: the first 20, in the order in which they are undone."""
    compensations_count: int = 0
    deadlines: tuple[RunDeadline, ...] = ()
    """Those that are open, as they come due, and the last 20 of those that are met, the newest first."""
    parent_workflow_id: str | None = None
    """Of a child: who has started it."""
    parent_run_id: str | None = None
    children: tuple[OpenChild, ...] = ()
    """The first hundred of those that are open, in the order in which they were started."""
    children_open: int = 0
    waiting_for: tuple[str, ...] = ()
    input: tuple[Payload, ...] | None = None
    """The start's arguments; None behind a sign, and where they are too large to be shown here."""
    result: Payload | None = None
    """Of a completed run, unless it is too large to be shown here: ask by `workflow.result`."""
    failure: Failure | None = None
    left_out: tuple[str, ...] = ()  # in words, what there was no room for
    first_run_id: str | None = None
    """Of the chain of runs that follow each other by themselves; None where this is the first."""
    continued_run_id: str | None = None
    """The run before in the chain."""
    next_run_id: str | None = None
    attempt: int = 1
    """Of a workflow that is tried again, which this is."""
    begins_at: int | None = None
    """When the code of a run may run that may not yet."""
    details: str = ""
    """What its code says of itself: `workflow.set_current_details`."""
    patches: tuple[str, ...] = ()
    """The first 20 that it has taken: `workflow.patched`."""
    priority: int | None = None
    """As it was started with, or has gone on with; None: the ordinary, 3."""
    described_at: int | None = None
    """By the clock of who describes it."""
    moved_at: int | None = None
    """When something was recorded of it last."""
    suspension: ShownSuspension | None = None
    backlog: int = 0
    """What is recorded, and was not given to its code yet."""
    timers: tuple[PendingTimer, ...] = ()
    """The first 20, by number."""
    requests: tuple[OpenRequest, ...] = ()
    """The first 20."""
    times_out_at: int | None = None
    """When the time of the run is over, or of its chain."""

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        return shown_attributes(self.search_attributes)

    @property
    def parent_id(self) -> str | None:
        """`parent_workflow_id`, as the Temporal SDK calls it."""
        return self.parent_workflow_id

    @property
    def execution_time(self) -> datetime:
        """When its code began, or is to begin."""
        return self.start_time if self.begins_at is None else moment_of(self.begins_at)


class Reply(WireMessage, frozen=True, kw_only=True):
    """The answer to a command, sent to its `reply_to` with its `correlation_id` (or, failing that, its
    message ID). `error` set means that it was refused.

    For "result": `result` when the run completed, `failure` when it did not, `status` says how it ended. With
    `next_run_id` another run follows by itself. With the error `query_failed`, `failure` is what the handler
    raised.

    Of an update, `update_id` and `update_stage` say how far it has come, in an `answer` and in what follows
    that, of the kind "update"; once it is completed, `result` or `failure` is its outcome. With the error
    `update_rejected`, `failure` is why.
    """

    TYPE = "reply"
    kind: Literal["accepted", "result", "answer", "update"]
    workflow_id: str | None = None
    run_id: str | None = None
    status: WorkflowStatus | None = None
    reason: str | None = None
    result: Payload | None = None
    failure: Failure | None = None
    description: Description | None = None
    error: ReplyError | None = None
    update_id: str | None = None
    update_stage: UpdateStage | None = None
    next_run_id: str | None = None
    incident: int | None = None
    """In an `answer` to who waits for a result: the number of an incident that is open, as `reason` says."""
