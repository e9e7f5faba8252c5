"""How many bytes of bodies a session's consumers may hold unacknowledged, all of them together.

A prefetch counts messages, and a message has any size: as many as there may be, each as large as it may be, is
more than a process has. What does not fit waits at the broker.
"""

from __future__ import annotations

HELD_BYTES = 256 * 1024 * 1024
"""The default of hosts and workers: many hundred large messages, in a process that has 1 GB."""
HELD_BYTES_MIN = 1024 * 1024
"""One message of the largest size."""


class HeldBytes:
    """`limit` in bytes; None is no limit. A consumer that holds nothing is given one message whatever is held:
    a message larger than the limit passes alone, and no queue stands still for what another one holds."""

    __slots__ = ("held", "is_short", "limit")

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.held = 0
        self.is_short = False
        """Something did not fit; whoever looks again when there is more room clears it."""

    def fits(self, size: int) -> bool:
        if self.limit is None or self.held + size <= self.limit:
            return True
        self.is_short = True
        return False

    def take(self, size: int) -> None:
        self.held += size

    def give_back(self, size: int) -> None:
        self.held -= size
