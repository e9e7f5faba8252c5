"""What a task sees that is cancelled while it waits for an activity: see `loop.cancelled_wait`."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from dalsegno.actors.workflow_actor.activities.activity import NEVER_BEGAN, TASK_TOO_LARGE
from dalsegno.actors.workflow_actor.loop.cancelled_wait import CancelledWait
from dalsegno.errors import ActivityError, CanceledError, RetryState
from dalsegno.failure import Failure


class ActivityCancelledError(ActivityError, asyncio.CancelledError):
    """The request has reached a task that waited for this activity. Its text is the request's reason."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args, self.__dict__)


def _again(
    kind: type[ActivityCancelledError], args: tuple[Any, ...], fields: dict[str, Any]
) -> ActivityCancelledError:
    """A copy: it takes more to be made than its args."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class NamedActivity(Protocol):
    """What is waited for, which may be another activity when the one before has failed."""

    @property
    def activity_type(self) -> str: ...
    @property
    def activity_id(self) -> str: ...


class Cancelled(CancelledWait):
    """How a task was cancelled while it waited for an activity."""

    __slots__ = ("_activity",)

    def __init__(self, activity: NamedActivity) -> None:
        self.first = self.request = None
        self._activity = activity

    @property
    def what(self) -> str:
        return f"activity {self._activity.activity_type}"

    def seen(self, request: asyncio.CancelledError) -> ActivityCancelledError:
        named = self._activity
        return ActivityCancelledError(
            request.args[0],
            activity_type=named.activity_type,
            activity_id=named.activity_id,
            attempt=0,
            retry_state=RetryState.CANCEL_REQUESTED,
        )


def never_began(failure: Failure) -> bool:
    """Whether it is known that no worker has ever had the activity that came to this end. (Of one that a person
    has begun anew the failure before is the cause of that of its first attempt.)"""
    if failure.kind == "canceled":
        return failure.type == NEVER_BEGAN
    cause = failure.cause
    is_first = failure.attempt == 1 and cause is not None and cause.cause is None
    return is_first and cause is not None and cause.type == TASK_TOO_LARGE


def activity_error(activity_type: str, activity_id: str, cause: Exception) -> ActivityError:
    """The error that an awaiting task sees, with what happened as its cause."""
    is_cancelled = isinstance(cause, CanceledError)
    error = ActivityError(
        f"activity {activity_type} {'was cancelled' if is_cancelled else 'failed'}",
        activity_type=activity_type,
        activity_id=activity_id,
        attempt=0,
        retry_state=RetryState.CANCEL_REQUESTED if is_cancelled else None,
    )
    error.__cause__ = cause
    return error
