"""(state, command) -> decision: pure, and changes nothing. `RULES`, at the end, shows how each command is
decided, and which events it may lead to."""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import Enum, auto
from typing import Any, NamedTuple

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities import attempts, outside
from dalsegno.actors.workflow_actor.activities.commands import (
    AttemptCanceled,
    AttemptCompleted,
    AttemptDetached,
    AttemptFailed,
    AttemptHeartbeat,
    AttemptStarted,
    KeepHeartbeats,
    OutsideHeartbeat,
    ResendTask,
    Resolve,
)
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityCompleted,
    ActivityFailed,
    AttemptBegun,
    AttemptsExhausted,
    AttemptsRenewed,
    AttemptWentOutside,
    HeartbeatKept,
    RetryPlanned,
    TaskResent,
    TaskReturned,
)
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.children.events import ChildAsked, ChildBegun, ChildClosed, ChildRefused
from dalsegno.actors.workflow_actor.externals.events import ExternalAnswered, ExternalEnded
from dalsegno.actors.workflow_actor.incidents.commands import SettleIncident
from dalsegno.actors.workflow_actor.interface.commands import (
    AwaitEnd,
    Cancel,
    ClientCommand,
    Command,
    Describe,
    FailEffect,
    OtherAnswered,
    OtherEnded,
    Park,
    Resume,
    Settle,
    Start,
    Suspend,
    Terminate,
    WakeUp,
)
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.recipients import QueueOf, is_full, recipient_of
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.local_activities import decisions as local_activities
from dalsegno.actors.workflow_actor.local_activities.commands import (
    LocalWorkCanceled,
    LocalWorkCompleted,
    LocalWorkFailed,
)
from dalsegno.actors.workflow_actor.local_activities.events import (
    LocalActivityCompleted,
    LocalActivityFailed,
    LocalRetryPlanned,
)
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.run import others
from dalsegno.actors.workflow_actor.run.events import (
    CallerAdded,
    CancelReceived,
    Continued,
    DelayOver,
    EffectsDropped,
    EffectsParked,
    Event,
    Ran,
    Resumed,
    RunClosed,
    RunStarted,
    Suspended,
)
from dalsegno.actors.workflow_actor.run.primitives import DUE, REFUSED, DueKind
from dalsegno.actors.workflow_actor.run.state import Suspension, SuspensionKind, WorkflowState
from dalsegno.actors.workflow_actor.run.succession import has_gone_on_as, succeeded, timed_out
from dalsegno.actors.workflow_actor.signals.commands import SettleQuarantined, Signal, StruckSignal
from dalsegno.actors.workflow_actor.signals.decisions import on_settle, on_signal, on_struck
from dalsegno.actors.workflow_actor.signals.events import (
    FirstSignalReceived,
    QuarantineSettled,
    SignalReceived,
    SignalStruck,
)
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.events import UpdateAdmitted, UpdateAwaited
from dalsegno.backoff import doubled
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus

SUSPENSION_DELAYS = (1_000_000, 600_000_000)
"""First and longest time after which suspended code is tried again; it doubles in between."""


def refused(state: WorkflowState | None, workflow_id: str, run_id: str | None) -> tuple[str, str] | None:
    """Why a command to an existing run cannot be taken. Only the current run can be spoken to: another run ID
    is `not_found`, whether or not there once was such a run."""
    if state is None:
        return "not_found", f"no workflow has the ID {workflow_id!r}"
    if run_id is not None and run_id != state.info.run_id:
        return "not_found", f"the current run of workflow {workflow_id!r} is {state.info.run_id}, not {run_id}"
    return None


def refused_unless_open(
    state: WorkflowState | None, workflow_id: str, run_id: str | None
) -> tuple[str, str] | None:
    refusal = refused(state, workflow_id, run_id)
    if refusal is None and state is not None and state.is_closed:
        return "closed", f"workflow {workflow_id!r} has ended: {state.status}"
    return refusal


class Known(Struct, frozen=True):
    """What is known beside the state: the activation's time, which code the host has, and when workers were
    last heard of."""

    now: int
    fingerprint: str
    heartbeats: Heartbeats
    entropy: bytes
    """Random, for tokens that cannot be guessed."""
    cancels_as_failure: bool
    """As `CancelReceived.as_failure`: what is written may say so."""
    tells_workflows: bool = True

    @property
    def stores_headers(self) -> bool:
        """They came with the same format."""
        return self.cancels_as_failure

    """What is written may name another workflow as one that is to be told of the end."""


class Addressee(Enum):
    """Of whom a command asks something, and what is done with it where there is no such run."""

    OPEN_RUN = auto()
    """A client's. It is refused, with the reason."""
    ANY_RUN = auto()
    """The shell's, about what it has found out. It is nothing to anybody."""
    ATTEMPT = auto()
    """A worker's: who speaks of what is over has to be told."""
    ASKER = auto()
    """Of who has asked another workflow for something: it is told, if it still waits for that."""
    TO_BE_TOLD = auto()
    """Another workflow's, which wants to be told of it. It is refused where there is no such run."""


_OPEN_RUN, _ANY_RUN, _TO_BE_TOLD = Addressee.OPEN_RUN, Addressee.ANY_RUN, Addressee.TO_BE_TOLD
"""Looked up once: each look at an enum's member costs 0.2 microseconds under Python 3.11."""


class Rule(NamedTuple):
    """How a command is decided, and which events that may give."""

    addressee: Addressee
    decide: Callable[[Any, Any, Known], Decision[Event]]
    events: tuple[type, ...] = ()


def decide(state: WorkflowState | None, workflow_id: str, command: Command, known: Known) -> Decision[Event]:
    """What comes of it, by its rule in `RULES`."""
    addressee, decide_it, _ = RULES[type(command)]
    if addressee is _OPEN_RUN:
        assert isinstance(command, ClientCommand)
        refusal = refused_unless_open(state, workflow_id, command.run_id)
        if refusal is None and state is not None and command.child_of not in (None, state.info.parent):
            refusal = "not_found", f"workflow {workflow_id!r} is no child of who has sent this"
        if refusal is not None:
            return NOTHING if _came_to_be(state, command) else Decision(refusal=refusal)
    elif addressee is _ANY_RUN and state is None:
        return NOTHING
    elif addressee is _TO_BE_TOLD:
        assert isinstance(command, AwaitEnd)
        run_id = command.run_id
        goes_on = state is not None and run_id is not None and has_gone_on_as(run_id, state.info)
        if not goes_on and (refusal := refused(state, workflow_id, command.run_id)) is not None:
            return Decision(refusal=refusal)
    return decide_it(state, command, known)


def _came_to_be(state: WorkflowState | None, command: ClientCommand) -> bool:
    """Who asks for it once more was not refused: it came to be meanwhile."""
    if state is None or not isinstance(command, Cancel) or command.run_id not in (None, state.info.run_id):
        return False
    return state.status is WorkflowStatus.CANCELED


def _cancel(state: WorkflowState, command: Cancel, known: Known) -> Decision[Event]:
    """A run that has not begun has nothing to clean up."""
    if state.is_delayed:
        failure = Failure(kind="canceled", message=command.reason or "canceled before it began")
        return Decision(events=(RunClosed(WorkflowStatus.CANCELED, failure=failure),))
    event = CancelReceived(command.reason, kept=True, as_failure=known.cancels_as_failure)
    return Decision(events=(event,))


def _terminate(_: WorkflowState, command: Terminate, __: Known) -> Decision[Event]:
    return Decision(events=(terminated(command.reason or "terminated"),))


def _resume(state: WorkflowState, _: Resume, __: Known) -> Decision[Event]:
    return NOTHING if state.suspension is None else Decision(events=(Resumed(),))


def terminated(reason: str) -> RunClosed:
    return RunClosed(WorkflowStatus.TERMINATED, failure=Failure(kind="terminated", message=reason))


def _suspend(state: WorkflowState, command: Suspend, known: Known) -> Decision[Event]:
    """An operator's word stands above all others: what he suspended is only resumed by him. What other code was
    struck for is suspended anew, for ours, which would try it again otherwise."""
    kind: SuspensionKind = "struck" if command.struck else "operator"
    if (before := state.suspension) is not None:
        same = before.kind == kind and before.fingerprint == known.fingerprint
        if before.kind == "operator" or same:
            return NOTHING
    default = "it did not give the host's loop back" if command.struck else "suspended by an operator"
    return Decision(events=(Suspended(kind, command.reason or default, None, known.fingerprint),))


def code_stuck(
    state: WorkflowState, kind: SuspensionKind, reason: str, *, now: int, fingerprint: str
) -> Suspended:
    """User code cannot go on; it is tried again later, less and less often."""
    return Suspended(kind, reason, now + doubled(*SUSPENSION_DELAYS, state.tries), fingerprint)


def next_try_at(state: WorkflowState, *, now: int) -> int:
    """When suspended code is tried again after a try that has changed nothing, and is not recorded: by what is
    recorded, the pauses double as they do for tries that are."""
    assert state.suspension is not None
    first, longest = SUSPENSION_DELAYS
    return now + max(doubled(first, longest, state.tries), min(now - state.suspension.since + first, longest))


def may_retry(suspension: Suspension | None, *, retry_at: int | None, now: int, fingerprint: str) -> bool:
    """Suspended code is worth another try: its time has come, or this host has other code."""
    if suspension is None or suspension.kind == "operator":
        return False
    due = retry_at is not None and retry_at <= now
    return due or suspension.fingerprint != fingerprint


def _park(state: WorkflowState, command: Park, _: Known) -> Decision[Event]:
    run_id = command.run_id or state.info.run_id
    known = outstanding_of(state, run_id)
    effects = tuple(effect for effect in command.effects if effect in known)
    resend_at = min(command.retry_at, FAR_FUTURE)
    return Decision(events=(EffectsParked(run_id, effects, resend_at),)) if effects else NOTHING


def outstanding_of(state: WorkflowState, run_id: str) -> Container[EffectID]:
    """IDs of the outstanding effects of this run, or of one of those before it."""
    if run_id == state.info.run_id:
        return state.outstanding
    return {entry.effect for entry in state.earlier if entry.run_id == run_id}


def _fail(state: WorkflowState, command: FailEffect, _: Known) -> Decision[Event]:
    run_id = command.run_id or state.info.run_id
    if command.effect not in outstanding_of(state, run_id):
        return NOTHING
    outstanding = state.outstanding.get(command.effect) if run_id == state.info.run_id else None
    on_refused = None if outstanding is None else REFUSED.get(type(outstanding.due))
    if outstanding is not None and on_refused is not None:
        return on_refused(state, outstanding.due, command.reason)
    return Decision(events=(EffectsDropped(run_id, (command.effect,)),))


def decide_start(state: WorkflowState, command: Start) -> Decision[Event] | None:
    """What a start does to the run that is there; None when a new run begins (after `terminated` has been
    recorded, if this one is still open)."""
    reuse, policy = command.reuse_policy, command.conflict_policy
    if reuse == reuse.TERMINATE_IF_RUNNING:
        policy = policy.TERMINATE_EXISTING
    run = f"workflow {command.workflow_id!r} has the run {state.info.run_id}"
    if not state.is_closed:
        if policy == policy.TERMINATE_EXISTING:
            return None
        if policy == policy.FAIL:
            return Decision(refusal=("already_started", f"{run}, which is still open"))
        recipient = recipient_of(command)
        if recipient is None or recipient in state.recipients:
            return NOTHING
        if isinstance(recipient, QueueOf) and is_full(state.recipients):
            return NOTHING
        return Decision(events=(CallerAdded(recipient),))
    completed = state.status is WorkflowStatus.COMPLETED
    if reuse == reuse.REJECT_DUPLICATE or (reuse == reuse.ALLOW_DUPLICATE_FAILED_ONLY and completed):
        return Decision(refusal=("already_started", f"{run}, which has ended: {state.status}"))
    return None


def _go_on(_: WorkflowState, __: int, ___: Known) -> Decision[Event]:
    return Decision(events=(Continued(),))


def _begin(_: WorkflowState, __: int, ___: Known) -> Decision[Event]:
    return Decision(events=(DelayOver(),))


def _time_out(state: WorkflowState, _: int, known: Known) -> Decision[Event]:
    """Of its run timeout it may be tried again."""
    chain = state.chain_deadline
    closed = timed_out("run" if chain is None or chain > known.now else "execution")
    return Decision(events=(succeeded(state, closed, None, now=known.now),))


WHEN_DUE: dict[DueKind, Callable[[Any, int, Known], Decision[Event]]] = {
    DueKind.BEGIN: _begin,
    DueKind.CONTINUE: _go_on,
    DueKind.DEADLINE: _time_out,
    **{kind: due.do for kind, due in DUE.items()},
}
"""What is done when something is due, by its number."""

_FAILURES = RetryPlanned, AttemptsExhausted, ActivityFailed
"""What may come of a failed attempt."""

RULES: dict[type, Rule] = {
    Signal: Rule(Addressee.OPEN_RUN, on_signal, (SignalReceived,)),
    StruckSignal: Rule(Addressee.OPEN_RUN, on_struck, (SignalStruck,)),
    SettleQuarantined: Rule(Addressee.OPEN_RUN, on_settle, (QuarantineSettled,)),
    Cancel: Rule(Addressee.OPEN_RUN, _cancel, (CancelReceived, RunClosed)),
    Terminate: Rule(Addressee.OPEN_RUN, _terminate, (RunClosed,)),
    Suspend: Rule(Addressee.OPEN_RUN, _suspend, (Suspended,)),
    Resume: Rule(Addressee.OPEN_RUN, _resume, (Resumed,)),
    AttemptStarted: Rule(Addressee.ATTEMPT, attempts.on_started, (AttemptBegun, *_FAILURES)),
    AttemptHeartbeat: Rule(Addressee.ATTEMPT, attempts.on_heartbeat),
    AttemptCompleted: Rule(Addressee.ATTEMPT, attempts.on_completed, (ActivityCompleted,)),
    AttemptFailed: Rule(Addressee.ATTEMPT, attempts.on_failed, (TaskReturned, *_FAILURES)),
    AttemptCanceled: Rule(Addressee.ATTEMPT, attempts.on_canceled, (ActivityFailed,)),
    Resolve: Rule(Addressee.OPEN_RUN, outside.on_resolve, (ActivityCompleted, *_FAILURES)),
    LocalWorkCompleted: Rule(Addressee.ANY_RUN, local_activities.on_completed, (LocalActivityCompleted,)),
    LocalWorkFailed: Rule(
        Addressee.ANY_RUN, local_activities.on_failed, (LocalRetryPlanned, LocalActivityFailed)
    ),
    LocalWorkCanceled: Rule(Addressee.ANY_RUN, local_activities.on_canceled, (LocalActivityFailed,)),
    KeepHeartbeats: Rule(Addressee.ANY_RUN, attempts.on_keep_heartbeats, (HeartbeatKept,)),
    ResendTask: Rule(Addressee.ANY_RUN, attempts.on_task_lost, (TaskResent,)),
    OtherAnswered: Rule(
        Addressee.ASKER, others.on_answered, (ChildBegun, ChildRefused, ChildAsked, ExternalAnswered)
    ),
    OtherEnded: Rule(Addressee.ASKER, others.on_ended, (ChildClosed, ExternalEnded)),
    AwaitEnd: Rule(Addressee.TO_BE_TOLD, others.await_end, (CallerAdded,)),
    Park: Rule(Addressee.ANY_RUN, _park, (EffectsParked,)),
    FailEffect: Rule(
        Addressee.ANY_RUN,
        _fail,
        (AttemptsExhausted, ActivityFailed, ChildRefused, ExternalAnswered, EffectsDropped),
    ),
}
"""What is decided by state and command alone."""

BY_THE_INSTANCE: dict[type, tuple[type, ...]] = {
    Start: (
        RunStarted,
        CallerAdded,
        RunClosed,
        DelayOver,
        SignalReceived,
        FirstSignalReceived,
        UpdateAdmitted,
        UpdateAwaited,
    ),
    WakeUp: (Continued, DelayOver, RunClosed, *(event for due in DUE.values() for event in due.events)),
    Settle: (),
    Update: (UpdateAdmitted, UpdateAwaited),
    SettleIncident: (AttemptsRenewed, ActivityCompleted, ActivityFailed),
    AttemptDetached: (AttemptWentOutside, *_FAILURES),
    Query: (),
    OutsideHeartbeat: (),
    Describe: (),
}
"""The commands that take more, with the events that they may lead to."""

BEFORE: tuple[type, ...] = (EffectsDropped, Resumed)
"""May come before what any command leads to: earlier runs' effects that are confirmed, and another try."""

AFTER: tuple[type, ...] = (Ran, RunClosed, Suspended, RunStarted, SignalStruck)
"""May come after it: user code has run, has ended the run, or is stuck; another run has followed by
itself, and what is in the quarantine goes along."""


def may_lead_to(command: type[Command]) -> tuple[type, ...]:
    """The events of `command` itself."""
    return RULES[command].events if command in RULES else BY_THE_INSTANCE[command]
