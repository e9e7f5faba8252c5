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
    at = None
    if word.may_retry and not pending.cancel_requested:
        at = next_at(
            pending.spec, word.failure, attempt=word.attempt, now=known.now, began_at=pending.scheduled_at
        )
    if at is None:
        return Decision(events=(failed_for_good(pending.spec, word.failure, attempt=word.attempt),))
    return Decision(events=(LocalRetryPlanned(word.number, word.attempt, word.failure, at),))


def next_at(spec: LocalActivitySpec, failure: Failure, *, attempt: int, now: int, began_at: int) -> int | None:
    """When it is tried again after `attempt` has failed now; None if it is not. `began_at`: when it was
    scheduled."""
    at = retry_at(spec.retry, failure, attempt=attempt, now=now, delay=failure.next_retry_delay)
    limit = spec.schedule_to_close
    return None if at is not None and limit is not None and at >= began_at + limit else at


def failed_for_good(spec: LocalActivitySpec, failure: Failure, *, attempt: int) -> LocalActivityFailed:
    wrapped = Failure(
        kind="activity",
        message=f"activity {spec.activity_type} failed: {failure.message[:MESSAGE_LIMIT]}",
        cause=failure,
        activity_type=spec.activity_type,
        activity_id=spec.activity_id,
        attempt=attempt,
    )
    return LocalActivityFailed(spec.number, wrapped)
