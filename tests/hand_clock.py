"""A clock whose time passes when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from tests.broker.witness import eventually

START = 100.0


class HandTimer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class HandClock:
    """A `LoopClock`. What is due is called in its order, at its time."""

    def __init__(self) -> None:
        self.now = START
        self._order = count()
        self._due: list[tuple[float, int, HandTimer]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> HandTimer:
        timer = HandTimer(callback)
        heappush(self._due, (self.now + delay, next(self._order), timer))
        return timer

    @property
    def waits(self) -> list[float]:
        """In how many seconds each timer that is set is due, the soonest first."""
        return [at - self.now for at, _, timer in sorted(self._due) if timer.callback is not None]

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, _, timer = heappop(self._due)
            if (callback := timer.callback) is not None:
                timer.cancel()
                callback()
        self.now = until

    async def until_set(self, least: float, most: float | None = None) -> None:
        """Until a timer is set that is due in `least` seconds, or in more up to `most`."""
        end = (least if most is None else most) + 1e-6
        await eventually(
            lambda: any(least - 1e-6 <= wait <= end for wait in self.waits),
            f"a timer of {least} s; there are {self.waits}",
        )
