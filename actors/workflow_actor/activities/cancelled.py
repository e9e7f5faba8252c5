"""What a task sees that is cancelled while it waits for an activity.

By a timeout, a task group or `task.cancel()` of user code: asyncio.CancelledError, as asyncio says. By a
request to cancel the run: an error that is an ActivityError as well, so that cleanup runs that was written for
activities that fail; unless the request is of a time when all hosts did not know of this (`as_failure`).
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from dalsegno.actors.workflow_actor.activities.activity import NEVER_BEGAN, TASK_TOO_LARGE
from dalsegno.actors.workflow_actor.loop.cancel_request import is_requested
from dalsegno.errors import ActivityError, CanceledError
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


class Cancelled:
    """How a task was cancelled while it waited for an activity: the first error, and the first that was a
    request to cancel the run."""

    __slots__ = ("_activity_id", "_activity_type", "first", "request")

    def __init__(self, activity_type: str, activity_id: str) -> None:
        self._activity_type = activity_type
        self._activity_id = activity_id
        self.first: asyncio.CancelledError | None = None
        self.request: asyncio.CancelledError | None = None

    def add(self, error: asyncio.CancelledError) -> None:
        self.first = self.first or error
        if is_requested(error):
            self.request = self.request or error

    def raise_it(self) -> NoReturn:
        """It is not known, or of no interest, what has become of the activity."""
        assert self.first is not None
        if self.first is self.request and self.request.args[0].as_failure:
            cause = CanceledError(f"activity {self._activity_type} was cancelled")
            raise self._seen(self.request) from cause
        raise self.first from None

    def raise_for(self, failure: ActivityError) -> None:
        """The request is seen now, and what became of the activity is its cause."""
        if self.request is not None:
            if not self.request.args[0].as_failure:
                raise self.request from failure
            cause = failure.__cause__
            raise self._seen(self.request) from cause if isinstance(cause, CanceledError) else failure

    def _seen(self, request: asyncio.CancelledError) -> ActivityCancelledError:
        return ActivityCancelledError(
            request.args[0], activity_type=self._activity_type, activity_id=self._activity_id, attempt=0
        )


def never_began(failure: Failure) -> bool:
    """Whether it is known that no worker has ever had the activity that came to this end."""
    if failure.kind == "canceled":
        return failure.type == NEVER_BEGAN
    cause = failure.cause
    return failure.attempt == 1 and cause is not None and cause.type == TASK_TOO_LARGE


def activity_error(activity_type: str, activity_id: str, cause: Exception) -> ActivityError:
    """The error that an awaiting task sees, with what happened as its cause."""
    what = "was cancelled" if isinstance(cause, CanceledError) else "failed"
    error = ActivityError(
        f"activity {activity_type} {what}", activity_type=activity_type, activity_id=activity_id, attempt=0
    )
    error.__cause__ = cause
    return error
