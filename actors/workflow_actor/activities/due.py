"""What is due for an activity when, and what is done then."""

from __future__ import annotations

from enum import IntEnum
from operator import attrgetter
from typing import assert_never

from dalsegno.actors.workflow_actor.activities.activity import (
    GRACE,
    Activity,
    ActivitySpec,
    Phase,
    RunOfActivities,
    task_token,
)
from dalsegno.actors.workflow_actor.activities.attempts import (
    Circumstances,
    after_failure,
    exhausted,
)
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityEvent,
    ActivityFailed,
    ActivityWanted,
    AttemptBegun,
    AttemptScheduled,
    AttemptsExhausted,
    AttemptsRenewed,
    AttemptWentOutside,
    RetryPlanned,
    TaskOverdue,
)
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.due import FallsDue
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.errors import RetryState, TimeoutType
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class Obligation(IntEnum):
    """What the engine owes an activity at some time; of two at the same time the first here comes first."""

    SCHEDULE_TO_CLOSE = 0
    SCHEDULE_TO_START = 1
    START_TO_CLOSE = 2
    HEARTBEAT = 3
    RETRY = 4
    RESEND = 5


def next_obligation(activity: Activity, *, alive_at: int) -> tuple[int, Obligation]:
    """The earliest. `alive_at` is when the last heartbeat came, if any; it counts for a started attempt."""
    spec = activity.spec
    match activity.phase:
        case Phase.SCHEDULED:
            first = (activity.resend_at, Obligation.RESEND)
            if spec.schedule_to_start is not None:
                deadline = activity.scheduled_at + spec.schedule_to_start
                first = min(first, (deadline, Obligation.SCHEDULE_TO_START))
        case Phase.STARTED:
            started_at = activity.started_at or 0
            first = (FAR_FUTURE, Obligation.START_TO_CLOSE)
            if spec.start_to_close is not None:
                grace = 0 if activity.outside else GRACE
                first = min(first, (started_at + spec.start_to_close + grace, Obligation.START_TO_CLOSE))
            if (limit := activity.silence_limit) is not None:
                first = min(first, (max(started_at, alive_at) + limit, Obligation.HEARTBEAT))
        case Phase.BACKING_OFF:
            first = (activity.retry_at or 0, Obligation.RETRY)
        case Phase.PAUSED:
            return FAR_FUTURE, Obligation.RESEND
    if spec.schedule_to_close is not None:
        deadline = activity.first_scheduled_at + spec.schedule_to_close
        first = min(first, (deadline, Obligation.SCHEDULE_TO_CLOSE))
    return min(first, (FAR_FUTURE, Obligation.RESEND))


def _at(run: RunOfActivities, number: int, heartbeats: Heartbeats) -> int | None:
    activity = run.activities.get(number)
    if activity is None or activity.incident:
        return None
    return next_obligation(activity, alive_at=heartbeats.alive_at(activity))[0]


def _do(run: RunOfActivities, number: int, known: Circumstances) -> Decision[ActivityEvent]:
    activity = run.activities[number]
    heartbeats = known.heartbeats
    _, obligation = next_obligation(activity, alive_at=heartbeats.alive_at(activity))
    heartbeat = heartbeats.details(activity)
    match obligation:
        case Obligation.RETRY:
            outlives = activity.spec.outlives_run
            token = task_token(known.entropy, number, activity.attempt + 1, outlives=outlives)
            return Decision(events=(AttemptScheduled(number, token),))
        case Obligation.RESEND:
            return Decision(events=(TaskOverdue(number),), probes=(_probe(activity),))
        case Obligation.START_TO_CLOSE | Obligation.HEARTBEAT:
            failure = _timed_out(activity.spec, obligation, heartbeat=heartbeat)
            return Decision(events=(after_failure(activity, failure, now=known.now, heartbeat=heartbeat),))
        case Obligation.SCHEDULE_TO_START | Obligation.SCHEDULE_TO_CLOSE:
            failure = _timed_out(activity.spec, obligation, heartbeat=heartbeat, cause=activity.last_failure)
            is_over = obligation is Obligation.SCHEDULE_TO_CLOSE
            why = RetryState.TIMEOUT if is_over else RetryState.NON_RETRYABLE_FAILURE
            return Decision(events=(exhausted(activity, failure, why, heartbeat),))
        case _:
            assert_never(obligation)


def _probe(activity: Activity) -> Probe:
    spec = activity.spec
    return Probe(
        activity_id=spec.activity_id,
        attempt=activity.attempt,
        task_queue=spec.task_queue,
        task=activity.sends[0],
    )


_CLOCKS = {
    Obligation.START_TO_CLOSE: (TimeoutType.START_TO_CLOSE, "did not end within its start-to-close timeout"),
    Obligation.HEARTBEAT: (TimeoutType.HEARTBEAT, "sent no heartbeat within its heartbeat timeout"),
    Obligation.SCHEDULE_TO_START: (
        TimeoutType.SCHEDULE_TO_START,
        "was not started within its schedule-to-start timeout",
    ),
    Obligation.SCHEDULE_TO_CLOSE: (
        TimeoutType.SCHEDULE_TO_CLOSE,
        "did not end within its schedule-to-close timeout",
    ),
}


def _timed_out(
    spec: ActivitySpec,
    obligation: Obligation,
    *,
    heartbeat: Payload | None,
    cause: Failure | None = None,
) -> Failure:
    clock, text = _CLOCKS[obligation]
    return Failure(
        kind="timed_out",
        message=f"activity {spec.activity_type} {text}",
        details=() if heartbeat is None else (heartbeat,),
        timeout_type=clock.value,
        cause=cause,
    )


DUE = FallsDue(
    pending=attrgetter("activities"),
    at=_at,
    moved_by={
        ActivityWanted: attrgetter("spec.number"),
        AttemptBegun: attrgetter("number"),
        AttemptWentOutside: attrgetter("number"),
        RetryPlanned: attrgetter("number"),
        AttemptScheduled: attrgetter("number"),
        AttemptsRenewed: attrgetter("number"),
        TaskOverdue: attrgetter("number"),
    },
    do=_do,
    events=(AttemptScheduled, TaskOverdue, RetryPlanned, AttemptsExhausted, ActivityFailed),
)
