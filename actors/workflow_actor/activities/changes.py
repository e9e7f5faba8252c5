"""What events make of activities: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.activity import NEVER_BEGAN, Activity, Phase, first_attempt
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityResolved,
    ActivityUnwanted,
    ActivityWanted,
    AttemptBegun,
    AttemptScheduled,
    AttemptsExhausted,
    AttemptsRenewed,
    AttemptWentOutside,
    HeartbeatKept,
    PauseWanted,
    RetryPlanned,
    TaskOverdue,
    TaskResent,
    TaskReturned,
)
from dalsegno.actors.workflow_actor.activities.sends import ActivityDue, CancelDue, GrantDue, TaskDue
from dalsegno.actors.workflow_actor.activities.worker_deaths import heard_of, is_known
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.backoff import doubled
from dalsegno.failure import Failure

CANCELLED = "the workflow cancelled it"


class OutstandingEffect(Protocol):
    """It is `run.state.Outstanding`."""

    @property
    def due(self) -> object: ...


class ActivityDraft(Protocol):
    """What activities need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    time: int
    sequence: int
    fence: int
    """The last that was given out."""

    @property
    def activities(self) -> Mapping[int, Activity]: ...
    def put(self, activity: Activity) -> None: ...
    def take(self, number: int) -> Activity: ...
    def open_incident(self, activity: int) -> int: ...
    def close_incident(self, number: int) -> None: ...
    @property
    def outstanding(self) -> Mapping[EffectID, OutstandingEffect]: ...
    def due(self, effect: EffectID) -> object: ...
    def send(self, due: ActivityDue) -> EffectID: ...
    def drop(self, effects: Iterable[EffectID]) -> None: ...
    def give(self, input_: ActivityResolved) -> None: ...


# --- what user code wanted -------------------------------------------------------------------------------


def _wanted(draft: ActivityDraft, want: ActivityWanted) -> None:
    draft.fence += 1
    task = draft.send(TaskDue(want.spec.number))
    draft.put(first_attempt(want.spec, want.token, fence=draft.fence, now=draft.time, task=task))


def _pause_wanted(draft: ActivityDraft, want: PauseWanted) -> None:
    draft.put(replace(draft.activities[want.number], pauses=True))


def _unwanted(draft: ActivityDraft, want: ActivityUnwanted) -> None:
    """An activity that is settled already, though user code has not been told yet, stays settled; one that is
    abandoned goes on, and user code passes over how it ends."""
    number = want.number
    activity = draft.activities.get(number)
    if activity is None or activity.spec.outlives_run or activity.cancel_requested:
        return
    worker = activity.worker
    waits = activity.spec.cancellation_type == "wait_cancellation_completed"
    # Who works on it outside is told by the answer to a heartbeat: there must be something to answer from.
    if activity.outside or (waits and (worker is not None or (want.may_run and _may_run(draft, activity)))):
        # A worker that has not said so yet is asked when it does.
        asked = () if worker is None else (_ask_to_stop(draft, activity, worker, CANCELLED),)
        draft.put(replace(activity, cancel_requested=True, sends=(*activity.sends, *asked)))
        return
    draft.take(number)
    draft.drop(activity.sends)
    if waits:
        is_first = activity.attempt == 1 and activity.phase is Phase.SCHEDULED
        is_first = is_first and activity.last_failure is None  # as it has where a person began it anew
        message = "the activity was cancelled before it was started"
        failure = Failure(kind="canceled", message=message, type=NEVER_BEGAN if is_first else "")
        draft.give(ActivityResolved(number=number, failure=failure))
    elif worker is not None:
        _ask_to_stop(draft, activity, worker, CANCELLED)


def _may_run(draft: ActivityDraft, activity: Activity) -> bool:
    """Its task has left, and whoever has it need not ask before the work."""
    if activity.phase is not Phase.SCHEDULED or activity.spec.is_early:
        return False
    sent_now = any(sequence == draft.sequence for sequence, _ in activity.sends)
    return not (sent_now and activity.scheduled_at == draft.time)


def _ask_to_stop(draft: ActivityDraft, activity: Activity, worker: str, reason: str) -> EffectID:
    name, attempt = activity.spec.activity_id, activity.attempt
    return draft.send(CancelDue(worker, name, attempt, reason, activity.content_type, activity.token))


# --- attempts --------------------------------------------------------------------------------------------


def _begun(draft: ActivityDraft, event: AttemptBegun) -> None:
    before = draft.activities[event.number]
    # The worker has the task, so the broker had it: nothing is left to send but the answers to this worker.
    draft.drop(before.sends)
    activity = replace(
        heard_of(before, event.worker, alone=event.alone),
        phase=Phase.STARTED,
        started_at=before.started_at if is_known(before, event.worker) else draft.time,
        worker=event.worker,
        alone=event.alone,
        content_type=event.content_type,
        outside=False,
    )
    sends: list[EffectID] = []
    if activity.spec.is_early or event.alone:
        name, attempt = activity.spec.activity_id, activity.attempt
        grant = GrantDue(event.worker, name, attempt, event.content_type, activity.token)
        sends.append(draft.send(grant))
    if activity.cancel_requested:
        sends.append(_ask_to_stop(draft, activity, event.worker, CANCELLED))
    draft.put(replace(activity, sends=tuple(sends)))


def _went_outside(draft: ActivityDraft, event: AttemptWentOutside) -> None:
    before = draft.activities[event.number]
    draft.drop(before.sends)
    activity = replace(
        before,
        phase=Phase.STARTED,
        started_at=draft.time if before.started_at is None else before.started_at,
        worker=None,
        alone=False,
        outside=True,
        sends=(),
    )
    draft.put(activity)


def _retry_planned(draft: ActivityDraft, event: RetryPlanned) -> None:
    over = _attempt_over(draft, event)
    draft.put(replace(over, phase=Phase.BACKING_OFF, retry_at=event.retry_at))


def _exhausted(draft: ActivityDraft, event: AttemptsExhausted) -> None:
    over = _attempt_over(draft, event)
    draft.put(replace(over, phase=Phase.PAUSED, incident=draft.open_incident(event.number)))


def _attempt_over(draft: ActivityDraft, event: RetryPlanned | AttemptsExhausted) -> Activity:
    """What is known of the attempt goes with it, but for what the next is told."""
    activity = draft.activities[event.number]
    draft.drop(activity.sends)
    return replace(
        activity,
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
        outside=False,
        sends=(),
    )


def _renewed(draft: ActivityDraft, event: AttemptsRenewed) -> None:
    """As if it were new, but that the last failure and heartbeat are told to people and to the attempt."""
    before = draft.activities[event.number]
    draft.close_incident(before.incident)
    draft.fence += 1
    task = draft.send(TaskDue(event.number))
    renewed = first_attempt(before.spec, event.token, fence=draft.fence, now=draft.time, task=task)
    draft.put(
        replace(
            renewed,
            last_failure=before.last_failure,
            heartbeat_details=before.heartbeat_details,
            pauses=True,
        )
    )


def _heartbeat_kept(draft: ActivityDraft, event: HeartbeatKept) -> None:
    activity = draft.activities[event.number]
    draft.put(replace(activity, kept_details=event.details, beaten_at=event.at))


def _scheduled(draft: ActivityDraft, event: AttemptScheduled) -> None:
    activity = draft.activities[event.number]
    after = activity.spec.resend_after
    draft.fence += 1
    scheduled = replace(
        activity,
        attempt=activity.attempt + 1,
        token=event.token,
        fence=draft.fence,
        phase=Phase.SCHEDULED,
        scheduled_at=draft.time,
        retry_at=None,
        resend_at=min(draft.time + after, FAR_FUTURE),
        resend_after=after,
    )
    _send_task(draft, scheduled)


def _overdue(draft: ActivityDraft, event: TaskOverdue) -> None:
    activity = draft.activities[event.number]
    after = doubled(activity.resend_after, FAR_FUTURE, 1)
    draft.put(replace(activity, resend_at=min(draft.time + after, FAR_FUTURE), resend_after=after))


def _resent(draft: ActivityDraft, event: TaskResent) -> None:
    _send_task(draft, draft.activities[event.number])


def _returned(draft: ActivityDraft, event: TaskReturned) -> None:
    """A worker may have it all the same, so what that one is to be told stays."""
    activity = draft.activities[event.number]
    old = [effect for effect in activity.sends if isinstance(draft.due(effect), TaskDue)]
    draft.drop(old)
    kept = (effect for effect in activity.sends if effect not in old)
    sends = (*kept, draft.send(TaskDue(event.number)))
    returns = activity.returns + 1
    draft.put(replace(activity, sends=sends, returns=returns, returned=event.returned))


def _send_task(draft: ActivityDraft, activity: Activity) -> None:
    draft.drop(activity.sends)
    draft.put(replace(activity, sends=(draft.send(TaskDue(activity.spec.number)),)))


# --- the end ---------------------------------------------------------------------------------------------


def _completed(draft: ActivityDraft, event: ActivityCompleted) -> None:
    draft.drop(draft.take(event.number).sends)
    draft.give(ActivityResolved(number=event.number, result=event.result))


def _failed(draft: ActivityDraft, event: ActivityFailed) -> None:
    draft.drop(draft.take(event.number).sends)
    draft.give(ActivityResolved(number=event.number, failure=event.failure))


def close(draft: ActivityDraft) -> None:
    """The run has ended: tasks that have not left do not leave, and workers that are not asked yet are asked to
    stop, but for what is abandoned."""
    draft.drop([key for key, entry in draft.outstanding.items() if isinstance(entry.due, TaskDue)])
    for activity in draft.activities.values():
        if activity.worker is None or activity.cancel_requested or activity.spec.outlives_run:
            continue
        _ask_to_stop(draft, activity, activity.worker, "the workflow has ended")


APPLY: dict[type, Callable[[Any, Any], None]] = {
    ActivityWanted: _wanted,
    ActivityUnwanted: _unwanted,
    PauseWanted: _pause_wanted,
    AttemptBegun: _begun,
    AttemptWentOutside: _went_outside,
    RetryPlanned: _retry_planned,
    HeartbeatKept: _heartbeat_kept,
    AttemptScheduled: _scheduled,
    TaskOverdue: _overdue,
    TaskResent: _resent,
    TaskReturned: _returned,
    AttemptsExhausted: _exhausted,
    AttemptsRenewed: _renewed,
    ActivityCompleted: _completed,
    ActivityFailed: _failed,
}
