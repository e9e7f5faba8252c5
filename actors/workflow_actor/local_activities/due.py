"""What is due for a local activity: its next attempt, or another try at one of which nothing was heard."""

from __future__ import annotations

from operator import attrgetter

from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.due import FallsDue
from dalsegno.actors.workflow_actor.local_activities.decisions import LocalCircumstances, failed_for_good
from dalsegno.actors.workflow_actor.local_activities.events import (
    LocalActivityBegun,
    LocalActivityEvent,
    LocalActivityFailed,
    LocalActivityUnwanted,
    LocalActivityWanted,
    LocalRetryPlanned,
)
from dalsegno.actors.workflow_actor.local_activities.local_activity import LocalActivity, RunOfLocalActivities
from dalsegno.errors import RetryState, TimeoutType
from dalsegno.failure import Failure


def _at(run: RunOfLocalActivities, number: int, _: object) -> int | None:
    pending = run.local_activities.get(number)
    return None if pending is None else pending.due_at


def _do(run: RunOfLocalActivities, number: int, known: LocalCircumstances) -> Decision[LocalActivityEvent]:
    pending = run.local_activities[number]
    if pending.deadline is not None and pending.deadline <= known.now:
        over = failed_for_good(pending.spec, out_of_time(pending), RetryState.TIMEOUT, attempt=pending.attempt)
        return Decision(events=(over,))
    return Decision(events=(LocalActivityBegun(number),))


def out_of_time(pending: LocalActivity) -> Failure:
    return Failure(
        kind="timed_out",
        message=f"activity {pending.spec.activity_type} did not end within its schedule-to-close timeout",
        timeout_type=TimeoutType.SCHEDULE_TO_CLOSE.value,
        cause=pending.last_failure,
    )


DUE = FallsDue(
    pending=attrgetter("local_activities"),
    at=_at,
    moved_by={
        LocalActivityWanted: attrgetter("spec.number"),
        LocalActivityUnwanted: attrgetter("number"),
        LocalActivityBegun: attrgetter("number"),
        LocalRetryPlanned: attrgetter("number"),
    },
    do=_do,
    events=(LocalActivityBegun, LocalActivityFailed),
)
