"""Retry and workflow-ID policies: plain data that users write, messages carry and the engine obeys.

All durations are seconds (float) here; on the wire and in storage they are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, cast

from dalsegno import given
from dalsegno.given import Duration

__all__ = [
    "MICROSECONDS_PER_SECOND",
    "ActivityCancellationType",
    "ChildWorkflowCancellationType",
    "Duration",
    "HandlerUnfinishedPolicy",
    "ParentClosePolicy",
    "RetryPolicy",
    "WorkflowIDConflictPolicy",
    "WorkflowIDReusePolicy",
    "WorkflowStatus",
    "WorkflowUpdateStage",
    "to_microseconds",
]

MICROSECONDS_PER_SECOND = 1_000_000

MAXIMUM_INTERVAL_FACTOR = 100
"""RetryPolicy.maximum_interval, where it is not given, is so many initial intervals."""

ATTEMPTS_MAX = 2**31 - 1
ERROR_TYPES_MAX = 1_000


def to_microseconds(duration: Duration) -> int:
    """A duration as whole microseconds, rounded up so that a deadline is never early, and cut to what messages
    can carry. Raises TypeError and ValueError for what is not finite, or is negative."""
    return given.microseconds("A duration", duration)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how far apart an activity, or a workflow, is tried again.

    The delay before attempt n+1 is `initial_interval * backoff_coefficient ** (n - 1)`, at most
    `maximum_interval` (default: 100 times the initial interval). `maximum_attempts=0` means no limit.
    `non_retryable_error_types` are the names that failures have as their type; a class stands for its name.

    Raises TypeError or ValueError, naming the field, for what cannot be.
    """

    initial_interval: Duration = 1.0
    backoff_coefficient: float = 2.0
    maximum_interval: Duration | None = None
    maximum_attempts: int = 0
    non_retryable_error_types: Iterable[str | type[BaseException]] = field(default=())

    def __post_init__(self) -> None:
        initial = given.microseconds("RetryPolicy.initial_interval", self.initial_interval, positive=True)
        coefficient = given.number("RetryPolicy.backoff_coefficient", self.backoff_coefficient, least=1)
        if self.maximum_interval is not None:
            maximum = given.microseconds("RetryPolicy.maximum_interval", self.maximum_interval)
            if maximum < initial:
                raise ValueError("RetryPolicy.maximum_interval must not be less than initial_interval")
        attempts = given.whole(
            "RetryPolicy.maximum_attempts", self.maximum_attempts, least=0, most=ATTEMPTS_MAX
        )
        # In plain types: what hands on a policy hashes and compares it.
        _set = object.__setattr__
        for name in ("initial_interval", "maximum_interval"):
            span = getattr(self, name)
            if span is not None and type(span) not in (int, float, timedelta):
                _set(self, name, given.seconds(f"RetryPolicy.{name}", span))
        _set(self, "backoff_coefficient", coefficient)
        _set(self, "maximum_attempts", attempts)
        _set(self, "non_retryable_error_types", _error_types(self.non_retryable_error_types))

    @property
    def error_types(self) -> tuple[str, ...]:
        """The names of `non_retryable_error_types`."""
        return cast("tuple[str, ...]", self.non_retryable_error_types)


def _error_types(types: Any) -> tuple[str, ...]:
    what = "RetryPolicy.non_retryable_error_types"
    if isinstance(types, str | bytes) or not isinstance(types, Iterable):
        raise given.wrong_type(what, types, "a list of names")
    names = tuple(map(_error_type, types))
    if len(names) > ERROR_TYPES_MAX:
        raise ValueError(f"{what} may have {ERROR_TYPES_MAX:,} names, but there are {len(names):,}.")
    return names


def _error_type(error_type: Any) -> str:
    name = error_type.__name__ if isinstance(error_type, type) else error_type
    return given.text("A name in RetryPolicy.non_retryable_error_types", name, characters=255)


class ActivityCancellationType(StrEnum):
    """What cancelling an activity does."""

    TRY_CANCEL = "try_cancel"
    """Ask the worker to stop, and count the activity as cancelled at once."""
    WAIT_CANCELLATION_COMPLETED = "wait_cancellation_completed"
    """Ask the worker to stop, and wait for what it says; it may still complete."""
    ABANDON = "abandon"
    """Let it run, and wait for it no longer."""


class ParentClosePolicy(StrEnum):
    """What becomes of a child workflow that is open when the run of its parent ends, however that ends."""

    TERMINATE = "terminate"
    ABANDON = "abandon"
    """It goes on."""
    REQUEST_CANCEL = "request_cancel"


class ChildWorkflowCancellationType(StrEnum):
    """What cancelling a child workflow does."""

    WAIT_CANCELLATION_COMPLETED = "wait_cancellation_completed"
    """Ask it to stop, and wait for its end; it may still complete."""
    TRY_CANCEL = "try_cancel"
    """Ask it to stop, and count it as cancelled at once."""
    ABANDON = "abandon"
    """Let it run, and wait for it no longer."""
    WAIT_CANCELLATION_REQUESTED = "wait_cancellation_requested"
    """Ask it to stop, and count it as cancelled when it was asked."""


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
    TERMINATE_IF_RUNNING = "terminate_if_running"
    """Terminate a run that is open, then start again: the conflict policy TERMINATE_EXISTING in other words."""


class QueryRejectCondition(StrEnum):
    """Of which runs a query is not answered."""

    NONE = "none"
    NOT_OPEN = "not_open"
    """Of those that have ended."""
    NOT_COMPLETED_CLEANLY = "not_completed_cleanly"
    """Of those that have ended, but for completed ones."""

    def rejects(self, status: WorkflowStatus) -> bool:
        """A run of that status."""
        if self is QueryRejectCondition.NONE or not status.closed:
            return False
        return self is QueryRejectCondition.NOT_OPEN or status is not WorkflowStatus.COMPLETED


class WorkflowStatus(StrEnum):
    """The states of a run, as `describe` and `list` show them."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    """Open, but its code does not run: see the reason. What is sent to it is recorded."""
    COMPENSATING = "compensating"
    """Open, and what it did is being undone."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"
    CONTINUED_AS_NEW = "continued_as_new"
    """It has ended, and goes on as another run of the same workflow ID."""

    @property
    def goes_on(self) -> bool:
        """It is open, and its code runs."""
        return self in (WorkflowStatus.RUNNING, WorkflowStatus.COMPENSATING)

    @property
    def closed(self) -> bool:
        return not (self.goes_on or self is WorkflowStatus.SUSPENDED)


GOES_ON = frozenset(status for status in WorkflowStatus if status.goes_on)
"""Of runs whose code runs."""


class HandlerUnfinishedPolicy(StrEnum):
    """What is done about a handler that is still running when its run ends. It is abandoned in any case."""

    WARN_AND_ABANDON = "warn_and_abandon"
    """It is warned of, once: what it was to do may be half done."""
    ABANDON = "abandon"


class WorkflowUpdateStage(StrEnum):
    """How far an update has come."""

    ADMITTED = "admitted"
    """It is recorded; its validator was not asked yet, because the workflow's code cannot run now."""
    ACCEPTED = "accepted"
    """Its validator has let it pass, and its handler is given it."""
    COMPLETED = "completed"
    """Its handler has returned, or failed."""
