"""The store's synchronous code on threads of its own: one that writes rounds, one that reads.

Results come back to the loop as plain callbacks. A failed read is tried again here, with back-off, because
mail waits for it; a failed commit is not: its outcome is unknown, and the engine must begin anew. What cannot
be read holds up nothing else: a batch that fails where others succeed is halved until it stands alone.

A defect in writing, and whatever interrupts either thread, escapes: what the connection is in the middle of
then, nobody knows.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.fail_stop import Escaped, contained
from dalsegno.backoff import doubled
from dalsegno.errors import (
    ConfigurationError,
    DalsegnoError,
    TransientError,
    UnreadableRowError,
)
from dalsegno.persistence.port import Reader, Round, RoundOutcome, Store, Writer

log = get_logger()
T = TypeVar("T")

RETRY_SECONDS = (0.1, 2.0)

GIVEN_UP_AFTER = 10
"""So many times on end must reading one key fail while other reads succeed, until it is given up."""

SWITCH_SECONDS = 0.0005
"""How long the loop may keep the interpreter from a thread of the store that has its answer. Python's default
of 5 ms, several times a commit, would be most of what a commit takes on a busy loop."""


@dataclass(frozen=True, slots=True)
class _Batch(Generic[T]):
    """What is read together. `keys` belong to others each, and may be read apart."""

    query: Callable[[Reader, Sequence[str]], T]
    keys: Sequence[str]
    done: Callable[[T], None]
    unreadable: Callable[[str, Exception], None]
    what: str


class StoreThreads:
    """Callbacks run on the loop that was running when this was built. It sets the process's switch interval.
    `escaped` is told of what nobody contains, on whatever thread it is met."""

    def __init__(self, store: Store, escaped: Escaped) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._escaped = escaped
        self._writer: Writer = store.writer()
        self._reader: Reader = store.reader()
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="dalsegno-writer")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="dalsegno-reader")
        self._closed = False
        self._is_settled = True
        """No commit of unknown outcome could be read that may still be lost."""
        self._answered = 0
        """How many reads have succeeded."""

    def commit(
        self, round_: Round, done: Callable[[RoundOutcome], None], failed: Callable[[Exception], None]
    ) -> None:
        """Write one round; exactly one of the callbacks is called, on the loop, unless `close` comes first."""
        future = self._writing.submit(self._write, round_)
        future.add_done_callback(lambda f: self._to_loop(f, done, failed))

    def _write(self, round_: Round) -> RoundOutcome:
        try:
            return self._writer.commit(round_)
        except DalsegnoError:
            self._is_settled = False
            raise
        except BaseException as error:
            self._escaped(error)
            raise

    def read(self, query: Callable[[Reader], T], done: Callable[[T], None], *, what: str) -> None:
        """Read until it works; `done` is called on the loop."""
        self._read(query, done, what, RETRY_SECONDS[0])

    def read_each(
        self,
        query: Callable[[Reader, Sequence[str]], T],
        keys: Sequence[str],
        done: Callable[[T], None],
        unreadable: Callable[[str, Exception], None],
        *,
        what: str,
    ) -> None:
        """Read what belongs to `keys`, together if that works, else apart: `done` is called on the loop with
        the answer for each part. A key that fails again and again, alone, while other reads work, and by an
        error that waiting does not mend, is given up: `unreadable` is called for it."""
        self._read_batch(_Batch(query, keys, done, unreadable, what), RETRY_SECONDS[0])

    async def fetch(self, query: Callable[[Reader], T]) -> T:
        """Read once, for those who can be told that it failed."""
        return await asyncio.wrap_future(self._reading.submit(query, self._reader))

    async def write(self, statement: Callable[[Writer], T]) -> T:
        """Write something beside the rounds, once."""
        return await asyncio.wrap_future(self._writing.submit(statement, self._writer))

    def _read(self, query: Callable[[Reader], T], done: Callable[[T], None], what: str, delay: float) -> None:
        def failed(error: Exception) -> None:
            _tell(error, what, delay)
            self._loop.call_later(delay, self._read, query, done, what, _longer(delay))

        self._submit(query, done, failed)

    def _read_batch(
        self, batch: _Batch[T], delay: float, *, answered: int | None = None, failures: int = 0
    ) -> None:
        """`answered`: how many reads had succeeded when it failed last. `failures`: see GIVEN_UP_AFTER."""

        def failed(error: Exception) -> None:
            if isinstance(error, UnreadableRowError):
                if len(batch.keys) == 1:
                    batch.unreadable(batch.keys[0], error)
                else:
                    for half in _halves(batch):
                        self._read_batch(half, delay)
                return
            passes = isinstance(error, TransientError | ConfigurationError)
            others_work = answered is not None and self._answered > answered
            if len(batch.keys) > 1 and (others_work or not passes):
                _tell(error, batch.what, delay)
                for half in _halves(batch):
                    self._read_batch(half, delay, answered=self._answered)
                return
            again = failures + 1 if others_work and not passes else 0
            if again >= GIVEN_UP_AFTER:
                batch.unreadable(batch.keys[0], error)
                return
            _tell(error, batch.what, delay)
            retry = partial(self._read_batch, batch, _longer(delay), answered=self._answered, failures=again)
            self._loop.call_later(delay, retry)

        self._submit(lambda reader: batch.query(reader, batch.keys), batch.done, failed)

    def _submit(
        self, query: Callable[[Reader], T], done: Callable[[T], None], failed: Callable[[Exception], None]
    ) -> None:
        if self._closed:
            return

        def answered(value: T) -> None:
            self._answered += 1
            done(value)

        future = self._reading.submit(self._read_settled, query)
        future.add_done_callback(lambda f: self._to_loop(f, answered, failed))

    def _read_settled(self, query: Callable[[Reader], T]) -> T:
        """What is read leads to effects: none may leave for a state that is not durable."""
        if not self._is_settled:
            self._writing.submit(self._settle).result()
        return query(self._reader)

    def _settle(self) -> None:
        if not self._is_settled:
            self._writer.settle()
            self._is_settled = True

    def _to_loop(
        self, future: Future[T], done: Callable[[T], None], failed: Callable[[Exception], None]
    ) -> None:
        if future.cancelled() or self._loop.is_closed():
            return
        error = future.exception()
        if error is None:
            self._loop.call_soon_threadsafe(self._deliver, done, future.result())
            return
        if isinstance(error, MemoryError) or not isinstance(error, Exception):
            self._escaped(error)
            return
        self._loop.call_soon_threadsafe(self._deliver, failed, error)

    def _deliver(self, callback: Callable[[T], None], value: T) -> None:
        if not self._closed:
            contained(self._escaped, callback, value)

    def close(self) -> None:
        """Wait for what is being written, then close the connections."""
        self._closed = True
        self._writing.shutdown(wait=True, cancel_futures=True)
        self._reading.shutdown(wait=True, cancel_futures=True)
        self._writer.close()
        self._reader.close()


def _longer(delay: float) -> float:
    return doubled(delay, RETRY_SECONDS[1], 1)


def _halves(batch: _Batch[T]) -> tuple[_Batch[T], _Batch[T]]:
    middle = len(batch.keys) // 2
    return replace(batch, keys=batch.keys[:middle]), replace(batch, keys=batch.keys[middle:])


def _tell(error: Exception, what: str, delay: float) -> None:
    if isinstance(error, DalsegnoError):
        log.warning("store_read_failed", what=what, reason=str(error), retry_in_seconds=delay)
    else:  # a defect: where it is, is told once
        trace = error if delay == RETRY_SECONDS[0] else None
        log.error("store_read_failed", what=what, reason=repr(error), retry_in_seconds=delay, exc_info=trace)
