"""Restart intensity, as OTP's supervisors have it: more than N restarts within a period, and the supervisor
gives up and escalates. Below that, restarts back off exponentially.

Source: Erlang/OTP `supervisor` (add_restart); the back-off is ours: a child that dies at once should not be
restarted in a tight loop.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from dalsegno.backoff import doubled


@dataclass(frozen=True, slots=True)
class Intensity:
    """At most `restarts` within `period_seconds`; delays double from `initial_delay` to `maximum_delay`."""

    restarts: int = 5
    period_seconds: float = 10.0
    initial_delay_seconds: float = 0.05
    maximum_delay_seconds: float = 5.0


class RestartHistory:
    """The restarts of one child. `failed` says how long to wait, or None to escalate."""

    __slots__ = ("_intensity", "_times")

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        self._times: deque[float] = deque()

    def failed(self, now: float) -> float | None:
        """Count a failure at monotonic time `now`; the delay in seconds before the restart is returned."""
        while self._times and self._times[0] < now - self._intensity.period_seconds:
            self._times.popleft()
        self._times.append(now)
        if len(self._times) > self._intensity.restarts:
            return None
        first, longest = self._intensity.initial_delay_seconds, self._intensity.maximum_delay_seconds
        return doubled(first, longest, len(self._times) - 1)
