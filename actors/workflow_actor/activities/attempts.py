"""The life of an activity's attempts, decided: which word of a worker counts, when it is tried again, and what
happens when a time runs out.

    scheduled ──> started ──> completed | failed for good | cancelled      (settled: user code is told)
        │            │
        ├────────────┼──> backing off ──> scheduled, attempt + 1, with a token of its own
        │            │
        └────────────┴──> paused ──> as a person says: scheduled, attempt 1, or settled
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never, Protocol

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.activity import (
    NO_ATTEMPT,
    TASK_TOO_LARGE,
    Activity,
    Phase,
    RunOfActivities,
    number_in,
    outlives_run,
)
from dalsegno.actors.workflow_actor.activities.changes import CANCELLED
from dalsegno.actors.workflow_actor.activities.commands import (
    AttemptCanceled,
    AttemptCompleted,
    AttemptFailed,
    AttemptHeartbeat,
    AttemptOf,
    AttemptStarted,
    KeepHeartbeats,
    ResendTask,
)
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityCompleted,
    ActivityEvent,
    ActivityFailed,
    AttemptBegun,
    AttemptsExhausted,
    RetryPlanned,
    TaskResent,
    TaskReturned,
)
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, GrantEffect, TaskDue
from dalsegno.actors.workflow_actor.activities.worker_deaths import fatal, given_up
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, STALE, Decision
from dalsegno.actors.workflow_actor.interface.effects import Effect
from dalsegno.actors.workflow_actor.interface.retries import retry_at
from dalsegno.errors import RetryState
from dalsegno.failure import Failure
from dalsegno.payload import Payload

OVER = "this attempt is over"

MESSAGE_LIMIT = 500
"""Characters of a failure's message that are repeated in the failure of its activity."""


class Circumstances(Protocol):
    """What is known beside the state. (It is `run.decide.Known`.)"""

    @property
    def now(self) -> int: ...
    @property
    def entropy(self) -> bytes: ...
    @property
    def heartbeats(self) -> Heartbeats: ...


def current(run: RunOfActivities | None, word: AttemptOf) -> Activity | None:
    """The activity that a worker speaks of, if its attempt is the current one and not over."""
    if run is None or run.outcome is not None or run.info.run_id != word.run_id:
        return None
    activity = run.activities.get(number_in(word.token))
    if (
        activity is None
        or activity.token != word.token
        or activity.attempt != word.attempt
        or activity.spec.activity_id != word.activity_id
        or activity.phase in NO_ATTEMPT
    ):
        return None
    return activity


def _is_left_alone(run: RunOfActivities | None, word: AttemptOf) -> bool:
    """Its run is over, and it is an activity that outlives that."""
    is_open = run is not None and run.outcome is None and run.info.run_id == word.run_id
    return not is_open and outlives_run(word.token)


def on_started(
    run: RunOfActivities | None, word: AttemptStarted, known: Circumstances
) -> Decision[ActivityEvent]:
    """Of an early task the first worker that asks is granted the attempt, also when it asks again; a late task
    may be handed to another worker, which is then the one to be asked to stop, unless too many have died of it.
    Of one that is over nothing is known any more: who waits for a grant is refused it, and who works already is
    asked to stop, unless its activity is one to be left alone, and the run has ended meanwhile.

    Any word but the first may be one that was applied before, and waits for what it led to then."""
    activity = current(run, word)
    if activity is None:
        refusal = _grant(word, granted=False)
        stop = () if _is_left_alone(run, word) else (_stop(word, word.worker, OVER),)
        return Decision(effects=(refusal, *stop), stale=True)
    number, spec = activity.spec.number, activity.spec
    has_it = activity.worker == word.worker
    is_new = activity.phase is Phase.SCHEDULED or (not spec.is_early and word.alone != activity.alone)
    if is_new or not (has_it or spec.is_early):
        if not spec.is_early and (failure := fatal(activity, word.worker, alone=word.alone)) is not None:
            heartbeat = known.heartbeats.details(activity)
            event = after_failure(activity, failure, now=known.now, heartbeat=heartbeat)
            return Decision(
                events=(event,), effects=(_grant(word, granted=False), _stop(word, word.worker, OVER))
            )
        return Decision(events=(AttemptBegun(number, word.worker, word.content_type, word.alone),))
    answers: list[Effect] = [_grant(word, granted=has_it)] if spec.is_early or word.alone else []
    if activity.cancel_requested and has_it:  # it asks again, so the request may have been lost on the way
        answers.append(_stop(word, word.worker, CANCELLED))
    return Decision(effects=tuple(answers), stale=True)


def _grant(word: AttemptStarted, *, granted: bool) -> GrantEffect:
    return GrantEffect(
        worker=word.worker,
        run_id=word.run_id,
        activity_id=word.activity_id,
        attempt=word.attempt,
        granted=granted,
        content_type=word.content_type,
        token=word.token,
    )


def _stop(word: AttemptStarted | AttemptHeartbeat, worker: str, reason: str) -> CancelTaskEffect:
    return CancelTaskEffect(
        worker=worker,
        run_id=word.run_id,
        activity_id=word.activity_id,
        attempt=word.attempt,
        reason=reason,
        content_type=word.content_type,
        token=word.token,
    )


def on_heartbeat(run: RunOfActivities | None, word: AttemptHeartbeat, known: Circumstances) -> Decision[Never]:
    """A worker that still works on what is over, or is cancelled, is asked to stop."""
    activity = current(run, word)
    if activity is not None:
        known.heartbeats.beat(activity, now=known.now, details=word.details)
        if word.worker is None or not activity.cancel_requested:
            return NOTHING
    if word.worker is None or (activity is None and _is_left_alone(run, word)):
        return STALE
    return Decision(effects=(_stop(word, word.worker, OVER if activity is None else CANCELLED),))


def on_completed(run: RunOfActivities | None, word: AttemptCompleted, _: object) -> Decision[ActivityEvent]:
    activity = current(run, word)
    if activity is None:
        return STALE
    return Decision(events=(ActivityCompleted(activity.spec.number, word.result),))


def on_canceled(run: RunOfActivities | None, word: AttemptCanceled, _: object) -> Decision[ActivityEvent]:
    activity = current(run, word)
    if activity is None:
        return STALE
    details = () if word.details is None else (word.details,)
    stopped = Failure(kind="canceled", message="the activity was cancelled", details=details)
    return Decision(events=(ActivityFailed(activity.spec.number, stopped),))


def on_failed(
    run: RunOfActivities | None, word: AttemptFailed, known: Circumstances
) -> Decision[ActivityEvent]:
    activity = current(run, word)
    if activity is None:
        return STALE
    failure = word.failure
    if word.returned is not None:
        if word.returned == activity.returned:  # the word came twice, and the task is on its way again
            return STALE
        lost = given_up(activity, failure)
        if lost is None:
            return Decision(events=(TaskReturned(activity.spec.number, word.returned),))
        failure = lost
    heartbeat = known.heartbeats.details(activity)
    event = after_failure(activity, failure, now=known.now, delay=word.next_retry_delay, heartbeat=heartbeat)
    return Decision(events=(event,))


def after_failure(
    activity: Activity,
    failure: Failure,
    *,
    now: int,
    delay: int | None = None,
    heartbeat: Payload | None = None,
) -> RetryPlanned | AttemptsExhausted | ActivityFailed:
    """Another attempt, or none. `delay` replaces the schedule's."""
    spec = activity.spec
    limit = spec.schedule_to_close
    before = None if limit is None else activity.first_scheduled_at + limit
    at = retry_at(spec.retry, failure, attempt=activity.attempt, now=now, delay=delay, before=before)
    if activity.cancel_requested or isinstance(at, RetryState):
        why = at if isinstance(at, RetryState) else RetryState.CANCEL_REQUESTED
        return exhausted(activity, failure, why, heartbeat)
    return RetryPlanned(spec.number, failure, at, heartbeat)


def exhausted(
    activity: Activity, failure: Failure, why: RetryState, heartbeat: Payload | None = None
) -> AttemptsExhausted | ActivityFailed:
    """There is no other attempt. Who is to stop need not wait for a person."""
    if activity.pauses and not activity.cancel_requested:
        return AttemptsExhausted(activity.spec.number, failure, heartbeat)
    why = RetryState.CANCEL_REQUESTED if activity.cancel_requested else why
    return failed_for_good(activity, failure, why)


def failed_for_good(activity: Activity, failure: Failure, why: RetryState) -> ActivityFailed:
    spec = activity.spec
    wrapped = Failure(
        kind="activity",
        message=f"activity {spec.activity_type} failed: {failure.message[:MESSAGE_LIMIT]}",
        cause=failure,
        activity_type=spec.activity_type,
        activity_id=spec.activity_id,
        attempt=activity.attempt,
        retry_state=why.value,
    )
    return ActivityFailed(spec.number, wrapped)


def on_task_lost(run: RunOfActivities, word: ResendTask, _: object) -> Decision[ActivityEvent]:
    for activity in run.activities.values():
        if activity.spec.activity_id == word.activity_id and activity.attempt == word.attempt:
            waiting = activity.phase is Phase.SCHEDULED and word.task in (None, *activity.sends)
            return Decision(events=(TaskResent(activity.spec.number),)) if waiting else STALE
    return STALE


def on_keep_heartbeats(
    run: RunOfActivities, _: KeepHeartbeats, known: Circumstances
) -> Decision[ActivityEvent]:
    return Decision(events=known.heartbeats.to_keep(run.activities))


def _on_task_refused(run: RunOfActivities, due: TaskDue, reason: str) -> Decision[ActivityEvent]:
    activity = run.activities[due.number]
    before = activity.last_failure
    cause = None if before is None else replace(before, cause=None)
    failure = Failure(type=TASK_TOO_LARGE, message=reason, non_retryable=True, cause=cause)
    return Decision(events=(exhausted(activity, failure, RetryState.NON_RETRYABLE_FAILURE),))


REFUSED: dict[type, Callable[[Any, Any, str], Decision[ActivityEvent]]] = {TaskDue: _on_task_refused}
"""What comes of a message that the broker does not take, whoever sends it."""
