"""How long a host may believe in its own leases."""

from __future__ import annotations

import time
from collections.abc import Callable

NEVER = ("", float("-inf"))


class Validity:
    """Until when a host's leases hold, by its own clock. The HostSupervisor's thread writes, any thread reads.

    It counts from the SENDING of the last renewal that succeeded, so that a slow answer shortens it, and it
    ends a little before the database's row does. It only keeps a host from work that would be refused: what
    fences is the lock on the lease rows in each commit. The loop checks it before each commit and by a timer of
    its own, because the supervisor's thread may be the one that hangs.
    """

    __slots__ = ("_clock", "_term")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._term = NEVER  # one object, so that no reader sees half of a change

    def extend(self, host_id: str, until: float) -> None:
        """`until` is a time of this object's clock, in seconds."""
        self._term = (host_id, until)

    def end(self) -> None:
        self._term = NEVER

    def holds(self, host_id: str) -> bool:
        """Whether leases taken under this ID hold now. Those of an earlier life never do again."""
        holder, until = self._term
        return holder == host_id and self._clock() < until

    def remaining(self) -> float:
        """Seconds that are left; 0 or less when it has run out."""
        return self._term[1] - self._clock()
