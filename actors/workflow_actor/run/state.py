"""The state of one run, as data: all that a snapshot holds, and all that `decide` may look at.

Everything is frozen, and collections are copied when they change, large ones in part (`chunked_map`). It is
stored as arrays, and a field that another version does not know is refused: a new one is a new format (see
`stored.formats`). Times and durations are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities.activity import Activity
from dalsegno.actors.workflow_actor.children.child import ChildWorkflow
from dalsegno.actors.workflow_actor.compensation.compensation import Compensation
from dalsegno.actors.workflow_actor.deadlines.deadline import HeldDeadline
from dalsegno.actors.workflow_actor.externals.external import External
from dalsegno.actors.workflow_actor.incidents.incident import Incident
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.recipients import Recipient
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.local_activities.local_activity import LocalActivity
from dalsegno.actors.workflow_actor.run.chunked_map import Entries
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.actors.workflow_actor.run.log import CHUNK, InputLog
from dalsegno.actors.workflow_actor.run.primitives import PrimitiveEffectDue
from dalsegno.actors.workflow_actor.signals.set_aside import QuarantinedSignal
from dalsegno.actors.workflow_actor.updates.update import OpenUpdate, UpdateOutcome
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue

SuspensionKind = Literal["bug", "nondeterminism", "unknown_type", "operator", "struck", "corrupt"]
"""bug: user code raised what it did not mean. nondeterminism: it wants something else than its log shows.
unknown_type: this host does not have it. corrupt: it cannot read the state of the last sign, or get
what inputs refer to. operator: on request. struck: it did not give the host's loop back."""


UpdatesAlong = dict[str, OpenUpdate]
"""What is known of updates that go along to the next run, by their IDs."""


class RunOutcome(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How and when a run ended."""

    status: WorkflowStatus
    result: Payload | None
    failure: Failure | None
    closed_at: int

    @property
    def is_known(self) -> bool:
        """Of a run that could not be read when another took its place, no more is known than its status."""
        went_on = self.status is WorkflowStatus.CONTINUED_AS_NEW
        return went_on or self.result is not None or self.failure is not None


class ResultDue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="r"):
    """The run's outcome, for one recipient. `outcome` is None while it is the state's own."""

    recipient: Recipient
    outcome: RunOutcome | None = None


EffectDue = PrimitiveEffectDue | ResultDue


class Outstanding(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A durable effect whose confirm has not been recorded.

    `held`: its cause is a message that comes again until the effect is confirmed. Otherwise the instance
    itself must see to it: it is due for sending at `resend_at`.
    """

    due: EffectDue
    held: bool
    resend_at: int


class EarlierEffect(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An outstanding effect of an earlier run of this workflow ID, which closed at `since`."""

    run_id: str
    effect: EffectID
    outstanding: Outstanding
    since: int


class Suspension(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Why user code does not run. `fingerprint` is of the code that it happened with; `retry_at` None means
    that only an operator, or other code ("struck"), brings it back."""

    kind: SuspensionKind
    reason: str
    since: int
    retry_at: int | None
    fingerprint: str


class WorkflowState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One run. `sequence` and `time` are those of the last recorded activation, `held` and `effects_made`
    belong to it too: they give its effects their IDs.

    The first `processed` entries of `log` have been run. A running instance at rest has run them all, but
    where they were too many for one activation.
    `tries` counts the suspensions in a row since user code last ran well. `python` is the minor version under
    which the log began. `updates` are the open ones, by their IDs. `compensations` are by the numbers of
    their steps, and `compensating` counts those that are being undone.
    `children` are those that are open, `externals` requests to other workflows without an answer. Signals in
    `quarantine` are numbered from 1; `quarantined` counts all that ever were. So are `incidents` that are open,
    and `incidents_opened`. `patches` are those of its code that the run has taken, in that order.
    `is_delayed`: code does not run before `info.begins_at`. `next_run_id`: of the run that this one, which has
    ended, goes on as: `recipients`, `updates` and inputs that were not run are those that have gone along. Maps
    are in the order of their keys.
    """

    info: RunInfo
    python: str
    sequence: int
    time: int
    signed: SignedState
    log: InputLog
    processed: int
    activities: Entries[int, Activity]
    timers: Entries[int, int]
    fence: int
    held: bool
    effects_made: int
    outstanding: Entries[EffectID, Outstanding]
    earlier: tuple[EarlierEffect, ...]
    recipients: tuple[Recipient, ...]
    cancel_requested: bool = False
    continue_at: int | None = None
    suspension: Suspension | None = None
    tries: int = 0
    outcome: RunOutcome | None = None
    updates: Entries[str, OpenUpdate] = {}
    update_outcomes: Entries[str, UpdateOutcome] = {}
    updates_admitted: int = 0
    compensations: Entries[int, Compensation] = {}
    compensating: int = 0
    is_delayed: bool = False
    next_run_id: str | None = None
    children: Entries[int, ChildWorkflow] = {}
    externals: Entries[int, External] = {}
    quarantine: Entries[int, QuarantinedSignal] = {}
    quarantined: int = 0
    attributes: dict[str, AttributeValue] = {}
    local_activities: Entries[int, LocalActivity] = {}
    memo: dict[str, Payload] | None = None
    deadlines: dict[int, HeldDeadline] = {}
    incidents: Entries[int, Incident] = {}
    incidents_opened: int = 0
    patches: tuple[str, ...] = ()

    @property
    def memo_now(self) -> Mapping[str, Payload]:
        """As code has changed it, or as the run began with it."""
        return self.info.memo if self.memo is None else self.memo

    @property
    def status(self) -> WorkflowStatus:
        if self.outcome is not None:
            return self.outcome.status
        if self.suspension is not None:
            return WorkflowStatus.SUSPENDED
        return WorkflowStatus.COMPENSATING if self.compensating else WorkflowStatus.RUNNING

    @property
    def is_closed(self) -> bool:
        return self.outcome is not None

    @property
    def has_backlog(self) -> bool:
        """There is an input to run, and nothing that forbids it."""
        log = self.log
        length = len(log.full) * CHUNK + len(log.tail)  # as len(log), for it is looked at all the time
        if self.suspension is not None or self.is_delayed:
            return False
        return self.processed < length and self.outcome is None

    @property
    def reason(self) -> str | None:
        """For people: why it is suspended, or how it failed."""
        if self.suspension is not None:
            return self.suspension.reason
        if self.outcome is not None and self.outcome.failure is not None:
            return self.outcome.failure.message
        return None

    @property
    def chain_deadline(self) -> int | None:
        """When the chain's time is over."""
        info = self.info
        if info.deadline is not None or info.execution_timeout is None:
            return info.deadline
        return min((info.begins_at or info.started_at) + info.execution_timeout, FAR_FUTURE)

    @property
    def deadline(self) -> int | None:
        """When the time of the run is over, or of its chain."""
        info = self.info
        if info.execution_timeout is None and info.run_timeout is None:
            return None
        chain = self.chain_deadline
        if info.run_timeout is None:
            return chain
        at = min((info.begins_at or info.started_at) + info.run_timeout, FAR_FUTURE)
        return at if chain is None else min(at, chain)


def blank(info: RunInfo, *, python: str) -> WorkflowState:
    """A run before its first activation."""
    return WorkflowState(
        info=info,
        python=python,
        sequence=0,
        time=info.started_at,
        signed=SignedState(),
        log=InputLog(),
        processed=0,
        activities={},
        timers={},
        fence=0,
        held=False,
        effects_made=0,
        outstanding={},
        earlier=(),
        recipients=(),
        is_delayed=info.begins_at is not None and info.begins_at > info.started_at,
        attributes=info.search_attributes,
    )
