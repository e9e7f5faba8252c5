"""Database time, estimated from this process's monotonic clock and set right at each commit and renewal."""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import unwrap
from typing import Protocol


class HostClock(Protocol):
    """What a host knows of time by itself. Its loop has its own, which timers and timeouts go by."""

    def monotonic(self) -> float:
        """Seconds, since whenever."""

    def time_ns(self) -> int:
        """Since 1970."""


class MachineClock:
    """As the module `time` has it, but for what looks there whether it is workflow code that asks."""

    monotonic = staticmethod(unwrap(time.monotonic))
    time_ns = staticmethod(unwrap(time.time_ns))


MACHINE_CLOCK = MachineClock()


class DatabaseClock:
    """Microseconds since 1970 by the database's clock; never goes back, and never stands still.

    When the database's clock is put forward, this one follows at once. When it is put back, this one goes at
    half speed until the database has caught up: a timer takes up to twice as long meanwhile, but it fires.

    The wall clock serves until the database has been heard of; what it said then binds nobody.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, time_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._monotonic = monotonic
        self._offset = time_ns() // 1000 - self._ticks()
        self._heard = False
        self._agreed = self._agreed_ticks = 0
        """When we last said what we believe to be the database's time: that time, and our ticks then."""

    def _ticks(self) -> int:
        return int(self._monotonic() * 1e6)

    def heard(self, database_time: int) -> None:
        """The database said that it is `database_time`, a moment ago."""
        ticks = self._ticks()
        self._offset = database_time - ticks
        if not self._heard:
            self._heard = True
            self._agreed, self._agreed_ticks = database_time, ticks

    def now(self) -> int:
        ticks = self._ticks()
        believed = ticks + self._offset
        slowest = self._agreed + (ticks - self._agreed_ticks) // 2
        if believed < slowest:
            return slowest
        self._agreed, self._agreed_ticks = believed, ticks
        return believed
