"""The heartbeats of one attempt: throttled, the newest details win, and automatic where the task says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dalsegno.activity_code.outcomes import fitting_details
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.loop_clock import LoopClock, SetTimer
from dalsegno.payload import Payload
from dalsegno.policies import MICROSECONDS_PER_SECOND

TIMEOUT_FRACTION = 1 / 3
"""Of the heartbeat timeout: two heartbeats may be lost or late before the engine gives the attempt up."""
INTERVAL_SECONDS_MAX = 60.0
INTERVAL_SECONDS_DEFAULT = 30.0
"""Without a timeout a heartbeat only carries details, for the next attempt."""

SendHeartbeat = Callable[[Payload | None, int, Callable[[bool], None]], None]
"""Called on the loop with the newest details and the number of the heartbeat, from 1, and whom to tell when the
broker has it, or it is lost."""


class HeartbeatSender:
    """`record` may be called in any thread, everything else on the loop. One is on its way at a time: a broker
    that takes nothing for an hour must not find an hour's heartbeats here."""

    __slots__ = (
        "_automatic",
        "_by_itself",
        "_clock",
        "_in_the_air",
        "_interval",
        "_loop",
        "_newest",
        "_not_before",
        "_number",
        "_overdue",
        "_send",
        "_stopped",
        "_timer",
        "_unsent",
        "_woken",
    )

    def __init__(
        self, task: ActivityTask, loop: asyncio.AbstractEventLoop, clock: LoopClock, send: SendHeartbeat
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._send = send
        self._interval = interval_seconds(task.heartbeat_timeout)
        self._by_itself = task.auto_heartbeat
        self._automatic = self._by_itself
        self._newest: Payload | None = None
        self._unsent = False
        self._woken = False
        """A call of `_beat_or_wait` is on its way, or its timer is set."""
        self._not_before = 0.0
        self._timer: SetTimer | None = None
        self._number = 0
        self._in_the_air = 0
        self._overdue = False
        """Another was due while one was on its way."""
        self._stopped = False

    def record(self, details: Payload | None) -> None:
        """A heartbeat of the activity's own: sent at once, or when the interval is over.

        Raises PayloadError for details that fit into no message.
        """
        if details is not None:
            self._newest = fitting_details(details)
        # In this order (and the reverse in `_beat`), so that whatever a thread records is either part of the
        # heartbeat that leaves now or wakes the loop for another.
        self._unsent = True
        if not self._woken and not self._stopped:
            self._woken = True
            self._loop.call_soon_threadsafe(self._beat_or_wait)

    def start(self, *, always: bool = False) -> None:
        """The code has begun: the first automatic heartbeat is due in an interval. `always`: it has not, and
        until it has nobody else can send them."""
        self._automatic = always or self._by_itself
        if self._automatic:
            self._set_timer(self._clock.time() + self._interval)

    def send_again(self) -> None:
        """There is a new session: what was under way may be lost, and our queue may have another name."""
        if self._number or self._automatic:
            self._beat()

    def flush(self) -> None:
        """The attempt is about to fail: details that were throttled leave first, for the next attempt."""
        if self._unsent:
            self._send_newest()

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _beat_or_wait(self) -> None:
        if self._stopped:
            return
        if self._clock.time() >= self._not_before:
            self._beat()
        else:
            self._set_timer(self._not_before)

    def _beat(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._automatic and not self._stopped:
            self._set_timer(self._clock.time() + self._interval)
        if self._in_the_air:
            self._overdue = True
        else:
            self._send_newest()

    def _send_newest(self) -> None:
        self._woken = self._unsent = self._overdue = False
        self._not_before = self._clock.time() + self._interval
        self._number += 1
        self._in_the_air += 1
        self._send(self._newest, self._number, self._on_settled)

    def _on_settled(self, confirmed: bool) -> None:
        self._in_the_air -= 1
        if self._overdue and not self._stopped:
            self._send_newest()

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(max(0.0, at - self._clock.time()), self._beat)


def interval_seconds(timeout_microseconds: int | None) -> float:
    """How far apart heartbeats are."""
    if timeout_microseconds is None:
        return INTERVAL_SECONDS_DEFAULT
    return min(timeout_microseconds / MICROSECONDS_PER_SECOND * TIMEOUT_FRACTION, INTERVAL_SECONDS_MAX)
