"""Commands: what the shell asks of one workflow instance. Times and durations are whole microseconds.

They mirror the wire messages, without anything of the wire; the supervisor translates. `caller` says where an
answer goes, if one is wanted.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowIDReusePolicy


class Caller(Struct, frozen=True):
    """Who waits for an answer: an AMQP queue, the ID that the caller recognises it by, and the content type
    that it speaks ("" means CBOR). `tell_suspended`: it waits for a result, and wants to know when the run is
    suspended meanwhile."""

    reply_to: str
    correlation_id: str
    content_type: str = ""
    tell_suspended: bool = False


class Start(Struct, frozen=True, kw_only=True):
    """Begin a run. `run_id` is derived by the shell from the workflow ID and message ID."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    args: tuple[Payload, ...] = ()
    conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.FAIL
    reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    execution_timeout: int | None = None
    memo: dict[str, Payload] = {}
    caller: Caller | None = None
    wants_accepted: bool = False
    wants_result: bool = False


class Signal(Struct, frozen=True, kw_only=True):
    name: str
    args: tuple[Payload, ...] = ()
    run_id: str | None = None
    caller: Caller | None = None


class Cancel(Struct, frozen=True, kw_only=True):
    """Ask the workflow's code to stop: it sees asyncio.CancelledError and may clean up."""

    reason: str = ""
    run_id: str | None = None
    caller: Caller | None = None


class Terminate(Struct, frozen=True, kw_only=True):
    """End the run now; its code has no say."""

    reason: str = ""
    run_id: str | None = None
    caller: Caller | None = None


class Suspend(Struct, frozen=True, kw_only=True):
    """Stop running the code; what comes is recorded. `struck`: the watchdog did it (see design: strikes)."""

    reason: str = ""
    run_id: str | None = None
    caller: Caller | None = None
    struck: bool = False


class Resume(Struct, frozen=True, kw_only=True):
    """Run the code again, and work off what was recorded meanwhile."""

    run_id: str | None = None
    caller: Caller | None = None


class Query(Struct, frozen=True, kw_only=True):
    """Reads only; leaves no trace. Answered for closed runs too."""

    name: str
    args: tuple[Payload, ...] = ()
    run_id: str | None = None
    caller: Caller | None = None


class Describe(Struct, frozen=True, kw_only=True):
    run_id: str | None = None
    caller: Caller | None = None


class AttemptOf(Struct, frozen=True, kw_only=True):
    """Base: a worker's word about one attempt. It counts only with that attempt's own token."""

    run_id: str
    activity_id: str
    attempt: int
    token: bytes


class AttemptStarted(AttemptOf, frozen=True, kw_only=True):
    """`content_type` is what the worker speaks, as for Caller. `alone`: if the worker dies, it is of this."""

    worker: str
    content_type: str = ""
    alone: bool = False


class AttemptHeartbeat(AttemptOf, frozen=True, kw_only=True):
    worker: str | None = None
    details: Payload | None = None
    content_type: str = ""


class AttemptCompleted(AttemptOf, frozen=True, kw_only=True):
    result: Payload


class AttemptFailed(AttemptOf, frozen=True, kw_only=True):
    """`returned`: the broker gave the task up, and this names that; whether the attempt has failed is to be
    decided."""

    failure: Failure
    next_retry_delay: int | None = None
    returned: str | None = None


class AttemptCanceled(AttemptOf, frozen=True, kw_only=True):
    details: Payload | None = None


class WakeUp(Struct, frozen=True):
    """The instance's `wake_at` has come: timers, deadlines, retries that are due at the activation's time."""


class Settle(Struct, frozen=True):
    """All effects of a wake-up (or of a parked cause) are confirmed: forget them and move `wake_at` on."""


class KeepHeartbeats(Struct, frozen=True):
    """Put the newest heartbeat details into the state: a while has passed, or the partition is handed over."""


class Park(Struct, frozen=True):
    """These outstanding effects can't be sent now: keep them, and wake up for them at `retry_at`, so that
    their cause may be acknowledged. `run_id` names an earlier run when they are that run's."""

    effects: tuple[tuple[int, int], ...]
    retry_at: int
    run_id: str | None = None


class ResendTask(Struct, frozen=True):
    """The task queue was found empty although this attempt should be in it, or was lost with what lay in it:
    send it again. `task` is the effect that was lost, None for whatever was sent last."""

    activity_id: str
    attempt: int
    task: tuple[int, int] | None = None


class FailEffect(Struct, frozen=True):
    """The broker closed the channel over this effect each time: its activity fails, its reply is dropped.
    `run_id` names an earlier run when it is that run's."""

    effect: tuple[int, int]
    reason: str
    run_id: str | None = None


Command = (
    Start
    | Signal
    | Cancel
    | Terminate
    | Suspend
    | Resume
    | Query
    | Describe
    | AttemptStarted
    | AttemptHeartbeat
    | AttemptCompleted
    | AttemptFailed
    | AttemptCanceled
    | WakeUp
    | Settle
    | KeepHeartbeats
    | Park
    | ResendTask
    | FailEffect
)
