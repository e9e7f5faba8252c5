"""(state, event) -> state: pure, and the only way in which a state comes to be.

It is used when something happens and again when the journal is read, so that both give the same state, byte
for byte. It trusts what `decide` yields: an event that does not fit its state (a broken journal) raises
LookupError or IllegalEventError, and changes nothing.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.inputs import (
    ActivityResolved,
    Begin,
    CancelRequested,
    Continue,
    Input,
    Signaled,
    TimerFired,
)
from dalsegno.actors.workflow_actor.run.activities import FAR_FUTURE, Activity, Phase
from dalsegno.actors.workflow_actor.run.events import (
    ActivityCompleted,
    ActivityFailed,
    AttemptBegun,
    AttemptScheduled,
    CallerAdded,
    CancelReceived,
    Continued,
    EffectsDropped,
    EffectsParked,
    Event,
    HeartbeatKept,
    Ran,
    Record,
    Resumed,
    RetryPlanned,
    RunClosed,
    RunStarted,
    SignalReceived,
    Suspended,
    TaskOverdue,
    TaskResent,
    TaskReturned,
    TimerElapsed,
)
from dalsegno.actors.workflow_actor.run.sending import Sending
from dalsegno.actors.workflow_actor.run.state import (
    CancelDue,
    GrantDue,
    Outcome,
    ResultDue,
    Suspension,
    TaskDue,
    WorkflowState,
    blank,
)
from dalsegno.actors.workflow_actor.run.wants import apply_wants
from dalsegno.actors.workflow_actor.run.worker_deaths import heard_of, is_known
from dalsegno.backoff import doubled


class IllegalEventError(Exception):
    """An event that cannot have happened in this state."""


def fold(state: WorkflowState | None, record: Record) -> WorkflowState:
    """The state after one more activation; `state` is None before the first of a run."""
    if state is None:
        first = record.events[0]
        if not isinstance(first, RunStarted):
            raise IllegalEventError("a run cannot begin with anything but its start")
        state = blank(first.info, python=first.python)
    state = opened(state, time=record.time, held=record.held, forgets=record.forgets)
    for event in record.events:
        state = apply(state, event)
    return state


def opened(state: WorkflowState, *, time: int, held: bool, forgets: tuple[EffectID, ...]) -> WorkflowState:
    """The state at the beginning of its next activation, which forgets effects that are confirmed."""
    outstanding = state.outstanding
    if forgets:
        outstanding = dict(outstanding)
        for effect in forgets:
            outstanding.pop(effect, None)
    return replace(
        state,
        sequence=state.sequence + 1,
        time=time,
        held=held,
        effects_made=0,
        outstanding=outstanding,
    )


def apply(state: WorkflowState, event: Event) -> WorkflowState:
    match event:
        case Ran():
            return apply_wants(state, event)
        case ActivityCompleted():
            return _settled(state, ActivityResolved(number=event.number, result=event.result))
        case ActivityFailed():
            return _settled(state, ActivityResolved(number=event.number, failure=event.failure))
        case TimerElapsed():
            timers = dict(state.timers)
            del timers[event.number]
            return _given(replace(state, timers=timers), TimerFired(number=event.number))
        case SignalReceived():
            return _given(state, Signaled(name=event.name, args=event.args))
        case CancelReceived():
            requested = CancelRequested(reason=event.reason, kept=event.kept)
            return _given(replace(state, cancel_requested=True), requested)
        case Continued():
            return _given(replace(state, continue_at=None), Continue())
        case AttemptBegun():
            return _begun(state, event)
        case RetryPlanned():
            return _retry_planned(state, event)
        case HeartbeatKept():
            beaten = replace(state.activities[event.number], kept_details=event.details, beaten_at=event.at)
            return replace(state, activities={**state.activities, event.number: beaten})
        case AttemptScheduled():
            return _attempt_scheduled(state, event)
        case TaskOverdue():
            return _task_overdue(state, event)
        case TaskResent():
            return _task_sent(state, event.number, state.activities[event.number])
        case TaskReturned():
            return _task_returned(state, event)
        case RunStarted():
            if state.sequence != 1:
                raise IllegalEventError("a run starts only once")
            begun = replace(state, callers=event.callers, earlier=event.earlier)
            return _given(begun, Begin(args=event.args))
        case RunClosed():
            return _closed(state, event)
        case Suspended():
            return _suspended(state, event)
        case Resumed():
            return replace(state, suspension=None)
        case CallerAdded():
            return replace(state, callers=(*state.callers, event.caller))
        case EffectsParked():
            return _parked(state, event)
        case EffectsDropped():
            return _dropped(state, event)
        case _:
            assert_never(event)


def _given(state: WorkflowState, input_: Input) -> WorkflowState:
    return replace(state, log=state.log.append(state.time, input_))


def _settled(state: WorkflowState, resolved: ActivityResolved) -> WorkflowState:
    activities = dict(state.activities)
    activity = activities.pop(resolved.number)
    sending = Sending(state)
    sending.drop(activity.sends)
    return _given(replace(state, activities=activities, outstanding=sending.outstanding), resolved)


def _with(state: WorkflowState, activity: Activity, sending: Sending) -> WorkflowState:
    """One activity has changed, and with it what is outstanding."""
    activities = {**state.activities, activity.spec.number: activity}
    return replace(state, activities=activities, outstanding=sending.outstanding, effects_made=sending.made)


def _begun(state: WorkflowState, event: AttemptBegun) -> WorkflowState:
    activity = state.activities[event.number]
    spec, attempt = activity.spec, activity.attempt
    sending = Sending(state)
    # The worker has the task, so the broker had it: nothing is left to send but the answers to this worker.
    sending.drop(activity.sends)
    sends: list[EffectID] = []
    if spec.is_early or event.alone:
        grant = GrantDue(event.worker, spec.activity_id, attempt, event.content_type, activity.token)
        sends.append(sending.send(grant))
    if activity.cancel_requested:
        reason = "the workflow cancelled it"
        stop = CancelDue(event.worker, spec.activity_id, attempt, reason, event.content_type, activity.token)
        sends.append(sending.send(stop))
    begun = replace(
        heard_of(activity, event.worker, alone=event.alone),
        phase=Phase.STARTED,
        started_at=activity.started_at if is_known(activity, event.worker) else state.time,
        worker=event.worker,
        alone=event.alone,
        content_type=event.content_type,
        sends=tuple(sends),
    )
    return _with(state, begun, sending)


def _retry_planned(state: WorkflowState, event: RetryPlanned) -> WorkflowState:
    activity = state.activities[event.number]
    sending = Sending(state)
    sending.drop(activity.sends)
    waiting = replace(
        activity,
        phase=Phase.BACKING_OFF,
        retry_at=event.retry_at,
        last_failure=event.failure,
        heartbeat_details=event.heartbeat_details or activity.kept_details or activity.heartbeat_details,
        kept_details=None,
        beaten_at=None,
        started_at=None,
        worker=None,
        alone=False,
        workers_before=(),
        died=(),
        returns=0,
        returned=None,
        sends=(),
    )
    return _with(state, waiting, sending)


def _attempt_scheduled(state: WorkflowState, event: AttemptScheduled) -> WorkflowState:
    activity = state.activities[event.number]
    after = activity.spec.resend_after
    scheduled = replace(
        activity,
        attempt=activity.attempt + 1,
        token=event.token,
        fence=state.fence + 1,
        phase=Phase.SCHEDULED,
        scheduled_at=state.time,
        retry_at=None,
        resend_at=min(state.time + after, FAR_FUTURE),
        resend_after=after,
    )
    return _task_sent(replace(state, fence=state.fence + 1), event.number, scheduled)


def _task_sent(state: WorkflowState, number: int, activity: Activity) -> WorkflowState:
    sending = Sending(state)
    sending.drop(activity.sends)
    task = sending.send(TaskDue(number))
    return _with(state, replace(activity, sends=(task,)), sending)


def _task_returned(state: WorkflowState, event: TaskReturned) -> WorkflowState:
    """A worker may have it all the same, so what that one is to be told stays."""
    activity = state.activities[event.number]
    sending = Sending(state)
    old = [effect for effect in activity.sends if _is_task(state, effect)]
    sending.drop(old)
    kept = (effect for effect in activity.sends if effect not in old)
    sends = (*kept, sending.send(TaskDue(event.number)))
    returns = activity.returns + 1
    sent = replace(activity, sends=sends, returns=returns, returned=event.returned)
    return _with(state, sent, sending)


def _is_task(state: WorkflowState, effect: EffectID) -> bool:
    return effect in state.outstanding and isinstance(state.outstanding[effect].due, TaskDue)


def _task_overdue(state: WorkflowState, event: TaskOverdue) -> WorkflowState:
    activity = state.activities[event.number]
    after = doubled(activity.resend_after, FAR_FUTURE, 1)
    moved = replace(activity, resend_at=min(state.time + after, FAR_FUTURE), resend_after=after)
    return replace(state, activities={**state.activities, event.number: moved})


def _closed(state: WorkflowState, event: RunClosed) -> WorkflowState:
    sending = Sending(state)
    sending.drop([key for key, value in sending.outstanding.items() if isinstance(value.due, TaskDue)])
    for activity in state.activities.values():
        spec, worker = activity.spec, activity.worker
        if worker is None or activity.cancel_requested or spec.cancellation_type == "abandon":
            continue
        ended = "the workflow has ended"
        to_stop = spec.activity_id, activity.attempt
        sending.send(CancelDue(worker, *to_stop, ended, activity.content_type, activity.token))
    for caller in state.callers:
        sending.send(ResultDue(caller))
    return replace(
        state,
        activities={},
        timers={},
        outstanding=sending.outstanding,
        effects_made=sending.made,
        callers=(),
        continue_at=None,
        suspension=None,
        outcome=Outcome(event.status, event.result, event.failure, state.time),
    )


def _suspended(state: WorkflowState, event: Suspended) -> WorkflowState:
    suspension = Suspension(event.kind, event.reason, state.time, event.retry_at, event.fingerprint)
    return replace(state, suspension=suspension, tries=state.tries + 1)


def _parked(state: WorkflowState, event: EffectsParked) -> WorkflowState:
    parked = set(event.effects)
    if event.run_id == state.info.run_id:
        outstanding = {
            key: replace(value, held=False, resend_at=event.resend_at) if key in parked else value
            for key, value in state.outstanding.items()
        }
        return replace(state, outstanding=outstanding)
    earlier = tuple(
        replace(entry, outstanding=replace(entry.outstanding, held=False, resend_at=event.resend_at))
        if entry.run_id == event.run_id and entry.effect in parked
        else entry
        for entry in state.earlier
    )
    return replace(state, earlier=earlier)


def _dropped(state: WorkflowState, event: EffectsDropped) -> WorkflowState:
    dropped = set(event.effects)
    if event.run_id == state.info.run_id:
        sending = Sending(state)
        sending.drop(dropped)
        return replace(state, outstanding=sending.outstanding)
    earlier = tuple(
        entry for entry in state.earlier if entry.run_id != event.run_id or entry.effect not in dropped
    )
    return replace(state, earlier=earlier)
