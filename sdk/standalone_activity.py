"""An activity that a client starts by itself, as the built-in workflow that runs it is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field

STANDALONE_ACTIVITY = "dalsegno.activity"
"""The type of that workflow."""


@dataclass(frozen=True, kw_only=True)
class RetryOfStandalone:
    """A RetryPolicy. Times are whole microseconds."""

    initial_interval: int = 1_000_000
    backoff_coefficient: float = 2.0
    maximum_interval: int | None = None
    maximum_attempts: int = 0
    non_retryable_error_types: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class StandaloneActivity:
    """The first argument of the workflow; those behind it are the activity's own. Times are whole microseconds,
    and what is left out is as for an activity of a workflow, but for `start_to_close`: None is no limit."""

    activity_type: str
    task_queue: str | None = None
    start_to_close: int | None = None
    schedule_to_close: int | None = None
    schedule_to_start: int | None = None
    heartbeat_timeout: int | None = None
    retry: RetryOfStandalone | None = None
