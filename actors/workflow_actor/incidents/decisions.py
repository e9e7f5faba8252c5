"""What comes of what a person says to an incident."""

from __future__ import annotations

from typing import Protocol

from dalsegno.actors.workflow_actor.activities.activity import Activity, task_token
from dalsegno.actors.workflow_actor.activities.attempts import failed_for_good
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityCompleted,
    ActivityEvent,
    ActivityResolved,
    AttemptsRenewed,
)
from dalsegno.actors.workflow_actor.incidents.commands import SettleIncident
from dalsegno.actors.workflow_actor.incidents.incident import RunOfIncidents
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.errors import RetryState
from dalsegno.failure import Failure

UNCHECKED = (
    "whether the result fits what the workflow expects cannot be found out, for its code does not run now: let "
    "it go on first"
)


class IncidentCircumstances(Protocol):
    """What is known beside the state. (It is `run.decide.Known`.)"""

    @property
    def entropy(self) -> bytes: ...


def not_open(run: RunOfIncidents, number: int) -> tuple[str, str] | None:
    """Why nothing can be said to the incident of this number; None if something can be."""
    if number in run.incidents:
        return None
    if 0 < number <= run.incidents_opened:
        return (
            "rejected",
            f"incident {number} of this run is not open any more: its activity goes on, or has ended",
        )
    return "rejected", f"this run has no incident {number}"


def on_settle(
    run: RunOfIncidents, command: SettleIncident, known: IncidentCircumstances
) -> Decision[ActivityEvent]:
    """One that is open. A result has been looked at."""
    activity = _activity(run, command)
    number = activity.spec.number
    if command.action == "retry":
        token = task_token(known.entropy, number, 1, outlives=activity.spec.outlives_run)
        return Decision(events=(AttemptsRenewed(number, token),))
    if command.action == "complete":
        assert command.result is not None
        return Decision(events=(ActivityCompleted(number, command.result),))
    failure = command.failure or activity.last_failure or Failure(message="its attempts are exhausted")
    return Decision(events=(failed_for_good(activity, failure, RetryState.NON_RETRYABLE_FAILURE),))


def result_of(run: RunOfIncidents, command: SettleIncident) -> ActivityResolved | None:
    """What the code would be given; None unless a result is."""
    if command.action != "complete":
        return None
    return ActivityResolved(number=_activity(run, command).spec.number, result=command.result)


def _activity(run: RunOfIncidents, command: SettleIncident) -> Activity:
    return run.activities[run.incidents[command.number].activity]
