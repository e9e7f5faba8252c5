"""What a host does again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dalsegno.actors.supervisor.failing.fail_stop import Escaped, contained


class Repeating:
    """Each time so long after the last, on the loop, until `stop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, escaped: Escaped) -> None:
        self._loop = loop
        self._escaped = escaped
        self._timers: list[asyncio.TimerHandle] = []

    def every(self, seconds: float, callback: Callable[[], None]) -> None:
        index = len(self._timers)

        def again() -> None:
            self._timers[index] = self._loop.call_later(seconds, again)
            contained(self._escaped, callback)

        self._timers.append(self._loop.call_later(seconds, again))

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
