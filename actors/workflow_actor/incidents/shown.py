"""Incidents as people see them, and the row by which lists find the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from dalsegno.actors.workflow_actor.activities.activity import Activity
from dalsegno.actors.workflow_actor.activities.shown import FailureRoom
from dalsegno.actors.workflow_actor.incidents.incident import Incident, RunOfIncidents
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.failure import Failure
from dalsegno.persistence.attributes_port import INCIDENTS
from dalsegno.persistence.port import AttributeSet
from dalsegno.priority import named
from dalsegno.search_attributes import AttributeValue, SearchAttributeIndexedValueType

SHOWN_MAX = 100
"""A description has to fit into a message."""

MESSAGE_CHARACTERS_MAX = 500

ARGS_BYTES_MAX = 65_536
"""Of the arguments that are shown of all of them."""


def described(run: RunOfIncidents, room: FailureRoom) -> tuple[dict[str, Any], ...]:
    """The first few, by number."""
    left, shown = ARGS_BYTES_MAX, []
    for number, incident in islice(run.incidents.items(), SHOWN_MAX):
        activity = run.activities[incident.activity]
        left -= sum(len(arg.data) for arg in activity.spec.args)
        shown.append(_described(activity, number, incident, room, has_args=left >= 0))
    return tuple(shown)


def _described(
    activity: Activity, number: int, incident: Incident, room: FailureRoom, *, has_args: bool
) -> dict[str, Any]:
    return {
        "number": number,
        "activity_id": activity.spec.activity_id,
        "activity_type": activity.spec.activity_type,
        "task_queue": named(activity.spec.task_queue),
        "attempts": activity.attempt,
        "opened_at": incident.opened_at,
        "last_failure": room.fit(activity.last_failure),
        "args": activity.spec.args if has_args else None,
    }


def waited_for(run: RunOfIncidents) -> Iterator[str]:
    """In words: what a person is waited for."""
    for number, incident in run.incidents.items():
        spec = run.activities[incident.activity].spec
        yield f"a person, for incident {number} (activity {spec.number} {spec.activity_type})"


def why(run: RunOfIncidents) -> str | None:
    """What lists show of the run: the first of them, and how many there are beside."""
    if not run.incidents:
        return None
    number, what = first_open(run)
    return f"incident {number}: {what}"


def first_open(run: RunOfIncidents) -> tuple[int, str]:
    """Its number; what has happened, and how many there are beside."""
    number, incident = next(iter(run.incidents.items()))
    others, text = len(run.incidents) - 1, _what_failed(run, incident)
    return number, f"{text} (and {others} more)" if others else text


def _what_failed(run: RunOfIncidents, incident: Incident) -> str:
    activity = run.activities[incident.activity]
    failure: Failure | None = activity.last_failure
    attempts = f"{activity.attempt} attempt{'' if activity.attempt == 1 else 's'}"
    said = "" if failure is None else f": {failure.message[:MESSAGE_CHARACTERS_MAX]}"
    return f"activity {activity.spec.activity_type} failed after {attempts}{said}"


def opened(before: RunOfIncidents, after: RunOfIncidents) -> tuple[tuple[int, str], ...]:
    """Those that are new: their numbers, and what has happened."""
    numbers = range(before.incidents_opened + 1, after.incidents_opened + 1)
    return tuple(
        (number, _what_failed(after, after.incidents[number]))
        for number in numbers
        if number in after.incidents
    )


def rows(before: Mapping[int, Incident], after: RunOfIncidents) -> tuple[AttributeSet, ...]:
    """How many there are, if that has changed."""
    count = len(after.incidents)
    return () if count == len(before) else _count_set(after.info, count)


def none_open(info: RunInfo) -> tuple[AttributeSet, ...]:
    """Whatever there were."""
    return _count_set(info, 0)


def _count_set(info: RunInfo, count: int) -> tuple[AttributeSet, ...]:
    value = AttributeValue(SearchAttributeIndexedValueType.INT, count) if count else None
    return (AttributeSet(run_id=info.run_id, begun_at=info.started_at, name=INCIDENTS, value=value, places=1),)
