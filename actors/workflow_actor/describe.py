"""A run as `describe` shows it: the fields of the wire's Description, but for partition and host."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from dalsegno.actors.workflow_actor.activities import Activity
from dalsegno.actors.workflow_actor.inputs import Signaled
from dalsegno.actors.workflow_actor.program_port import Program
from dalsegno.actors.workflow_actor.state import WorkflowState

SIGNAL_NAMES_MAX = 20
"""Of buffered signals; names come from outside, and a description has to fit into a message."""


def describe(state: WorkflowState, program: Program | None, *, wake_at: int | None) -> dict[str, Any]:
    """`program` is asked what it waits for if it is in memory; otherwise the state tells part of it."""
    waiting = _waiting_for(state) if program is None else program.waiting_for()
    backlog = [state.log[index].input for index in range(state.processed, len(state.log))]
    buffered = [*state.signed.signals, *(input_ for input_ in backlog if isinstance(input_, Signaled))]
    return {
        "workflow_id": state.info.workflow_id,
        "run_id": state.info.run_id,
        "workflow_type": state.info.workflow_type,
        "task_queue": state.info.task_queue,
        "status": state.status,
        "sequence": state.sequence,
        "started_at": state.info.started_at,
        "closed_at": None if state.outcome is None else state.outcome.closed_at,
        "suspended_reason": None if state.suspension is None else state.suspension.reason,
        "cancel_requested": state.cancel_requested,
        "history_length": len(state.log),
        "next_wake_up_at": wake_at,
        "memo": state.info.memo,
        "pending_activities": tuple(_pending(activity) for activity in state.activities.values()),
        "pending_timers": len(state.timers),
        "buffered_signals": len(buffered),
        "buffered_signal_names": dict(islice(Counter(s.name for s in buffered).items(), SIGNAL_NAMES_MAX)),
        "waiting_for": () if state.is_closed else waiting,
    }


def _pending(activity: Activity) -> dict[str, Any]:
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
    }


def _waiting_for(state: WorkflowState) -> tuple[str, ...]:
    activities = [
        f"activity {number} {activity.spec.activity_type}" for number, activity in state.activities.items()
    ]
    return (*activities, *(f"timer {number}" for number in state.timers))
