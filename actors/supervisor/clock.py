"""Database time, estimated from this process's monotonic clock and set right at each commit and renewal."""

from __future__ import annotations

import time
from collections.abc import Callable


class DatabaseClock:
    """Microseconds since 1970 by the database's clock; never goes back.

    The wall clock serves until the database has been heard of.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = time.time_ns() // 1000 - self._ticks()
        self._last = 0

    def _ticks(self) -> int:
        return int(self._monotonic() * 1e6)

    def heard(self, database_time: int) -> None:
        """The database said that it is `database_time`, a moment ago."""
        self._offset = database_time - self._ticks()

    def now(self) -> int:
        self._last = max(self._last, self._ticks() + self._offset)
        return self._last
