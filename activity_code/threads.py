"""Threads for sync activities.

A thread cannot be killed. One whose activity overran its timeout is *abandoned*: nobody waits for it any more
and it no longer counts against the limit, so that a few activities that hang do not starve the worker. Python
joins such a thread at exit, so a process that shall end before it returns has to end by `os._exit`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Job(Generic[T]):
    """A call that waits for a thread or has one. Both callbacks run on the loop; `on_done` not if abandoned."""

    __slots__ = ("call", "future", "on_begun", "on_done")

    def __init__(
        self, call: Callable[[], T], on_begun: Callable[[], None], on_done: Callable[[Future[T]], None]
    ) -> None:
        self.call = call
        self.on_begun = on_begun
        self.on_done: Callable[[Future[T]], None] | None = on_done
        self.future: Future[T] | None = None
        """What a thread works at, once one does."""


class Threads(Generic[T]):
    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self._limit = limit
        self._loop = loop
        self._busy = 0
        self._waiting: deque[Job[T]] = deque()
        self._executor = self._new_executor()

    def _new_executor(self) -> ThreadPoolExecutor:
        # Threads start when there is work for them.
        return ThreadPoolExecutor(self._limit, thread_name_prefix="dalsegno-activity")

    def run(self, job: Job[T]) -> None:
        """Call it in a thread, at once or when one is free."""
        self._waiting.append(job)
        self._start_waiting()

    def withdraw(self, job: Job[T]) -> bool:
        """Forget a job that has not begun; False if it has."""
        if job.future is not None:
            return False
        self._waiting.remove(job)
        return True

    def abandon(self, job: Job[T]) -> Future[T]:
        """Stop waiting for a job that runs; its thread is replaced. Returned is what the old one works at."""
        assert job.future is not None
        job.on_done = None
        self._busy -= 1
        # The old executor's other threads finish what they have; with the new one the limit is free again.
        self._executor.shutdown(wait=False)
        self._executor = self._new_executor()
        self._start_waiting()
        return job.future

    def close(self) -> None:
        """Let idle threads end; those at work end with their activity."""
        self._executor.shutdown(wait=False)

    def _start_waiting(self) -> None:
        while self._waiting and self._busy < self._limit:
            job = self._waiting.popleft()
            self._busy += 1
            job.future = self._submit(job)
            job.on_begun()
            job.future.add_done_callback(partial(self._hand_over, job))

    def _submit(self, job: Job[T]) -> Future[T]:
        try:
            return self._executor.submit(job.call)
        except (
            RuntimeError
        ) as error:  # the system has no thread left to give: the activity fails and is retried
            failed: Future[T] = Future()
            failed.set_exception(error)
            return failed

    def _hand_over(self, job: Job[T], future: Future[T]) -> None:
        """In the thread, or on the loop if the call was faster than we are."""
        try:
            self._loop.call_soon_threadsafe(self._on_done, job, future)
        except RuntimeError:
            # The loop is closed: the worker ended before this thread did, and said so when it abandoned it.
            if not self._loop.is_closed():
                raise

    def _on_done(self, job: Job[T], future: Future[T]) -> None:
        if job.on_done is None:
            return
        self._busy -= 1
        self._start_waiting()
        job.on_done(future)
