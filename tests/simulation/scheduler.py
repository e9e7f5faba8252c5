"""One virtual clock and one queue of events; everything in a simulation happens from here, in one thread.

Times are whole microseconds since the beginning of the run. Events of one time happen in the order in which
they were asked for, so a process's `call_soon` is FIFO; all other order comes from the delays, which come
from a seed.
"""

from __future__ import annotations

import heapq
import zlib
from collections import deque
from collections.abc import Callable

SECOND = 1_000_000
TRACE_LENGTH = 400
STEPS_BETWEEN_LOOKS = 64
"""Asking after each step whether all is done would cost more than the steps."""


class ProcessKilled(BaseException):
    """Raised inside a process that is killed in the middle of what it does. Caught by the scheduler alone."""


class Beside:
    """A callback of a thread of its own: it happens also while the process's loop stands still."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def __call__(self) -> None:
        self._callback()


class Process:
    """What an OS process is to the others: it can die at any time, and it can stand still for any time.

    An event belongs to the life in which it was asked for; with the life, it is gone.
    """

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler = scheduler
        self.name = name
        self.life = 0
        self.is_alive = False
        self.is_paused = False
        self.is_blocked = False
        self.held: list[Callable[[], None]] = []

    def start(self) -> None:
        raise NotImplementedError

    def begin_life(self) -> None:
        self.life += 1
        self.is_alive = True
        self.trace("begins")

    def end_life(self, reason: str) -> None:
        """All that was in memory or about to happen here is gone."""
        if self.is_alive:
            self.trace(f"ends: {reason}")
        self.is_alive = False
        self.is_paused = self.is_blocked = False
        self.held.clear()
        self.life += 1

    def pause(self, microseconds: int) -> None:
        """Stand still (SIGSTOP); what should happen meanwhile happens on waking up, in the old order."""
        if self.is_alive and not self.is_paused:
            self.trace(f"is frozen for {microseconds / SECOND:.2f} s")
            self.is_paused = True
            life = self.life
            self.scheduler.after(microseconds, lambda: self._resume(life))

    def _resume(self, life: int) -> None:
        if self.life != life:
            return
        self.trace("thaws")
        self.is_paused = False
        self._go_on()

    def block(self, microseconds: int) -> None:
        """The loop stands still, and other threads go on."""
        self.trace(f"has its loop blocked for {microseconds / SECOND:.2f} s")
        self.is_blocked = True
        life = self.life
        self.scheduler.after(microseconds, lambda: self._unblock(life))

    def _unblock(self, life: int) -> None:
        if self.life == life:
            self.trace("has its loop back")
            self.is_blocked = False
            self._go_on()

    def _go_on(self) -> None:
        held, self.held = self.held, []
        for callback in held:
            self.scheduler.after(0, callback, self)

    @property
    def is_still(self) -> bool:
        return self.is_paused or self.is_blocked

    def holds(self, callback: Callable[[], None]) -> bool:
        return self.is_paused or (self.is_blocked and not isinstance(callback, Beside))

    def escaped(self, error: BaseException) -> None:
        """Nobody has contained it."""
        raise error

    def after(self, microseconds: int, callback: Callable[[], None]) -> None:
        """Do this later, if this life still goes on then."""
        self.scheduler.after(microseconds, callback, self)

    def step(self, what: str) -> None:
        """A named point at which a process may die; raises ProcessKilled then. Most have none."""

    def trace(self, what: str) -> None:
        self.scheduler.trace(self.name, what)


class Scheduler:
    """See the module. `steps` counts events; `digest` is of all that was traced."""

    def __init__(self, *, keep_all: bool = False) -> None:
        self.now = 0
        self.steps = 0
        self.digest = 0
        self.lines: deque[tuple[int, str, str]] = deque(maxlen=None if keep_all else TRACE_LENGTH)
        self._events: list[tuple[int, int, Callable[[], None], Process | None, int]] = []
        self._serial = 0
        self.running: Process | None = None
        """In whose name something happens now."""
        self.found: Exception | None = None
        """What is wrong, where to raise it would be of no use; raised when this event is over."""

    def after(self, microseconds: int, callback: Callable[[], None], process: Process | None = None) -> None:
        self._serial += 1
        life = 0 if process is None else process.life
        heapq.heappush(self._events, (self.now + microseconds, self._serial, callback, process, life))

    def trace(self, who: str, what: str) -> None:
        self.digest = zlib.crc32(f"{self.now} {who} {what}".encode(), self.digest)
        self.lines.append((self.now, who, what))

    def run(self, *, until: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Let things happen up to a time, or until `done` says so; whether it did."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, callback, process, life = heapq.heappop(events)
            if process is not None:
                if process.life != life or not process.is_alive:
                    continue
                if process.holds(callback):
                    process.held.append(callback)
                    continue
            self.steps += 1
            self.running = process
            try:
                callback()
            except ProcessKilled:
                assert process is not None
                assert process.life != life
            except MemoryError as error:
                if process is None:
                    raise
                process.escaped(error)
            if self.found is not None:
                raise self.found
            if self.steps % STEPS_BETWEEN_LOOKS == 0 and done():
                return True
        self.now = max(self.now, until)
        return done()
