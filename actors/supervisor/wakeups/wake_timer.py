"""The timer of all alarm clocks of an engine: each is looked at when it wants to be, and no other is."""

from __future__ import annotations

import heapq
from functools import partial
from itertools import count
from typing import Protocol

from dalsegno.actors.supervisor.world import Clock


class Sleeper(Protocol):
    """Who wants to be looked at."""

    def look(self) -> None:
        """It says when to look again, or there is no next time."""


class WakeTimer:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: dict[Sleeper, int] = {}
        self._heap: list[tuple[int, int, Sleeper]] = []
        """Time, a number that is different for each, and whom to look at; stale where `_at` says otherwise."""
        self._numbers = count()
        self._at_next_tick: dict[Sleeper, None] = {}
        self._set_to: int | None = None

    def set(self, sleeper: Sleeper, at: int) -> None:
        """Look at that time (in microseconds), or earlier if that was asked for before."""
        known = self._at.get(sleeper)
        if known is None or at < known:
            self._at[sleeper] = at
            heapq.heappush(self._heap, (at, next(self._numbers), sleeper))
            self._wait_until(at)

    @property
    def next_at(self) -> int | None:
        """When the next wants to be looked at; what waits for a tick is not counted."""
        return min(self._at.values(), default=None)

    def again(self, sleeper: Sleeper) -> None:
        """Look at the next tick: it waits for room, or for what nobody tells it of."""
        self._at_next_tick[sleeper] = None

    def tick(self) -> None:
        """From time to time; the clock may have been set."""
        restless, self._at_next_tick = self._at_next_tick, {}
        for sleeper in restless:
            sleeper.look()
        self._fire()

    def _wait_until(self, at: int) -> None:
        if self._set_to is None or at < self._set_to:
            self._set_to = at
            self._clock.call_later(max(at - self._clock.now(), 0) / 1e6, partial(self._fired, at))

    def _fired(self, at: int) -> None:
        if self._set_to == at:
            self._set_to = None
            self._fire()

    def _fire(self) -> None:
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            at, _, sleeper = heapq.heappop(self._heap)
            if self._at.get(sleeper) == at:
                del self._at[sleeper]
                sleeper.look()
        if self._heap:
            self._wait_until(self._heap[0][0])
