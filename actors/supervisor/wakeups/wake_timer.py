"""The timer of all alarm clocks of an engine: so that each fires at its time, and not at the next tick."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dalsegno.actors.supervisor.world import Clock


class WakeTimer:
    """`fire` is called when the earliest time that it was set to has come."""

    def __init__(self, clock: Clock, fire: Callable[[], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._at: int | None = None

    def set(self, wake_at: int) -> None:
        """Fire at that time (in microseconds), if not before."""
        if self._at is not None and self._at <= wake_at:
            return
        self._at = wake_at
        delay = max(wake_at - self._clock.now(), 0) / 1e6
        self._clock.call_later(delay, partial(self._fired, wake_at))

    def _fired(self, at: int) -> None:
        if self._at == at:
            self._at = None
            self._fire()
