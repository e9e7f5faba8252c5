"""(state, command) -> decision: pure, and changes nothing. Starts, queries and wake-ups, which take more than
the state, are in `instance`; workers' words about attempts in `attempts`."""

from __future__ import annotations

from typing import assert_never

from dalsegno.actors.workflow_actor.activities.activity import FAR_FUTURE
from dalsegno.actors.workflow_actor.activities.attempts import on_task_lost, on_task_refused
from dalsegno.actors.workflow_actor.activities.sends import TaskDue
from dalsegno.actors.workflow_actor.interface.commands import (
    Cancel,
    FailEffect,
    Park,
    ResendTask,
    Resume,
    Signal,
    Start,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.run.events import (
    CallerAdded,
    CancelReceived,
    EffectsDropped,
    EffectsParked,
    Event,
    Resumed,
    RunClosed,
    SignalReceived,
    Suspended,
)
from dalsegno.actors.workflow_actor.run.state import Suspension, SuspensionKind, WorkflowState
from dalsegno.backoff import doubled
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus

SUSPENSION_DELAYS = (1_000_000, 600_000_000)
"""First and longest time after which suspended code is tried again; it doubles in between."""

ClientCommand = Signal | Cancel | Terminate | Suspend | Resume
EffectCommand = Park | ResendTask | FailEffect


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


def decide(state: WorkflowState, command: ClientCommand, *, fingerprint: str) -> Decision[Event]:
    refusal = refused_unless_open(state, state.info.workflow_id, command.run_id)
    if refusal is not None:
        # Who asks for it once more was not refused: it came to be meanwhile.
        is_done = (
            isinstance(command, Cancel) and refusal[0] == "closed" and state.status is WorkflowStatus.CANCELED
        )
        return NOTHING if is_done else Decision(refusal=refusal)
    match command:
        case Signal():
            return Decision(events=(SignalReceived(command.name, command.args),))
        case Cancel():
            return Decision(events=(CancelReceived(command.reason, kept=True),))
        case Terminate():
            return Decision(events=(terminated(command.reason or "terminated"),))
        case Suspend():
            return _suspend(state, command, fingerprint)
        case Resume():
            return NOTHING if state.suspension is None else Decision(events=(Resumed(),))
        case _:
            assert_never(command)


def terminated(reason: str) -> RunClosed:
    return RunClosed(WorkflowStatus.TERMINATED, failure=Failure(kind="terminated", message=reason))


def _suspend(state: WorkflowState, command: Suspend, fingerprint: str) -> Decision[Event]:
    """An operator's word stands above all others: what he suspended is only resumed by him. What other code was
    struck for is suspended anew, for ours, which would try it again otherwise."""
    kind: SuspensionKind = "struck" if command.struck else "operator"
    if (before := state.suspension) is not None:
        same = before.kind == kind and before.fingerprint == fingerprint
        if before.kind == "operator" or same:
            return NOTHING
    default = "it did not give the host's loop back" if command.struck else "suspended by an operator"
    return Decision(events=(Suspended(kind, command.reason or default, None, fingerprint),))


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


def decide_effects(state: WorkflowState, command: EffectCommand) -> Decision[Event]:
    """What the shell found out about effects on their way."""
    match command:
        case Park():
            return _park(state, command)
        case ResendTask():
            return on_task_lost(state.activities, command)
        case FailEffect():
            return _fail(state, command)
        case _:
            assert_never(command)


def _park(state: WorkflowState, command: Park) -> Decision[Event]:
    run_id = command.run_id or state.info.run_id
    known = outstanding_of(state, run_id)
    effects = tuple(effect for effect in command.effects if effect in known)
    resend_at = min(command.retry_at, FAR_FUTURE)
    return Decision(events=(EffectsParked(run_id, effects, resend_at),)) if effects else NOTHING


def outstanding_of(state: WorkflowState, run_id: str) -> set[tuple[int, int]]:
    """IDs of the outstanding effects of this run, or of one of those before it."""
    if run_id == state.info.run_id:
        return set(state.outstanding)
    return {entry.effect for entry in state.earlier if entry.run_id == run_id}


def _fail(state: WorkflowState, command: FailEffect) -> Decision[Event]:
    run_id = command.run_id or state.info.run_id
    if command.effect not in outstanding_of(state, run_id):
        return NOTHING
    outstanding = state.outstanding.get(command.effect) if run_id == state.info.run_id else None
    if outstanding is not None and isinstance(outstanding.due, TaskDue):
        return on_task_refused(state.activities[outstanding.due.number], command.reason)
    return Decision(events=(EffectsDropped(run_id, (command.effect,)),))


def decide_start(state: WorkflowState, command: Start) -> Decision[Event] | None:
    """What a start does to the run that is there; None when a new run begins (after `terminated` has been
    recorded, if this one is still open)."""
    policy = command.conflict_policy
    run = f"workflow {command.workflow_id!r} has the run {state.info.run_id}"
    if not state.is_closed:
        if policy == policy.TERMINATE_EXISTING:
            return None
        if policy == policy.FAIL:
            return Decision(refusal=("already_started", f"{run}, which is still open"))
        caller = command.caller
        if command.wants_result and caller is not None and caller not in state.callers:
            return Decision(events=(CallerAdded(caller),))
        return NOTHING
    reuse = command.reuse_policy
    completed = state.status is WorkflowStatus.COMPLETED
    if reuse == reuse.REJECT_DUPLICATE or (reuse == reuse.ALLOW_DUPLICATE_FAILED_ONLY and completed):
        return Decision(refusal=("already_started", f"{run}, which has ended: {state.status}"))
    return None
