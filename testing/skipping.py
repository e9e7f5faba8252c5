"""When time is skipped, and how far.

Time goes on by itself, as everywhere. While somebody waits (for a result, an update, or in `sleep`) and nothing
is under way, it is put forward to the next moment at which something is due. What is under way is known, not
guessed:

- callbacks that the loop is about to call: of tests, clients, hosts, activities alike
- messages that a consumer has, or is about to be given; messages, rounds, reads and turns of the host
- attempts at activities, local ones too, in whatever thread or process they run; but not what goes on outside
  of its worker (`raise_complete_async`)

So code that takes its time holds the clock, and so does who keeps the loop busy by `sleep(0)` in a circle.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from dalsegno._log import get_logger
from dalsegno.errors import ConfigurationError

log = get_logger("dalsegno.testing")

LOOK_SECONDS = (0.0005, 0.02)
"""How soon it is looked again while what is under way is nothing of the loop's; doubled each time."""


_looking: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
"""How many environments of a loop are about to look whether it has anything else to call."""


@runtime_checkable
class Skippable(Protocol):
    """What time is of."""

    @property
    def is_at_rest(self) -> bool: ...

    @property
    def next_wake_up(self) -> int | None: ...

    def now(self) -> int: ...

    def skip_to(self, at: int) -> None: ...


class TimeSkipping:
    """`start` on a running loop, then `stop`. All times in microseconds."""

    def __init__(self, stage: Skippable) -> None:
        self._stage = stage
        self._ready = ready_of(asyncio.get_running_loop())
        self._waiting = 0
        self._disabled = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = iter(range(2**62))
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_due_at_once: Callable[[], bool] = lambda: False
        """Whether something is to be done as soon as nothing is under way, whoever waits: then `look`."""
        self.idle: Callable[[], object] = lambda: None
        """Called again and again while somebody waits, the loop has nothing to call, and time cannot be
        skipped."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Who sleeps is woken."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._wake(lambda at: True)

    def look(self) -> None:
        self._wanted.set()

    # --- who wants it ----------------------------------------------------------------------------------------

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Somebody waits meanwhile."""
        self._waiting += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._waiting -= 1

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Nothing is skipped meanwhile but by `sleep_until`."""
        self._disabled += 1
        try:
            yield
        finally:
            self._disabled -= 1
            self._wanted.set()

    async def sleep_until(self, at: int) -> None:
        """What is due until then is done before this returns."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at, next(self._numbers), over))
        self._wanted.set()
        await over

    @property
    def _is_wanted(self) -> bool:
        is_awaited = bool(self._sleepers) or (self._waiting > 0 and self._disabled == 0)
        return is_awaited or self.is_due_at_once()

    # --- the one who skips -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        look = LOOK_SECONDS[0]
        while True:
            if not self._is_wanted:
                self._wanted.clear()
                await self._wanted.wait()
            if await self._is_loop_busy():
                continue
            if self._stage.is_at_rest and self._step():
                look = LOOK_SECONDS[0]
                continue
            self.idle()
            await asyncio.sleep(look)
            look = min(2 * look, LOOK_SECONDS[1])

    async def _is_loop_busy(self) -> bool:
        """Whether others are about to go on, but for environments that only ask the same."""
        loop = asyncio.get_running_loop()
        _looking[loop] = _looking.get(loop, 0) + 1
        try:
            await asyncio.sleep(0)
        finally:
            _looking[loop] -= 1
        return len(self._ready) > _looking[loop]

    def _step(self) -> bool:
        """Nothing is under way. Wake who has slept enough, else go to what is next; False if nothing is."""
        if self._wake(lambda at: at <= self._stage.now()):
            return True
        self._forget_cancelled()
        if not self._is_wanted:
            return True
        ends = (self._stage.next_wake_up, self._sleepers[0][0] if self._sleepers else None)
        at = min((end for end in ends if end is not None), default=None)
        if at is None:
            return False
        if (ahead := at - self._stage.now()) > 0:
            log.debug("time_skipped", seconds=ahead / 1e6)
        self._stage.skip_to(at)
        return True

    def _forget_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)

    def _wake(self, is_over: Callable[[int], bool]) -> bool:
        woken = False
        while self._sleepers and is_over(self._sleepers[0][0]):
            _, _, over = heapq.heappop(self._sleepers)
            if not over.done():
                over.set_result(None)
                woken = True
        return woken


def ready_of(loop: asyncio.AbstractEventLoop) -> deque[object]:
    """What the loop is about to call. asyncio has no public word for it; its own loops have had this for as
    long as there were any. Raises ConfigurationError for a loop that does not show it."""
    ready = getattr(loop, "_ready", None)
    if not isinstance(ready, deque):
        raise ConfigurationError(
            f"Time cannot be skipped on a loop of {type(loop).__module__}: it does not say what it is about "
            "to run. Run the test on asyncio's own loop, or use WorkflowEnvironment.start_local()."
        )
    return ready
