"""When a client does things again."""

from __future__ import annotations

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
