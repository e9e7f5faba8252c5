"""Events: the facts of a run, as the journal keeps them. One `Record` is one activation, one journal row.

An event tells what happened, not what follows from it: inputs for user code, effects and phases are derived
by `apply`, the same way when it happens and whenever it is read again. Events are stored as tagged arrays:
a new field or tag is a new format (see `stored.formats`); tags are never used again for something else.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.recipients import Recipient
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.inputs import Carried, SignedState
from dalsegno.actors.workflow_actor.run.primitives import PrimitiveEvent, PrimitiveWant
from dalsegno.actors.workflow_actor.run.state import EarlierEffect, SuspensionKind, UpdatesAlong
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

# --- the run ---------------------------------------------------------------------------------------------


class RunStarted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="run"):
    """`earlier` are the outstanding effects that this run takes over from the one before it. Where that one
    goes on as this: `carried` is what its code had not begun with, in order, and `updates` what is known of the
    updates among that, by their IDs."""

    info: RunInfo
    args: tuple[Payload, ...]
    recipients: tuple[Recipient, ...]
    python: str
    earlier: tuple[EarlierEffect, ...] = ()
    carried: tuple[Carried, ...] = ()
    updates: UpdatesAlong = {}


class RunClosed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="end"):
    """`next_run_id`: of the run that follows by itself, and takes over who waits for the end. `updates` are the
    IDs of those that go along."""

    status: WorkflowStatus
    result: Payload | None = None
    failure: Failure | None = None
    next_run_id: str | None = None
    updates: tuple[str, ...] = ()


class Suspended(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sus"):
    kind: SuspensionKind
    reason: str
    retry_at: int | None
    fingerprint: str


class Resumed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="res"):
    """User code is to run again."""


class DelayOver(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="dly"):
    """Code may run from now on: the run was to begin later than it was started."""


class CallerAdded(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cal"):
    """Somebody else wants to be told how the run ends."""

    recipient: Recipient


# --- inputs ----------------------------------------------------------------------------------------------


class CancelReceived(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="can"):
    """`kept`, `as_failure` as for the input CancelRequested."""

    reason: str
    kept: bool = False
    as_failure: bool = False


class Continued(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="con"):
    pass


# --- what user code wanted -------------------------------------------------------------------------------


class SignSet(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="s"):
    signed: SignedState
    python: str


class ContinueWanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="c"):
    pass


Want = PrimitiveWant | SignSet | ContinueWanted


class Ran(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ran"):
    """User code was stepped with the first input that it had not run. `digests` are remembered with that
    input (after a sign: with the one that stands for the new beginning), `wants` are done, in order."""

    digests: tuple[str, ...]
    wants: tuple[Want, ...]


# --- outstanding effects ---------------------------------------------------------------------------------


class EffectsParked(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="prk"):
    """They keep no message waiting any more: the instance itself sends them again, at `resend_at`."""

    run_id: str
    effects: tuple[EffectID, ...]
    resend_at: int


class EffectsDropped(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="drp"):
    """They need not be sent any more: confirmed, when they are an earlier run's, or they never can be."""

    run_id: str
    effects: tuple[EffectID, ...]


Event = (
    RunStarted
    | RunClosed
    | Suspended
    | Resumed
    | CallerAdded
    | DelayOver
    | CancelReceived
    | PrimitiveEvent
    | Continued
    | Ran
    | EffectsParked
    | EffectsDropped
)


class Record(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One activation. It forgets the effects named: their confirms were seen. `held`: its cause is a message
    that stays until the new effects are confirmed, too."""

    sequence: int
    time: int
    held: bool
    forgets: tuple[EffectID, ...]
    events: tuple[Event, ...]
