"""What leaves for an activity: its task, and the answers to its worker. The state keeps what is due; the
message is made of that and the activity when it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct, field

from dalsegno.actors.workflow_actor.activities.activity import RunOfActivities
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect
from dalsegno.payload import Payload


class TaskEffect(DurableEffect, frozen=True, kw_only=True):
    """Publish one attempt to its task queue, or to the queue of its level."""

    workflow_id: str
    workflow_type: str
    activity_id: str
    activity_type: str
    task_queue: str
    attempt: int
    token: bytes
    fence: int
    acknowledge: Literal["late", "early"]
    args: tuple[Payload, ...]
    scheduled_at: int
    start_to_close: int | None
    schedule_to_close: int | None
    heartbeat_timeout: int | None
    auto_heartbeat: bool
    heartbeat_details: Payload | None
    headers: dict[str, Payload] = field(default_factory=dict)


class WorkerEffect(DurableEffect, frozen=True, kw_only=True):
    """What is said of an attempt to the worker that has it: to its own queue, in what it speaks ("": CBOR)."""

    worker: str
    activity_id: str
    attempt: int
    content_type: str = ""
    token: bytes = b""


class GrantEffect(WorkerEffect, frozen=True, kw_only=True):
    """Answer an early task's `started`."""

    granted: bool


class CancelTaskEffect(WorkerEffect, frozen=True, kw_only=True):
    """Ask to stop it."""

    reason: str


class TaskDue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="t"):
    """The task of the activity's current attempt; its content is the activity's."""

    number: int


class GrantDue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="g"):
    worker: str
    activity_id: str
    attempt: int
    content_type: str = ""
    token: bytes = b""


class CancelDue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="c"):
    worker: str
    activity_id: str
    attempt: int
    reason: str
    content_type: str = ""
    token: bytes = b""


ActivityDue = TaskDue | GrantDue | CancelDue


def _task_of(run: RunOfActivities, due: TaskDue, _: str) -> TaskEffect:
    info, activity = run.info, run.activities[due.number]
    spec = activity.spec
    is_early = spec.is_early
    return TaskEffect(
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        workflow_type=info.workflow_type,
        activity_id=spec.activity_id,
        activity_type=spec.activity_type,
        task_queue=spec.task_queue,
        attempt=activity.attempt,
        token=activity.token,
        fence=activity.fence,
        acknowledge="early" if is_early else "late",
        args=spec.args,
        scheduled_at=activity.scheduled_at,
        start_to_close=spec.start_to_close,
        schedule_to_close=spec.schedule_to_close,
        heartbeat_timeout=spec.silence_limit if is_early else None,
        auto_heartbeat=is_early and spec.auto_heartbeat,
        heartbeat_details=activity.heartbeat_details,
        headers=spec.headers,
    )


def _grant_of(_: object, due: GrantDue, run_id: str) -> GrantEffect:
    return GrantEffect(
        worker=due.worker,
        run_id=run_id,
        activity_id=due.activity_id,
        attempt=due.attempt,
        granted=True,
        content_type=due.content_type,
        token=due.token,
    )


def _cancel_of(_: object, due: CancelDue, run_id: str) -> CancelTaskEffect:
    return CancelTaskEffect(
        worker=due.worker,
        run_id=run_id,
        activity_id=due.activity_id,
        attempt=due.attempt,
        reason=due.reason,
        content_type=due.content_type,
        token=due.token,
    )


EFFECTS: dict[type, Callable[[Any, Any, str], DurableEffect]] = {
    TaskDue: _task_of,
    GrantDue: _grant_of,
    CancelDue: _cancel_of,
}
"""By state, what is due, and run: the message that leaves."""
