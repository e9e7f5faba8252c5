"""Events: the facts of a run, as the journal keeps them. One `Record` is one activation, one journal row.

An event tells what happened, not what follows from it: inputs for user code, effects and phases are derived
by `apply`, the same way when it happens and whenever it is read again. Events are stored as tagged arrays:
new fields go to the end, with a default; tags are never used again for something else.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.inputs import RunInfo, SignedState
from dalsegno.actors.workflow_actor.run.activities import ActivitySpec
from dalsegno.actors.workflow_actor.run.state import EarlierEffect, SuspensionKind
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

# --- the run ---------------------------------------------------------------------------------------------


class RunStarted(Struct, frozen=True, array_like=True, tag="run"):
    """`earlier` are the outstanding effects that this run takes over from the one before it."""

    info: RunInfo
    args: tuple[Payload, ...]
    callers: tuple[Caller, ...]
    python: str
    earlier: tuple[EarlierEffect, ...] = ()


class RunClosed(Struct, frozen=True, array_like=True, tag="end"):
    status: WorkflowStatus
    result: Payload | None = None
    failure: Failure | None = None


class Suspended(Struct, frozen=True, array_like=True, tag="sus"):
    kind: SuspensionKind
    reason: str
    retry_at: int | None
    fingerprint: str


class Resumed(Struct, frozen=True, array_like=True, tag="res"):
    """User code is to run again."""


class CallerAdded(Struct, frozen=True, array_like=True, tag="cal"):
    """Somebody else wants to be told how the run ends."""

    caller: Caller


# --- inputs ----------------------------------------------------------------------------------------------


class SignalReceived(Struct, frozen=True, array_like=True, tag="sig"):
    name: str
    args: tuple[Payload, ...]


class CancelReceived(Struct, frozen=True, array_like=True, tag="can"):
    """`kept` as for the input CancelRequested."""

    reason: str
    kept: bool = False


class TimerElapsed(Struct, frozen=True, array_like=True, tag="tim"):
    number: int


class ActivityCompleted(Struct, frozen=True, array_like=True, tag="ok"):
    number: int
    result: Payload


class ActivityFailed(Struct, frozen=True, array_like=True, tag="err"):
    """For good. A failure of kind `canceled` means that it was cancelled."""

    number: int
    failure: Failure


class Continued(Struct, frozen=True, array_like=True, tag="con"):
    pass


# --- what user code wanted -------------------------------------------------------------------------------


class ActivityWanted(Struct, frozen=True, array_like=True, tag="a"):
    spec: ActivitySpec
    token: bytes


class ActivityUnwanted(Struct, frozen=True, array_like=True, tag="x"):
    """`may_run`: a task that is out counts as one that may be running. (Not so in older journals.)"""

    number: int
    may_run: bool = False


class TimerWanted(Struct, frozen=True, array_like=True, tag="t"):
    number: int
    fire_at: int


class TimerUnwanted(Struct, frozen=True, array_like=True, tag="u"):
    number: int


class SignSet(Struct, frozen=True, array_like=True, tag="s"):
    signed: SignedState
    python: str


class ContinueWanted(Struct, frozen=True, array_like=True, tag="c"):
    pass


Want = ActivityWanted | ActivityUnwanted | TimerWanted | TimerUnwanted | SignSet | ContinueWanted


class Ran(Struct, frozen=True, array_like=True, tag="ran"):
    """User code was stepped with the first input that it had not run. `digests` are remembered with that
    input (after a sign: with the one that stands for the new beginning), `wants` are done, in order."""

    digests: tuple[str, ...]
    wants: tuple[Want, ...]


# --- attempts of activities ------------------------------------------------------------------------------


class AttemptBegun(Struct, frozen=True, array_like=True, tag="beg"):
    """A worker said that it works on the current attempt; of an early one, it is granted, and of one that runs
    `alone`. `content_type` is what the worker speaks ("": CBOR)."""

    number: int
    worker: str
    content_type: str = ""
    alone: bool = False


class RetryPlanned(Struct, frozen=True, array_like=True, tag="ret"):
    """The attempt failed; the next is due at `retry_at`, with the last heartbeat's details."""

    number: int
    failure: Failure
    retry_at: int
    heartbeat_details: Payload | None = None


class HeartbeatKept(Struct, frozen=True, array_like=True, tag="hb"):
    """The details of the current attempt's heartbeat that came at `at`."""

    number: int
    details: Payload
    at: int


class AttemptScheduled(Struct, frozen=True, array_like=True, tag="try"):
    number: int
    token: bytes


class TaskOverdue(Struct, frozen=True, array_like=True, tag="due"):
    """Nobody started the attempt in all this time: is its task still in the queue?"""

    number: int


class TaskResent(Struct, frozen=True, array_like=True, tag="snd"):
    """It was not, so it is sent again."""

    number: int


class TaskReturned(Struct, frozen=True, array_like=True, tag="bak"):
    """The broker gave the task up, having delivered it too often; `returned` names that. It is sent again."""

    number: int
    returned: str


# --- outstanding effects ---------------------------------------------------------------------------------


class EffectsParked(Struct, frozen=True, array_like=True, tag="prk"):
    """They keep no message waiting any more: the instance itself sends them again, at `resend_at`."""

    run_id: str
    effects: tuple[EffectID, ...]
    resend_at: int


class EffectsDropped(Struct, frozen=True, array_like=True, tag="drp"):
    """They need not be sent any more: confirmed, when they are an earlier run's, or they never can be."""

    run_id: str
    effects: tuple[EffectID, ...]


Event = (
    RunStarted
    | RunClosed
    | Suspended
    | Resumed
    | CallerAdded
    | SignalReceived
    | CancelReceived
    | TimerElapsed
    | ActivityCompleted
    | ActivityFailed
    | Continued
    | Ran
    | AttemptBegun
    | RetryPlanned
    | HeartbeatKept
    | AttemptScheduled
    | TaskOverdue
    | TaskResent
    | TaskReturned
    | EffectsParked
    | EffectsDropped
)


class Record(Struct, frozen=True, array_like=True):
    """One activation. It forgets the effects named: their confirms were seen. `held`: its cause is a message
    that stays until the new effects are confirmed, too."""

    sequence: int
    time: int
    held: bool
    forgets: tuple[EffectID, ...]
    events: tuple[Event, ...]
