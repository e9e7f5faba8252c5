"""A pending activity as people see it."""

from __future__ import annotations

from typing import Any

from dalsegno.actors.workflow_actor.activities.activity import Activity
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats


def described(activity: Activity, heartbeats: Heartbeats) -> dict[str, Any]:
    """The fields of the wire's PendingActivity."""
    return {
        "activity_id": activity.spec.activity_id,
        "activity_type": activity.spec.activity_type,
        "task_queue": activity.spec.task_queue,
        "attempt": activity.attempt,
        "state": activity.phase.name.lower(),
        "scheduled_at": activity.scheduled_at,
        "next_attempt_at": activity.retry_at,
        "last_failure": activity.last_failure,
        "cancel_requested": activity.cancel_requested,
        "worker": activity.worker,
        "started_at": activity.started_at,
        "last_heartbeat_at": heartbeats.last_at(activity),
    }
