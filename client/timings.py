"""When a client does things again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientTimings:
    """All in seconds."""

    resend: float = 3.0
    """Without an answer a request is sent again after this time."""
    ask_again: float = 20.0
    """Hosts keep in memory who waits for a result, so whoever waits says so again now and then."""
    namespace_grace: float = 3.0
    """A missing namespace may be about to be made, or be known to one node of a cluster before another."""
    pause_min: float = 0.05
    pause_max: float = 2.0
    """Between attempts to reach the broker. Short, because somebody waits for the answer."""


class Pauses:
    """How long to wait between attempts: doubling, with jitter, so that clients don't all come back at once."""

    def __init__(self, timings: ClientTimings) -> None:
        self._timings = timings
        self._longest = timings.pause_min

    def next(self) -> float:
        pause = random.uniform(self._longest / 2, self._longest)
        self._longest = min(self._longest * 2, self._timings.pause_max)
        return pause

    def reset(self) -> None:
        self._longest = self._timings.pause_min
