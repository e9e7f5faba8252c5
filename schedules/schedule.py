"""A schedule, as users write it and see it. Names and meaning follow the Temporal Python SDK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dalsegno.given import Duration
from dalsegno.schedules.action import ScheduleActionStartWorkflow
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.spec import ScheduleSpec


@dataclass(slots=True)
class SchedulePolicy:
    overlap: ScheduleOverlapPolicy = ScheduleOverlapPolicy.SKIP
    catchup_window: Duration | None = None
    """After an outage, times that are over for longer are left out (a year; 10 seconds at least)."""
    pause_on_failure: bool = False
    """Whether the schedule is paused when a workflow that it has started fails or times out."""


@dataclass(slots=True)
class ScheduleState:
    note: str | None = None
    """For people. Whoever pauses the schedule may set it."""
    paused: bool = False
    """No workflow is started but those that are asked for (`trigger`, `backfill`)."""
    limited_actions: bool = False
    """Whether `remaining_actions` counts."""
    remaining_actions: int = 0
    """So many workflows are started yet; those that are asked for are not counted."""


@dataclass(slots=True)
class Schedule:
    """What is started, when, and how."""

    action: ScheduleActionStartWorkflow
    spec: ScheduleSpec
    policy: SchedulePolicy = field(default_factory=SchedulePolicy)
    state: ScheduleState = field(default_factory=ScheduleState)


@dataclass(slots=True)
class ScheduleBackfill:
    """Times that are over, to be gone through as if they were now."""

    start_at: datetime
    """Exclusive: times are later. One without a zone is UTC."""
    end_at: datetime
    """Inclusive."""
    overlap: ScheduleOverlapPolicy | None = None
    """In place of the schedule's."""


@dataclass(frozen=True, slots=True)
class ScheduleActionExecutionStartWorkflow:
    """A workflow that was started."""

    workflow_id: str
    first_execution_run_id: str


@dataclass(frozen=True, slots=True)
class ScheduleActionResult:
    scheduled_at: datetime
    """With its jitter."""
    started_at: datetime
    action: ScheduleActionExecutionStartWorkflow


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """What has become of a schedule."""

    num_actions: int
    """Workflows started."""
    num_actions_missed_catchup_window: int
    num_actions_skipped_overlap: int
    running_actions: Sequence[ScheduleActionExecutionStartWorkflow]
    """But for those of ALLOW_ALL."""
    recent_actions: Sequence[ScheduleActionResult]
    """The last ten, oldest first."""
    next_action_times: Sequence[datetime]
    """The next ten, as if it were not paused."""
    created_at: datetime
    last_updated_at: datetime | None
