"""What user code wants of local activities, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.activities.activity import task_token
from dalsegno.actors.workflow_actor.activities.intents import CancelLocalActivity, ScheduleLocalActivity
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.local_activities.events import (
    LocalActivityUnwanted,
    LocalActivityWant,
    LocalActivityWanted,
)
from dalsegno.actors.workflow_actor.local_activities.local_activity import LocalActivitySpec


def _wanted(intent: ScheduleLocalActivity, entropy: bytes) -> LocalActivityWanted:
    return LocalActivityWanted(spec_of(intent), task_token(entropy, intent.number, 1))


def _unwanted(intent: CancelLocalActivity, _: bytes) -> LocalActivityUnwanted:
    return LocalActivityUnwanted(intent.number)


def spec_of(intent: ScheduleLocalActivity) -> LocalActivitySpec:
    """Durations that are too long to be stored are cut; no attempt may outlast the activity."""
    start_to_close, schedule_to_close, schedule_to_start = [
        None if limit is None else min(limit, FAR_FUTURE)
        for limit in (intent.start_to_close, intent.schedule_to_close, intent.schedule_to_start)
    ]
    if schedule_to_close is not None:
        start_to_close = min(start_to_close or schedule_to_close, schedule_to_close)
    return LocalActivitySpec(
        intent.number,
        intent.activity_id,
        intent.activity_type,
        intent.args,
        start_to_close,
        schedule_to_close,
        schedule_to_start,
        intent.retry,
        min(intent.retry_threshold, FAR_FUTURE),
        intent.cancellation_type,
        intent.summary,
        intent.headers,
    )


WANTS: dict[type, Callable[[Any, bytes], LocalActivityWant]] = {
    ScheduleLocalActivity: _wanted,
    CancelLocalActivity: _unwanted,
}
"""By its type, what an intent becomes; the bytes are random."""
