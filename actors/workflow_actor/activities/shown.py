"""A pending activity as people see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.activity import Activity
from dalsegno.actors.workflow_actor.activities.due import next_obligation
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.failure import Failure
from dalsegno.priority import level_in, named

FAILURE_CHARACTERS_MAX = 500
"""Of the message of one that is shown briefly."""


class FailureRoom:
    """What a description has left for failures, in characters: those that no longer fit are shown briefly, with
    what people look for."""

    def __init__(self, characters: int) -> None:
        self._characters = characters
        self.shortened = 0
        """How many are shown briefly."""

    def fit(self, failure: Failure | None) -> Failure | None:
        if failure is None:
            return None
        size = _size(failure)
        if size > self._characters:
            self.shortened += 1
            return _brief(failure, cause=None if failure.cause is None else _brief(failure.cause))
        self._characters -= size
        return failure


def _size(failure: Failure) -> int:
    own = len(failure.message) + len(failure.stack) + sum(len(detail.data) for detail in failure.details)
    others = failure.parts if failure.cause is None else (failure.cause, *failure.parts)
    return own + sum(map(_size, others))


def _brief(failure: Failure, *, cause: Failure | None = None) -> Failure:
    message = failure.message[:FAILURE_CHARACTERS_MAX]
    return replace(failure, message=message, stack="", details=(), parts=(), cause=cause)


def waited_for(activities: Mapping[int, Activity]) -> Iterator[str]:
    """In words, as the state alone tells."""
    return (f"activity {number} {activity.spec.activity_type}" for number, activity in activities.items())


def described(activity: Activity, heartbeats: Heartbeats, room: FailureRoom) -> dict[str, Any]:
    """The fields of the wire's PendingActivity."""
    due_at, _ = next_obligation(activity, alive_at=heartbeats.alive_at(activity))
    return {
        "activity_id": activity.spec.activity_id,
        "activity_type": activity.spec.activity_type,
        "task_queue": named(activity.spec.task_queue),
        "priority": level_in(activity.spec.task_queue),
        "attempt": activity.attempt,
        "state": activity.phase.name.lower(),
        "scheduled_at": activity.scheduled_at,
        "next_attempt_at": activity.retry_at,
        "last_failure": room.fit(activity.last_failure),
        "cancel_requested": activity.cancel_requested,
        "worker": activity.worker,
        "outside": activity.outside,
        "started_at": activity.started_at,
        "last_heartbeat_at": heartbeats.last_at(activity),
        "maximum_attempts": activity.spec.retry.maximum_attempts,
        "heartbeat_timeout": activity.silence_limit,
        "due_at": None if due_at >= FAR_FUTURE else due_at,
    }
