"""What is said of an attempt by others than its worker: that it goes on outside, how it ends, that it is alive.

Whoever has the token of an attempt speaks of that attempt alone; without one, of whatever is pending under the
activity's ID. It makes no difference whether the worker has said by then that the attempt went outside: whom it
gave the token may be faster.
"""

from __future__ import annotations

import json
from typing import Never

from dalsegno.actors.workflow_actor.activities.activity import (
    NO_ATTEMPT,
    Activity,
    Phase,
    RunOfActivities,
    number_in,
)
from dalsegno.actors.workflow_actor.activities.attempts import OVER, Circumstances, after_failure, current
from dalsegno.actors.workflow_actor.activities.commands import (
    AttemptDetached,
    AttemptFailed,
    OutsideHeartbeat,
    Resolve,
)
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityCompleted,
    ActivityEvent,
    ActivityFailed,
    AttemptWentOutside,
)
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect
from dalsegno.actors.workflow_actor.interface.decision import STALE, Decision
from dalsegno.actors.workflow_actor.interface.effects import Effect
from dalsegno.failure import Failure
from dalsegno.payload import JSON_PLAIN, Payload

NOT_FOUND = "activity_not_found"

NOT_YET = Failure(
    message="An activity cannot go on outside of its worker yet: replace all hosts of older versions, and run "
    "`dalsegno init`.",
    type="NotYet",
)
"""As long as the namespace is written in a format that has no place for it."""


def on_detached(run: RunOfActivities | None, word: AttemptDetached, _: object) -> Decision[ActivityEvent]:
    activity = current(run, word)
    if activity is None or activity.outside:
        return STALE
    return Decision(events=(AttemptWentOutside(activity.spec.number),))


def as_failed(word: AttemptDetached) -> AttemptFailed:
    """What becomes of it where it cannot be stored."""
    return AttemptFailed(
        run_id=word.run_id,
        activity_id=word.activity_id,
        attempt=word.attempt,
        token=word.token,
        failure=NOT_YET,
    )


def on_resolve(run: RunOfActivities, command: Resolve, known: Circumstances) -> Decision[ActivityEvent]:
    """The worker that has it, if one has, is asked to stop: what it says is not heard any more."""
    activity = _meant(run, command)
    if activity is None:
        return Decision(refusal=(NOT_FOUND, _not_pending(run, command)))
    number, name = activity.spec.number, f"activity {command.activity_id!r}"
    stop = _stop(run, activity)
    if command.result is not None:
        return Decision(events=(ActivityCompleted(number, command.result),), effects=stop)
    if command.failure is None:
        if not activity.cancel_requested:
            return Decision(refusal=("rejected", f"nobody has asked {name} to stop"))
        stopped = Failure(kind="canceled", message="the activity was cancelled", details=command.details)
        return Decision(events=(ActivityFailed(number, stopped),), effects=stop)
    if activity.phase is Phase.BACKING_OFF:
        return Decision(refusal=("rejected", f"{name} has failed already, and waits for its next attempt"))
    if activity.phase is Phase.PAUSED:
        text = f"{name} has failed already, and waits for a person: see to incident {activity.incident}"
        return Decision(refusal=("rejected", text))
    heartbeat, delay = known.heartbeats.details(activity), command.failure.next_retry_delay
    event = after_failure(activity, command.failure, now=known.now, delay=delay, heartbeat=heartbeat)
    return Decision(events=(event,), effects=stop)


def _stop(run: RunOfActivities, activity: Activity) -> tuple[Effect, ...]:
    if activity.worker is None:
        return ()
    effect = CancelTaskEffect(
        worker=activity.worker,
        run_id=run.info.run_id,
        activity_id=activity.spec.activity_id,
        attempt=activity.attempt,
        reason=OVER,
        content_type=activity.content_type,
        token=activity.token,
    )
    return (effect,)


def answer_to_heartbeat(
    run: RunOfActivities, command: OutsideHeartbeat, heartbeats: Heartbeats, *, now: int
) -> Decision[Never]:
    """`cancel_requested`, in JSON."""
    activity = _meant(run, command)
    if activity is None or activity.phase in NO_ATTEMPT:
        return Decision(refusal=(NOT_FOUND, _not_pending(run, command)))
    heartbeats.beat(activity, now=now, details=command.payload)
    told = json.dumps({"cancel_requested": activity.cancel_requested}).encode()
    return Decision(result=Payload(JSON_PLAIN, told))


def _meant(run: RunOfActivities, command: Resolve | OutsideHeartbeat) -> Activity | None:
    """Of several under one ID the newest: the others are not waited for any more."""
    if run.outcome is not None:
        return None
    if command.token is not None:
        activity = run.activities.get(number_in(command.token))
        if activity is None or activity.token != command.token or activity.phase in NO_ATTEMPT:
            return None
        return activity if activity.spec.activity_id == command.activity_id else None
    named = [it for it in run.activities.values() if it.spec.activity_id == command.activity_id]
    return max(named, key=lambda activity: activity.spec.number, default=None)


def _not_pending(run: RunOfActivities, command: Resolve | OutsideHeartbeat) -> str:
    name, workflow_id = f"activity {command.activity_id!r}", run.info.workflow_id
    if command.token is None:
        return f"run {run.info.run_id} of workflow {workflow_id!r} has no pending {name}"
    return f"the attempt of {name} of workflow {workflow_id!r} is over, or that is not its token"
