"""Inputs: what user code is stepped with, one at a time. They are logged, and replayed on recovery.

A run (or what follows a sign) begins with `Begin`; after it each input is given to the program, which runs
until idle and answers with intents. Everything user code can learn comes from these.

They are stored as arrays: a new field is a new format (see `stored.formats`).
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.compensation.compensation import KeptCompensation
from dalsegno.actors.workflow_actor.deadlines.deadline import KeptDeadline
from dalsegno.actors.workflow_actor.run.primitives import PrimitiveInput
from dalsegno.actors.workflow_actor.signals.events import SetAside, Signaled
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.payload import Payload
from dalsegno.search_attributes import AttributeValue


class SignedState(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """What lies before the log: the state of the last sign (none at the beginning of the run).

    The counters go on across signs, so that IDs, random numbers and hashes never repeat within a run.
    `signals` are those, and updates, that no handler had taken when the sign was set, in the order they came;
    `cancel_reason` is set when cancellation had been requested, `cancel_as_failure` as in that request.
    `compensations` are on the stacks of the sagas that were open.
    `attributes` are the run's search attributes. `asked_ends` are the ends of other workflows that were asked
    for, and that nobody waits for at present: workflow ID, run ID, and the number of the request.
    """

    state: Payload | None = None
    state_version: int = 1
    signs: int = 0
    next_activity: int = 1
    next_timer: int = 1
    next_uuid: int = 1
    next_hash: int = 1
    signals: tuple[Signaled | Updated | SetAside, ...] = ()
    cancel_reason: str | None = None
    cancel_as_failure: bool = False
    compensations: tuple[KeptCompensation, ...] = ()
    next_request: int = 1
    """To other workflows."""
    attributes: dict[str, AttributeValue] = {}
    asked_ends: tuple[tuple[str, str | None, int], ...] = ()
    memo: dict[str, Payload] | None = None
    """As code has changed it; None: as the run began with it."""
    asked_to_stop: str | None = None
    """The reason of the first request to cancel the run, whether it has been seen or not."""
    details: str = ""
    """What code has said of itself."""
    deadlines: tuple[KeptDeadline, ...] = ()
    """Those that were open."""


class Begin(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="begin"):
    """The first input of a run, or after a sign (`args` is then empty; the state is in SignedState)."""

    args: tuple[Payload, ...] = ()

    @property
    def words(self) -> str:
        """For people."""
        return "the beginning"


class CancelRequested(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="cancel"
):
    """`kept`: until the run method has seen it. `as_failure`: who awaits an activity sees an error of that,
    too. (Not so in journals from before there was such a thing.)"""

    reason: str = ""
    kept: bool = False
    as_failure: bool = False

    @property
    def words(self) -> str:
        """For people."""
        return "the cancel request"


class Continue(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="continue"):
    """Go on after a bounded step (many signs in a row without waiting)."""

    @property
    def words(self) -> str:
        """For people."""
        return "going on"


Input = Begin | CancelRequested | Continue | PrimitiveInput

Carried = Signaled | Updated | CancelRequested
"""What goes along where a run goes on as another."""


def update_among(input_: Input) -> str | None:
    """The ID of an update; None for what is none."""
    return input_.update_id if isinstance(input_, Updated) else None


def for_other_code(input_: Carried) -> Carried:
    """What its validator has let pass, others may not even know."""
    return replace(input_, validated=False) if isinstance(input_, Updated) else input_
