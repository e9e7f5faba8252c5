"""Whether a host's loop still turns: a lease vouches for it, and not only for the thread that renews it."""

from __future__ import annotations

import time
from collections.abc import Callable

SILENT_SHARE = 0.5
"""The part of the lease's time for which a loop may stand still before its lease is not renewed any more: five
seconds of ten. No round takes that long; code that does is struck before."""


class LoopBeat:
    """The loop beats several times a second; the HostSupervisor's thread looks. One word, so that no lock is
    needed. A host that was frozen whole finds its loop silent on waking up, until that has turned once."""

    __slots__ = ("_at", "_clock", "_silent_seconds")

    def __init__(self, lease_ttl_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_seconds = lease_ttl_seconds * SILENT_SHARE
        self._at = clock()

    def beat(self) -> None:
        self._at = self._clock()

    @property
    def seconds(self) -> float:
        """Since the last beat."""
        return self._clock() - self._at

    @property
    def is_silent(self) -> bool:
        """For too long for a lease to be renewed on it."""
        return self.seconds >= self._silent_seconds
