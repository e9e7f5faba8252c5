"""What comes with a start, a signal or an update: recorded with it in one activation, for the run that it
begins or for the open one that the policies leave in place."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.admission import on_update
from dalsegno.actors.workflow_actor.at_rest import InstanceAtRest
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import Command, Start
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.run.decide import decide_start
from dalsegno.actors.workflow_actor.run.events import DelayOver, Event
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.signals.decisions import NO_HEADERS_YET, first_of_all, received
from dalsegno.actors.workflow_actor.stored.format_3 import NUMBER as FORMAT_OF_UPDATES
from dalsegno.actors.workflow_actor.updates.changes import NEVER_HANDLED
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.decisions import NOT_YET, admitted, awaited, known_before
from dalsegno.actors.workflow_actor.updates.events import UpdateAwaited

NO_CHILDREN_YET = (
    "a child workflow cannot be stored yet: replace all hosts of older versions, and run `dalsegno init`"
)
NO_CHAINS_YET = (
    "a workflow's retry policy, run timeout and start delay cannot be stored yet: replace all hosts of older "
    "versions, and run `dalsegno init`"
)


NO_PRIORITY_YET = (
    "a workflow's priority cannot be stored yet: replace all hosts of older versions, and run `dalsegno init`"
)


def update_of(command: Command | AwaitOutcome | None) -> Update | None:
    """The update that the command is, or that comes with it."""
    then = command.then if isinstance(command, Start) else command
    return then if isinstance(then, Update) else None


def awaiting(state: WorkflowState, command: Start | Update) -> tuple[UpdateAwaited, ...]:
    """What is recorded of who waits for the update, if there is one."""
    update = update_of(command)
    return () if update is None else awaited(state, update)


def not_yet(start: Start, instance: InstanceAtRest) -> tuple[str, str] | None:
    """Why what it says, or what comes with it, cannot be stored, so that it is refused; None if it can."""
    if instance.codec.writes >= FORMAT_OF_UPDATES:
        return None
    if start.parent is not None:
        return "rejected", NO_CHILDREN_YET
    if start.retry or start.run_timeout or start.delay:
        return "rejected", NO_CHAINS_YET
    if start.priority is not None:
        return "rejected", NO_PRIORITY_YET
    if start.headers:
        return "rejected", NO_HEADERS_YET
    return NOT_YET if isinstance(start.then, Update) else None


def begins_at(start: Start, now: int) -> int | None:
    """When its run is to begin, if not at once: what the code is to answer waits for no delay."""
    if not start.delay or isinstance(start.then, Update):
        return None
    return min(now + start.delay, FAR_FUTURE)


def for_new_run(start: Start, instance: InstanceAtRest) -> tuple[Event, ...]:
    """What is recorded of it behind the run's beginning. Its handler comes before the first step of the run
    method."""
    match start.then:
        case Signal() as signal if instance.codec.writes >= FORMAT_OF_UPDATES:
            return (first_of_all(signal),)
        case Signal() as signal:  # hosts of the release before do not know of early ones
            return (received(signal),)
        case Update() as update:
            return admitted(update, validated=False).events
        case _:
            return ()


def decide(
    start: Start, state: WorkflowState, instance: InstanceAtRest, *, hindrance: str | None
) -> Decision[Event] | None:
    """What a start does to the run that is there; None when a new run begins. An update that this run knows by
    its ID is answered by it, whatever the policies say: it came before, with another start. Not so where they
    say that another run is to take its place, nor what a run that has ended has not handled."""
    update = update_of(start)
    if update is not None and not _takes_the_place(start) and _has_handled(state, update):
        known = known_before(state, update)
        if known is not None:
            return known
    decision = decide_start(state, start)
    if decision is None or start.then is None:
        return decision
    return _for_open_run(start, instance, decision, hindrance=hindrance)


def _takes_the_place(start: Start) -> bool:
    policy, reuse = start.conflict_policy, start.reuse_policy
    return policy == policy.TERMINATE_EXISTING or reuse == reuse.TERMINATE_IF_RUNNING


def _has_handled(state: WorkflowState, update: Update) -> bool:
    """Or may do so yet."""
    outcome = state.update_outcomes.get(update.update_id)
    return not state.is_closed or (outcome is not None and outcome.failure not in NEVER_HANDLED)


def _for_open_run(
    start: Start, instance: InstanceAtRest, decision: Decision[Event], *, hindrance: str | None
) -> Decision[Event]:
    """`decision` is what comes of the start itself. A refusal of either is one of both. A start's delay ends
    with it, as it does not with what comes alone."""
    if decision.refusal is not None:
        return decision
    state = instance.state
    is_waiting = state is not None and state.is_delayed and state.info.continued_run_id is None
    events = (*((DelayOver(),) if is_waiting else ()), *decision.events)
    match start.then:
        case Signal() as signal:
            return Decision(events=(*events, received(signal)))
        case Update() as update:
            taken = on_update(instance, update, hindrance=hindrance)
            if taken.refusal is not None:
                return Decision(refusal=taken.refusal, failure=taken.failure)
            return Decision(events=(*events, *taken.events))
        case _:
            return decision
