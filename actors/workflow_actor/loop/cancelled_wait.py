"""How a task was cancelled while it waited for something outside: what it sees then.

By a timeout, a task group or `task.cancel()` of user code: asyncio.CancelledError, as asyncio says. By a
request to cancel the run: an error that is one of what was waited for as well, so that cleanup runs that was
written for what fails; unless the request is of a time when all hosts did not know of this (`as_failure`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, NoReturn

from dalsegno.actors.workflow_actor.loop.cancel_request import is_requested
from dalsegno.errors import CanceledError, FailureError


class CancelledWait(ABC):
    """The first error, and the first that was a request to cancel the run: None to begin with, as each says
    itself, for there is one for each wait."""

    __slots__ = ("first", "request")

    first: asyncio.CancelledError | None
    request: asyncio.CancelledError | None

    @abstractmethod
    def seen(self, request: asyncio.CancelledError) -> FailureError:
        """The error by which the request is seen."""

    @property
    @abstractmethod
    def what(self) -> str:
        """What was waited for, in words."""

    def add(self, error: asyncio.CancelledError) -> None:
        self.first = self.first or error
        if is_requested(error):
            self.request = self.request or error

    def raise_it(self) -> NoReturn:
        """It is not known, or of no interest, what has become of what was waited for."""
        assert self.first is not None
        if self.first is self.request and self.request.args[0].as_failure:
            cause = CanceledError(f"{self.what} was cancelled")
            raise self.seen(self.request) from cause
        raise self.first from None

    def raise_for(self, failure: FailureError) -> None:
        """The request is seen now, and what became of it is its cause."""
        if self.request is not None:
            if not self.request.args[0].as_failure:
                raise self.request from failure
            cause = failure.__cause__
            raise self.seen(self.request) from cause if isinstance(cause, CanceledError) else failure


class Wake:
    """Ends a waiter. A class, because bound arguments keep no frame alive."""

    __slots__ = ("_waiter",)

    def __init__(self, waiter: asyncio.Future[None]) -> None:
        self._waiter = waiter

    def __call__(self, _: asyncio.Future[Any]) -> None:
        if not self._waiter.done():
            self._waiter.set_result(None)
