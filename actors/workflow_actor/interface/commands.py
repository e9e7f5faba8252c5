"""Commands: what the shell asks of one workflow instance. Times and durations are whole microseconds.

They mirror the wire messages, without anything of the wire; the supervisor translates. `caller` says where an
answer goes, if one is wanted. Here are those to the run itself; each room of a primitive has its own.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.workflow_of import RootOf, WorkflowOf
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowIDReusePolicy, WorkflowStatus
from dalsegno.search_attributes import AttributeValue

Asked = Literal["start", "signal", "cancel", "end", "terminate"]
"""What one workflow asks another for."""


class Caller(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who waits for an answer: an AMQP queue, the ID that the caller recognises it by, and the content type
    that it speaks ("" means CBOR). `tell_suspended`: it waits for a result, and wants to know when the run is
    suspended meanwhile."""

    reply_to: str
    correlation_id: str
    content_type: str = ""
    tell_suspended: bool = False


class Command(Struct, frozen=True):
    """Base."""


class ClientCommand(Command, frozen=True, kw_only=True):
    """Base: a client asks something of the current run, of `run_id` alone if that is given. It is refused where
    there is no such run, or none that is open.

    Another workflow may ask it, too: then `asker` is told whether it was done. `child_of`: only of a child that
    this has started, whichever of its runs it is."""

    run_id: str | None = None
    caller: Caller | None = None
    asker: WorkflowOf | None = None
    child_of: WorkflowOf | None = None


class ReadOnlyCommand(Command, frozen=True, kw_only=True):
    """Base: a client asks about a run, the current one or `run_id`, which may have ended. Nothing changes, and
    no trace is left."""

    run_id: str | None = None
    caller: Caller | None = None


class Start(Command, frozen=True, kw_only=True):
    """Begin a run. `run_id` is derived by the shell from the workflow ID and message ID. `parent`: whose
    child it is, who is told of its beginning and its end. After a `delay` its code begins, unless an
    update comes with the start."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    args: tuple[Payload, ...] = ()
    conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.FAIL
    reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    execution_timeout: int | None = None
    run_timeout: int | None = None
    retry: RetrySchedule | None = None
    delay: int | None = None
    memo: dict[str, Payload] = {}
    search_attributes: dict[str, AttributeValue] = {}
    caller: Caller | None = None
    wants_accepted: bool = False
    wants_result: bool = False
    then: ClientCommand | None = None
    """What comes with it, in one message and one activation: for the run that it begins, or for the open one
    that the policies leave in place. Where one of the two is refused, nothing is recorded of either."""
    parent: WorkflowOf | None = None
    root: RootOf | None = None
    last_result: Payload | None = None
    last_failure: Failure | None = None
    priority: int | None = None
    headers: dict[str, Payload] = {}


class AwaitEnd(Command, frozen=True, kw_only=True):
    """Another workflow wants to be told how the run ends, the current one or `run_id`, which may have gone on
    as that. It is recorded. Of what there is not it is told so at once, and so it is of what has ended."""

    workflow_id: str
    run_id: str | None
    asker: WorkflowOf


class OtherAnswered(Command, frozen=True, kw_only=True):
    """Another workflow says whether it has done what this run has asked it for under `number`. `by_run` is the
    run that says so, or stands in the way; `error` is a code and a sentence."""

    run_id: str
    number: int
    asked: Asked
    by_run: str = ""
    error: tuple[str, str] | None = None


class OtherEnded(Command, frozen=True, kw_only=True):
    """How a run of another workflow has ended that this run waits for under `number`. `error`: it cannot be
    told how."""

    run_id: str
    number: int
    by_run: str
    status: WorkflowStatus
    result: Payload | None = None
    failure: Failure | None = None
    error: tuple[str, str] | None = None


class Cancel(ClientCommand, frozen=True, kw_only=True):
    """Ask the workflow's code to stop: it sees asyncio.CancelledError and may clean up."""

    reason: str = ""


class Terminate(ClientCommand, frozen=True, kw_only=True):
    """End the run now; its code has no say."""

    reason: str = ""


class Suspend(ClientCommand, frozen=True, kw_only=True):
    """Stop running the code; what comes is recorded. `struck`: the watchdog did it (see design: strikes)."""

    reason: str = ""
    struck: bool = False


class Resume(ClientCommand, frozen=True, kw_only=True):
    """Run the code again, and work off what was recorded meanwhile."""


class Describe(ReadOnlyCommand, frozen=True, kw_only=True):
    """Say how things stand."""


class WakeUp(Command, frozen=True):
    """The instance's `wake_at` has come: timers, deadlines, retries that are due at the activation's time."""


class Settle(Command, frozen=True):
    """All effects of a wake-up (or of a parked cause) are confirmed: forget them and move `wake_at` on."""


class Park(Command, frozen=True):
    """These outstanding effects can't be sent now: keep them, and wake up for them at `retry_at`, so that
    their cause may be acknowledged. `run_id` names an earlier run when they are that run's."""

    effects: tuple[tuple[int, int], ...]
    retry_at: int
    run_id: str | None = None


class FailEffect(Command, frozen=True):
    """The broker closed the channel over this effect each time: its activity fails, its reply is dropped.
    `run_id` names an earlier run when it is that run's."""

    effect: tuple[int, int]
    reason: str
    run_id: str | None = None
