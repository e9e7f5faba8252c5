"""The store's synchronous code on threads of its own: one that writes rounds, one that reads.

Results come back to the loop as plain callbacks. A failed read is tried again here, with back-off, because
mail waits for it; a failed commit is not: its outcome is unknown, and the engine must begin anew.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import structlog

from dalsegno.errors import DalsegnoError
from dalsegno.persistence.port import Reader, Round, RoundOutcome, Store, Writer

log = structlog.get_logger()
T = TypeVar("T")

RETRY_SECONDS = (0.1, 5.0)

SWITCH_SECONDS = 0.0005
"""How long the loop may keep the interpreter from a thread of the store that has its answer. Python's default
of 5 ms, several times a commit, would be most of what a commit takes on a busy loop."""


class StoreThreads:
    """Callbacks run on the loop that was running when this was built. It sets the process's switch interval."""

    def __init__(self, store: Store) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._writer: Writer = store.writer()
        self._reader: Reader = store.reader()
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="dalsegno-writer")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="dalsegno-reader")
        self._closed = False

    def commit(
        self, round_: Round, done: Callable[[RoundOutcome], None], failed: Callable[[Exception], None]
    ) -> None:
        """Write one round; exactly one of the callbacks is called, on the loop."""
        future = self._writing.submit(self._writer.commit, round_)
        future.add_done_callback(lambda f: self._to_loop(f, done, failed))

    def read(self, query: Callable[[Reader], T], done: Callable[[T], None], *, what: str) -> None:
        """Read until it works; `done` is called on the loop."""
        self._read(query, done, what, RETRY_SECONDS[0])

    async def fetch(self, query: Callable[[Reader], T]) -> T:
        """Read once, for those who can be told that it failed."""
        return await asyncio.wrap_future(self._reading.submit(query, self._reader))

    def _read(self, query: Callable[[Reader], T], done: Callable[[T], None], what: str, delay: float) -> None:
        if self._closed:
            return

        def failed(error: Exception) -> None:
            if not isinstance(error, DalsegnoError):
                log.error("store_read_failed", what=what, exc_info=error)
            else:
                log.warning("store_read_failed", what=what, reason=str(error), retry_in_seconds=delay)
            longer = min(delay * 2, RETRY_SECONDS[1])
            self._loop.call_later(delay, self._read, query, done, what, longer)

        future = self._reading.submit(query, self._reader)
        future.add_done_callback(lambda f: self._to_loop(f, done, failed))

    def _to_loop(
        self, future: Future[T], done: Callable[[T], None], failed: Callable[[Exception], None]
    ) -> None:
        if future.cancelled() or self._loop.is_closed():
            return
        error = future.exception()
        if error is None:
            self._loop.call_soon_threadsafe(self._deliver, done, future.result())
        elif isinstance(error, Exception):
            self._loop.call_soon_threadsafe(self._deliver, failed, error)

    def _deliver(self, callback: Callable[[T], None], value: T) -> None:
        if not self._closed:
            callback(value)

    def close(self) -> None:
        """Wait for what is being written, then close the connections."""
        self._closed = True
        self._writing.shutdown(wait=True, cancel_futures=True)
        self._reading.shutdown(wait=True, cancel_futures=True)
        self._writer.close()
        self._reader.close()
