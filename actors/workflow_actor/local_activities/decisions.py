"""What comes of a local activity, decided: which word of a host counts, and when it is tried again."""

from __future__ import annotations

from typing import Protocol

from dalsegno.actors.workflow_actor.activities.attempts import MESSAGE_LIMIT
from dalsegno.actors.workflow_actor.interface.decision import STALE, Decision
from dalsegno.actors.workflow_actor.interface.retries import retry_at
from dalsegno.actors.workflow_actor.local_activities.changes import CANCELED
from dalsegno.actors.workflow_actor.local_activities.commands import (
    LocalWorkCanceled,
    LocalWorkCompleted,
    LocalWorkEnded,
    LocalWorkFailed,
)
from dalsegno.actors.workflow_actor.local_activities.events import (
    LocalActivityCompleted,
    LocalActivityEvent,
    LocalActivityFailed,
    LocalRetryPlanned,
)
from dalsegno.actors.workflow_actor.local_activities.local_activity import (
    LocalActivity,
    LocalActivitySpec,
    RunOfLocalActivities,
)
from dalsegno.errors import RetryState, TimeoutType
from dalsegno.failure import Failure


class LocalCircumstances(Protocol):
    """What is known beside the state. (It is `run.decide.Known`.)"""

    @property
    def now(self) -> int: ...


def _current(run: RunOfLocalActivities, word: LocalWorkEnded) -> LocalActivity | None:
    """The activity that a host speaks of, if it waits for that word."""
    if run.outcome is not None or run.info.run_id != word.run_id:
        return None
    pending = run.local_activities.get(word.number)
    if pending is None or pending.token != word.token or pending.backing_off:
        return None
    return pending


def on_completed(
    run: RunOfLocalActivities, word: LocalWorkCompleted, _: object
) -> Decision[LocalActivityEvent]:
    if _current(run, word) is None:
        return STALE
    return Decision(events=(LocalActivityCompleted(word.number, word.result),))


def on_canceled(run: RunOfLocalActivities, word: LocalWorkCanceled, _: object) -> Decision[LocalActivityEvent]:
    if _current(run, word) is None:
        return STALE
    return Decision(events=(LocalActivityFailed(word.number, CANCELED),))


def on_failed(
    run: RunOfLocalActivities, word: LocalWorkFailed, known: LocalCircumstances
) -> Decision[LocalActivityEvent]:
    pending = _current(run, word)
    if pending is None:
        return STALE
    spec, failure = pending.spec, word.failure
    at: int | RetryState
    if pending.cancel_requested:
        at = RetryState.CANCEL_REQUESTED
    elif word.may_retry:
        at = next_at(spec, failure, attempt=word.attempt, now=known.now, began_at=pending.scheduled_at)
    else:
        is_over = failure.timeout_type == TimeoutType.SCHEDULE_TO_CLOSE
        at = RetryState.TIMEOUT if is_over else RetryState.NON_RETRYABLE_FAILURE
    if isinstance(at, RetryState):
        return Decision(events=(failed_for_good(spec, failure, at, attempt=word.attempt),))
    return Decision(events=(LocalRetryPlanned(word.number, word.attempt, word.failure, at),))


def next_at(
    spec: LocalActivitySpec, failure: Failure, *, attempt: int, now: int, began_at: int
) -> int | RetryState:
    """When it is tried again after `attempt` has failed now, or why it is not. `began_at`: when it was
    scheduled."""
    before = None if spec.schedule_to_close is None else began_at + spec.schedule_to_close
    delay = failure.next_retry_delay
    return retry_at(spec.retry, failure, attempt=attempt, now=now, delay=delay, before=before)


def failed_for_good(
    spec: LocalActivitySpec, failure: Failure, why: RetryState, *, attempt: int
) -> LocalActivityFailed:
    wrapped = Failure(
        kind="activity",
        message=f"activity {spec.activity_type} failed: {failure.message[:MESSAGE_LIMIT]}",
        cause=failure,
        activity_type=spec.activity_type,
        activity_id=spec.activity_id,
        attempt=attempt,
        retry_state=why.value,
    )
    return LocalActivityFailed(spec.number, wrapped)
