"""The time of an environment: this machine's, put forward by what was skipped."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.actors.supervisor.clock import MACHINE_CLOCK

MICROSECONDS = 1_000_000


class SkippedClock:
    """Implements HostClock. Its monotonic time is the machine's: leases, and what a host times for itself, are
    not about workflows. What is skipped a host hears from its database."""

    monotonic: Callable[[], float] = staticmethod(MACHINE_CLOCK.monotonic)
    _machine_ns: Callable[[], int] = staticmethod(MACHINE_CLOCK.time_ns)

    def __init__(self) -> None:
        self.skipped = 0
        """In microseconds."""

    def time_ns(self) -> int:
        return self._machine_ns() + 1000 * self.skipped

    def now(self) -> int:
        """Microseconds since 1970."""
        return self.time_ns() // 1000

    def skip_to(self, at: int) -> None:
        """Never backwards: what lies behind is ordinary."""
        self.skipped += max(at - self.now(), 0)
