"""Retry and workflow-ID policies: plain data that users write, messages carry and the engine obeys.

All durations are seconds (float) here; on the wire and in storage they are whole microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

Duration = float | int | timedelta
"""Seconds, or a timedelta."""

MICROSECONDS_PER_SECOND = 1_000_000


def to_microseconds(duration: Duration) -> int:
    """A duration as whole microseconds, rounded up so that a deadline is never early."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    scaled = seconds * MICROSECONDS_PER_SECOND
    whole = int(scaled)
    return whole + (scaled > whole)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how far apart an activity is tried again.

    The delay before attempt n+1 is `initial_interval * backoff_coefficient ** (n - 1)`, at most
    `maximum_interval` (default: 100 times the initial interval). `maximum_attempts=0` means no limit.
    """

    initial_interval: Duration = 1.0
    backoff_coefficient: float = 2.0
    maximum_interval: Duration | None = None
    maximum_attempts: int = 0
    non_retryable_error_types: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if to_microseconds(self.initial_interval) <= 0:
            raise ValueError("RetryPolicy.initial_interval must be more than 0 seconds")
        if self.backoff_coefficient < 1:
            raise ValueError("RetryPolicy.backoff_coefficient must be 1 or more")
        if self.maximum_interval is not None and to_microseconds(self.maximum_interval) < to_microseconds(
            self.initial_interval
        ):
            raise ValueError("RetryPolicy.maximum_interval must not be less than initial_interval")
        if self.maximum_attempts < 0:
            raise ValueError("RetryPolicy.maximum_attempts must be 0 (no limit) or more")
        object.__setattr__(self, "non_retryable_error_types", tuple(self.non_retryable_error_types))


class WorkflowIDConflictPolicy(StrEnum):
    """What a start does when a run with its workflow ID is open."""

    FAIL = "fail"
    """Refuse the start (WorkflowAlreadyStartedError)."""
    USE_EXISTING = "use_existing"
    """Answer with the open run; start nothing."""
    TERMINATE_EXISTING = "terminate_existing"
    """Terminate the open run, then start the new one, in one commit."""


class WorkflowIDReusePolicy(StrEnum):
    """What a start does when a run with its workflow ID is closed."""

    ALLOW_DUPLICATE = "allow_duplicate"
    ALLOW_DUPLICATE_FAILED_ONLY = "allow_duplicate_failed_only"
    """Start again unless the last run completed."""
    REJECT_DUPLICATE = "reject_duplicate"


class WorkflowStatus(StrEnum):
    """The states of a run, as `describe` and `list` show them."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    """Open, but its code does not run: see the reason. What is sent to it is recorded."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"

    @property
    def closed(self) -> bool:
        return self not in (WorkflowStatus.RUNNING, WorkflowStatus.SUSPENDED)
