"""A failure as data: how errors of user code travel in messages and rest in the journal.

`to_failure` (in `dalsegno.failure_capture`) and `from_failure` are inverse up to what text can keep: an
exception of a user's own class comes back as an ApplicationError whose `type` is the class's name. Causes are
kept, and the parts of an ExceptionGroup, which comes back as an ApplicationError of the type "ExceptionGroup"
with its parts in `exceptions`; the first is its `__cause__` unless it has another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from dalsegno.error_text import storable
from dalsegno.errors import (
    ActivityError,
    ApplicationError,
    CanceledError,
    ChildWorkflowError,
    FailureError,
    PayloadError,
    RetryState,
    TerminatedError,
    TimedOutError,
    TimeoutType,
    WorkerLostError,
)
from dalsegno.given import MICROSECONDS_MAX
from dalsegno.payload import Payload, PayloadConverter
from dalsegno.policies import MICROSECONDS_PER_SECOND, WorkflowStatus

NAME_CHARACTERS_MAX = 255

FailureKind = Literal[
    "application", "activity", "canceled", "timed_out", "terminated", "worker_lost", "child_workflow"
]


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`type` is what retry policies match; `stack` is for people; which fields matter depends on `kind`.

    `details` are those of an ApplicationError, or the last heartbeat of a TimedOutError. `next_retry_delay`
    (microseconds) is what an ApplicationError asked for; `parts` are those of a group. What follows them are
    those of a child workflow. `retry_state`: why the activity or child was not tried again; `run_retry_state`:
    why the run was not that has ended with this failure, and had a retry policy. Hosts before them, which may
    share a database, read past them."""

    kind: FailureKind = "application"
    message: str = ""
    type: str = ""
    non_retryable: bool = False
    details: tuple[Payload, ...] = ()
    stack: str = ""
    cause: Failure | None = None
    timeout_type: str = ""
    activity_type: str = ""
    activity_id: str = ""
    attempt: int = 0
    next_retry_delay: Annotated[int, Meta(ge=0, le=MICROSECONDS_MAX)] | None = None
    parts: tuple[Failure, ...] = ()
    workflow_type: str = ""
    workflow_id: str = ""
    run_id: str = ""
    retry_state: str = ""
    run_retry_state: str = ""


REMOTE_STACK = "__dalsegno_stack__"
"""Keeps the stack of where an error was first raised, through any number of processes."""
REMOTE_DETAILS = "__dalsegno_details__"
"""Keeps details of an error that has none of its own: its words, where they are sealed (see encoded_failures),
and who hands it on cannot read them."""


def from_failure(failure: Failure, converter: PayloadConverter) -> FailureError:
    """The error that says what the failure says, with its causes as `__cause__`, and the stack as a note.

    Details whose encoding the converter does not know stay Payloads.
    """
    return restored(failure, converter, lambda inner: from_failure(inner, converter))


def restored(
    failure: Failure, converter: PayloadConverter, within: Callable[[Failure], Exception]
) -> FailureError:
    """As from_failure; what becomes of causes and parts is up to `within`."""
    error = _rebuild(failure, converter)
    if failure.stack:
        setattr(error, REMOTE_STACK, failure.stack)
        error.add_note(f"Raised elsewhere:\n{failure.stack.rstrip()}")
    if failure.details and failure.kind not in ("application", "timed_out"):
        setattr(error, REMOTE_DETAILS, failure.details)
    parts = tuple(within(part) for part in failure.parts)
    if parts and isinstance(error, ApplicationError):
        error.exceptions = parts
    if failure.cause is not None:
        error.__cause__ = within(failure.cause)
    elif parts:
        error.__cause__ = parts[0]
    return error


def _rebuild(failure: Failure, converter: PayloadConverter) -> FailureError:
    match failure.kind:
        case "application":
            details = [_restored(payload, converter) for payload in failure.details]
            delay = failure.next_retry_delay
            return ApplicationError(
                failure.message,
                *details,
                type=storable(failure.type, NAME_CHARACTERS_MAX) or None,
                non_retryable=failure.non_retryable,
                next_retry_delay=None if delay is None else delay / MICROSECONDS_PER_SECOND,
            )
        case "activity":
            return ActivityError(
                failure.message,
                activity_type=failure.activity_type,
                activity_id=failure.activity_id,
                attempt=failure.attempt,
                retry_state=retry_state(failure.retry_state),
            )
        case "timed_out":
            heartbeat = _restored(failure.details[0], converter) if failure.details else None
            return TimedOutError(
                failure.message, timeout_type=_timeout_type(failure.timeout_type), last_heartbeat=heartbeat
            )
        case "canceled":
            return CanceledError(failure.message)
        case "terminated":
            return TerminatedError(failure.message)
        case "child_workflow":
            return ChildWorkflowError(
                failure.message,
                workflow_id=failure.workflow_id,
                run_id=failure.run_id,
                workflow_type=failure.workflow_type,
                retry_state=retry_state(failure.retry_state),
            )
        case "worker_lost":
            return WorkerLostError(failure.message)


def why_not_tried_again(status: WorkflowStatus, failure: Failure | None) -> RetryState:
    """No run followed one that has ended so, other than completed."""
    if status not in (WorkflowStatus.FAILED, WorkflowStatus.TIMED_OUT):
        return RetryState.NON_RETRYABLE_FAILURE
    told = None if failure is None else retry_state(failure.run_retry_state)
    return told or RetryState.RETRY_POLICY_NOT_SET


def _restored(payload: Payload, converter: PayloadConverter) -> Any:
    try:
        return converter.from_payload(payload)
    except PayloadError:
        return payload


def retry_state(name: str) -> RetryState | None:
    """None for one that is not known, or not said."""
    try:
        return RetryState(name)
    except ValueError:
        return None


def _timeout_type(name: str) -> TimeoutType:
    try:
        return TimeoutType(name)
    except ValueError:  # a worker in another language reported it; the usual one is the better guess
        return TimeoutType.START_TO_CLOSE
