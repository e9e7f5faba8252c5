"""Time for workers and clients: what they time goes by one clock, which is their event loop unless another is
given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from dalsegno.errors import ConfigurationError
from dalsegno.given import shown


class SetTimer(Protocol):
    """What `call_later` gives."""

    def cancel(self) -> None:
        """Not to be called any more; once it was, or was cancelled, this changes nothing."""


class LoopClock(Protocol):
    """As much of an event loop as tells time, so that a loop is one. It is used on the loop's thread only.

    Threads of activities, and what a broker's connection waits for by itself, go by real time."""

    def time(self) -> float:
        """Seconds, since whenever; never less than before."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> SetTimer:
        """Call it on the loop when so many seconds have passed, which may be none."""


def checked_clock(clock: LoopClock | None) -> LoopClock | None:
    """None stands for the event loop's. Raises ConfigurationError for what is no clock."""
    if clock is None or all(callable(getattr(clock, name, None)) for name in ("time", "call_later")):
        return clock
    raise ConfigurationError(
        f"clock must be None or have the methods time() and call_later(delay, callback), not {shown(clock)}."
    )


async def sleep(clock: LoopClock, seconds: float) -> None:
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    over = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, lambda: None if over.done() else over.set_result(None))
    try:
        await over
    finally:
        timer.cancel()


@asynccontextmanager
async def timeout(clock: LoopClock, seconds: float | None) -> AsyncIterator[None]:
    """As `asyncio.timeout`: what is inside is cancelled when the time is up, and TimeoutError raised outside.
    None is without end."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        if seconds is None:
            yield
            return
        # Its own deadline, by the loop's time, is only ever "now".
        timer = clock.call_later(seconds, lambda: scope.reschedule(loop.time()))
        try:
            yield
        finally:
            timer.cancel()
