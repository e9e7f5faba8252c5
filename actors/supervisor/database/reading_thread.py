"""One reader of the store on a thread of its own.

Results come back to the loop as plain callbacks. A failed read is tried again here, with back-off, because
mail waits for it. What cannot be read holds up nothing else: a batch that fails where others succeed is halved
until it stands alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.fail_stop import Escaped, contained
from dalsegno.backoff import doubled
from dalsegno.errors import (
    ConfigurationError,
    DalsegnoError,
    TransientError,
    UnreadableRowError,
)

log = get_logger()
T = TypeVar("T")

RETRY_SECONDS = (0.1, 2.0)

GIVEN_UP_AFTER = 10
"""So many times on end must reading one key fail while other reads succeed, until it is given up."""


class Closable(Protocol):
    def close(self) -> None: ...


R = TypeVar("R", bound=Closable)


@dataclass(slots=True)
class ToLoop:
    """The way from the store's threads to the loop that was running when this was made. `escaped` is told of
    what nobody contains, on whatever thread it is met."""

    escaped: Escaped
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    is_closed: bool = False

    def bring(self, future: Future[T], done: Callable[[T], None], failed: Callable[[Exception], None]) -> None:
        """One of the callbacks is called, on the loop, unless it is closed before."""
        if future.cancelled() or self.loop.is_closed():
            return
        error = future.exception()
        if error is None:
            self.loop.call_soon_threadsafe(self._deliver, done, future.result())
            return
        if isinstance(error, MemoryError) or not isinstance(error, Exception):
            self.escaped(error)
            return
        self.loop.call_soon_threadsafe(self._deliver, failed, error)

    def _deliver(self, callback: Callable[[T], None], value: T) -> None:
        if not self.is_closed:
            contained(self.escaped, callback, value)


@dataclass(slots=True)
class Tally:
    """How many reads have succeeded, on all threads together: when others do, and one key cannot be read, it is
    the key's fault."""

    answered: int = 0


@dataclass(frozen=True, slots=True)
class _Batch(Generic[R, T]):
    """What is read together. `keys` belong to others each, and may be read apart."""

    query: Callable[[R, Sequence[str]], T]
    keys: Sequence[str]
    done: Callable[[T], None]
    unreadable: Callable[[str, Exception], None]
    what: str


class ReadingThread(Generic[R]):
    """`settle` returns when all that can be read is durable; it is called before each read whose answer leads
    to effects, on this thread."""

    def __init__(
        self, reader: R, thread: Executor, *, to_loop: ToLoop, tally: Tally, settle: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._to_loop = to_loop
        self._tally = tally
        self._settle = settle
        self._thread = thread

    def read(self, query: Callable[[R], T], done: Callable[[T], None], *, what: str) -> None:
        """Read until it works; `done` is called on the loop."""
        self._read(query, done, what, RETRY_SECONDS[0])

    def read_each(
        self,
        query: Callable[[R, Sequence[str]], T],
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

    async def fetch(self, query: Callable[[R], T]) -> T:
        """Read once, for those who can be told that it failed."""
        return await asyncio.wrap_future(self._thread.submit(query, self._reader))

    def _read(self, query: Callable[[R], T], done: Callable[[T], None], what: str, delay: float) -> None:
        def failed(error: Exception) -> None:
            _tell(error, what, delay)
            self._to_loop.loop.call_later(delay, self._read, query, done, what, _longer(delay))

        self._submit(query, done, failed)

    def _read_batch(
        self, batch: _Batch[R, T], delay: float, *, answered: int | None = None, failures: int = 0
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
            others_work = answered is not None and self._tally.answered > answered
            if len(batch.keys) > 1 and (others_work or not passes):
                _tell(error, batch.what, delay)
                for half in _halves(batch):
                    self._read_batch(half, delay, answered=self._tally.answered)
                return
            again = failures + 1 if others_work and not passes else 0
            if again >= GIVEN_UP_AFTER:
                batch.unreadable(batch.keys[0], error)
                return
            _tell(error, batch.what, delay)
            retry = partial(
                self._read_batch, batch, _longer(delay), answered=self._tally.answered, failures=again
            )
            self._to_loop.loop.call_later(delay, retry)

        self._submit(lambda reader: batch.query(reader, batch.keys), batch.done, failed)

    def _submit(
        self, query: Callable[[R], T], done: Callable[[T], None], failed: Callable[[Exception], None]
    ) -> None:
        if self._to_loop.is_closed:
            return

        def answered(value: T) -> None:
            self._tally.answered += 1
            done(value)

        future = self._thread.submit(self._read_settled, query)
        future.add_done_callback(lambda f: self._to_loop.bring(f, answered, failed))

    def _read_settled(self, query: Callable[[R], T]) -> T:
        """What is read leads to effects: none may leave for a state that is not durable."""
        self._settle()
        return query(self._reader)

    def close(self) -> None:
        """Wait for what is being read, then close the connection."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._reader.close()


def _longer(delay: float) -> float:
    return doubled(delay, RETRY_SECONDS[1], 1)


def _halves(batch: _Batch[R, T]) -> tuple[_Batch[R, T], _Batch[R, T]]:
    middle = len(batch.keys) // 2
    return replace(batch, keys=batch.keys[:middle]), replace(batch, keys=batch.keys[middle:])


def _tell(error: Exception, what: str, delay: float) -> None:
    if isinstance(error, DalsegnoError):
        log.warning("store_read_failed", what=what, reason=str(error), retry_in_seconds=delay)
    else:  # a defect: where it is, is told once
        trace = error if delay == RETRY_SECONDS[0] else None
        log.error("store_read_failed", what=what, reason=repr(error), retry_in_seconds=delay, exc_info=trace)
