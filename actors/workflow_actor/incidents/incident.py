"""An incident of a run that is open, from when all attempts of an activity have failed until a person has said
what becomes of it, or nobody waits for the activity any more. What failed, and how, stands in the activity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities.activity import Activity
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo

IncidentAction = Literal["retry", "complete", "fail"]


class Incident(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`activity` is the number of one that is pending."""

    activity: int
    opened_at: int


class RunOfIncidents(Protocol):
    """A run's state, as far as it is about them. (It is `run.state.WorkflowState`.)"""

    @property
    def info(self) -> RunInfo: ...
    @property
    def activities(self) -> Mapping[int, Activity]: ...
    @property
    def incidents(self) -> Mapping[int, Incident]: ...
    @property
    def incidents_opened(self) -> int: ...
