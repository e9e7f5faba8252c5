"""A pending local activity as people see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dalsegno.actors.workflow_actor.local_activities.local_activity import LocalActivity
from dalsegno.failure import Failure


def waited_for(pending: Mapping[int, LocalActivity]) -> Iterator[str]:
    """In words, as the state alone tells."""
    return (f"local activity {number} {local.spec.activity_type}" for number, local in pending.items())


def described(
    local: LocalActivity, task_queue: str, fit: Callable[[Failure | None], Failure | None]
) -> dict[str, Any]:
    """The fields of the wire's PendingActivity. `fit` shortens a failure to what there is room for."""
    return {
        "activity_id": local.spec.activity_id,
        "activity_type": local.spec.activity_type,
        "task_queue": task_queue,
        "attempt": local.attempt,
        "state": "backing_off" if local.backing_off else "started",
        "scheduled_at": local.scheduled_at,
        "next_attempt_at": local.due_at if local.backing_off else None,
        "last_failure": fit(local.last_failure),
        "cancel_requested": local.cancel_requested,
        "is_local": True,
        "maximum_attempts": local.spec.retry.maximum_attempts,
        "due_at": local.due_at,
    }
