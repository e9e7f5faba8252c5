"""What user code wants of activities, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.activities.activity import ActivitySpec, task_token
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityUnwanted,
    ActivityWant,
    ActivityWanted,
    PauseWanted,
)
from dalsegno.actors.workflow_actor.activities.intents import (
    CancelActivity,
    PauseWhenExhausted,
    ScheduleActivity,
)
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE


def _wanted(intent: ScheduleActivity, entropy: bytes) -> ActivityWanted:
    spec = spec_of(intent)
    return ActivityWanted(spec, task_token(entropy, intent.number, 1, outlives=spec.outlives_run))


def _unwanted(intent: CancelActivity, _: bytes) -> ActivityUnwanted:
    return ActivityUnwanted(intent.number, may_run=True)


def _pausing(intent: PauseWhenExhausted, _: bytes) -> PauseWanted:
    return PauseWanted(intent.number)


def spec_of(intent: ScheduleActivity) -> ActivitySpec:
    """Durations beyond what the wire can carry are cut; no attempt may outlast the activity."""
    start_to_close, schedule_to_close, schedule_to_start, heartbeat_timeout = [
        None if limit is None else min(limit, FAR_FUTURE)
        for limit in (
            intent.start_to_close,
            intent.schedule_to_close,
            intent.schedule_to_start,
            intent.heartbeat_timeout,
        )
    ]
    if schedule_to_close is not None:
        start_to_close = min(start_to_close or schedule_to_close, schedule_to_close)
    return ActivitySpec(
        intent.number,
        intent.activity_id,
        intent.activity_type,
        intent.task_queue,
        intent.args,
        start_to_close,
        schedule_to_close,
        schedule_to_start,
        heartbeat_timeout,
        intent.retry,
        intent.cancellation_type,
        intent.headers,
    )


WANTS: dict[type, Callable[[Any, bytes], ActivityWant]] = {
    ScheduleActivity: _wanted,
    CancelActivity: _unwanted,
    PauseWhenExhausted: _pausing,
}
"""By its type, what an intent becomes; the bytes are random."""
