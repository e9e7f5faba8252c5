"""Wire protocol v1, between workflows and activity workers: see `messages`."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from dalsegno.broker.protocol.fields import (
    Counter,
    Headers,
    Level,
    Microseconds,
    Name,
    Text,
    Token,
    ToResults,
    WireMessage,
)
from dalsegno.failure import Failure
from dalsegno.payload import Payload

# --- from a worker to a workflow, on dalsegno.results ----------------------------------------------------


class FromActivity(ToResults, frozen=True, kw_only=True):
    """Base of a worker's messages about one attempt; all fields of it are copied from the task."""

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


class ActivityDetached(FromActivity, frozen=True, kw_only=True):
    """The worker is done with the attempt, which goes on outside: somebody will say how it ends, by the token
    in a message as above, or by `workflow.resolve_activity`."""

    TYPE = "activity.detached"


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
    schedule_to_close: Microseconds | None = None
    """For all attempts together, for the activity to know: the engine sees to it."""
    heartbeat_timeout: Microseconds | None = None
    auto_heartbeat: bool = False
    heartbeat_details: Payload | None = None
    priority: Level | None = None
    """Left out: 3. What waits at a worker is begun by it, the most urgent first."""
    headers: Headers = field(default_factory=dict)


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


class TaskLevels(WireMessage, frozen=True, kw_only=True):
    """A host to the workers of a task queue, over `dalsegno.levels`: tasks of these levels have a queue, or may
    soon lie in it. It is said when such a queue is declared, and again every few seconds."""

    TYPE = "worker.levels"
    task_queue: Name
    levels: tuple[Level, ...]
