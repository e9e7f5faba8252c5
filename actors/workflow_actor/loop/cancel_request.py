"""A request to cancel the run, from its arrival until the run method has seen it.

A request is a CancelledError in the run method, where it waits. It counts as seen when it was raised there,
and not before: an activity that is waited for may complete all the same, and a task that the run method awaits
may swallow what was meant for it. Then the run method is given what it waited for, and the error where it waits
next.

While the run method handles a CancelledError (it cleans up), no other is raised: a request that comes meanwhile
is kept until that code is left, and matters only if the run method then waits again.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Generator
from typing import Any, Self


class CancelReason(str):
    """The message of the CancelledError that a request makes, and no timeout, task group or user code.
    `as_failure`: a task that awaits an activity sees an error that is a failure of that, too. (Not so by a
    request that hosts may read which did not know of this.)"""

    as_failure: bool

    def __new__(cls, reason: str, *, as_failure: bool) -> Self:
        made = super().__new__(cls, reason)
        made.as_failure = as_failure
        return made


def is_requested(error: asyncio.CancelledError) -> bool:
    """Whether this is the run's own request, and nothing of asyncio's."""
    return bool(error.args) and isinstance(error.args[0], CancelReason)


class CancelRequest:
    """The requests to one run method, and the one that it has still to see: `owed` is its reason."""

    __slots__ = ("_method", "_on_its_way", "_task", "delivered", "owed", "reason")

    def __init__(self) -> None:
        self.forget()
        self.reason: str | None = None
        """Of the first of all, seen or not; it goes over signs."""

    def forget(self) -> None:
        """The run method has ended, and is entered again or not."""
        self.owed: CancelReason | None = None
        self.delivered = False
        """At least one has been raised, or is about to be."""
        self._on_its_way = False
        self._task: asyncio.Task[Any] | None = None
        self._method: Any = None

    def attend(self, task: asyncio.Task[Any]) -> None:
        """`task` is the one that is going to await `watched`."""
        self._task = task

    @property
    def run_method(self) -> Any:
        """Its coroutine, while it has not ended."""
        return None if self._task is None or self._task.done() else self._method

    def watched(self, method: Any) -> Watched:
        """The run method's coroutine, to be awaited in its place."""
        self._method = method
        return Watched(method, self)

    def arrive(self, reason: CancelReason, *, kept: bool) -> None:
        """`kept` is false for requests of journals from before they were kept: raised once, whatever becomes of
        it."""
        if self._task is None:
            return
        if self.reason is None:
            self.reason = str(reason)
        if not kept:
            if not self.delivered:
                self.delivered = True
                self._task.cancel(str(reason))
        elif not self._on_its_way:
            self.owed = reason
            if not is_handling(self._method, asyncio.CancelledError):
                self._raise(self._task, reason)

    def outlived(self, error: asyncio.CancelledError) -> bool:
        """An activity has an outcome of its own for the task that had this request: it has not seen it. Whether
        the run method will see it: what others have not seen, nobody does."""
        if self._task is None or asyncio.current_task(self._task.get_loop()) is not self._task:
            return False
        self.owed = error.args[0]
        return True

    def waits(self) -> None:
        """The run method is about to wait."""
        if self.owed is not None and self._task is not None and not is_handling(self._method, BaseException):
            self._raise(self._task, self.owed)

    def resumed(self, error: BaseException | None) -> BaseException | None:
        """It goes on, with this error or with what it waited for. Returns the error that it is to see: gather
        forgets the reason."""
        on_its_way, self._on_its_way = self._on_its_way, False
        if on_its_way and isinstance(error, asyncio.CancelledError):
            reason, self.owed = self.owed, None
            if not error.args and reason is not None:
                return asyncio.CancelledError(reason)
        return error

    def _raise(self, task: asyncio.Task[Any], reason: CancelReason) -> None:
        """In what the run method waits for; in what it will wait for next, while it runs."""
        again, self.delivered, self._on_its_way = self.delivered, True, True
        task.cancel(reason)
        # asyncio.timeout and TaskGroup count requests, and this one they have counted.
        if again and task.cancelling() > 1:
            task.uncancel()


class Watched:
    """Awaits the run method, and tells of each time that it goes on."""

    __slots__ = ("_method", "_request")

    def __init__(self, method: Any, request: CancelRequest) -> None:
        self._method = method
        self._request = request

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._method if asyncio.iscoroutine(self._method) else self._method.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                waited = steps.send(value) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            value = error = None
            self._request.waits()
            try:
                value = yield waited
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as raised:  # noqa: BLE001 - thrown on below, outside of this handler
                error = raised
            error = self._request.resumed(error)


def is_handling(method: Any, kind: type[BaseException]) -> bool:
    """Whether a coroutine that waits does so in the middle of handling such an error: in `except`, `finally` or
    `async with`."""
    while method is not None:
        handled = _handled_by(method)
        if handled is not None and _comes_from(handled, kind):
            return True
        links = ("cr_await", "gi_yieldfrom", "ag_await")
        method = next((it for link in links if (it := getattr(method, link, None)) is not None), None)
    return False


def _handled_by(method: Any) -> BaseException | None:
    """Python keeps the error that a coroutine is handling with it, and shows it to the garbage collector alone,
    last. Errors among its variables come before: one that was kept for later must not pass for one that is
    being handled, or a request would wait for as long as the variable lives."""
    referents = gc.get_referents(method)
    last = referents[-1] if referents else None
    return last if isinstance(last, BaseException) else None


def _comes_from(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Itself, or what was being handled when it was raised."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, kind):
            return True
        seen.add(id(error))
        error = error.__context__
    return False
