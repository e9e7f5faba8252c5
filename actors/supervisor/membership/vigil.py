"""Which hosts no longer renew their rows, watched by a clock of our own.

A row says until when its host is alive, by the database's clock. When that clock is put back in the moment in
which a host dies, the row claims to live on for as long as the clock went back, and the dead host's partitions
would stand still. But a host counts its own validity from its last renewal, by a clock that nobody puts back
(see `validity`): a row that somebody has seen unchanged for the time of its lease belongs to a host that has
nothing left, whatever the row claims.

That a watcher is frozen, or that two watch, does no harm: the row is deleted only if it still says what was
seen, and who takes a lease raises its epoch as ever. No clock decides who may commit.
"""

from __future__ import annotations

from collections.abc import Iterable

from dalsegno.persistence.port import HostRow

MICROSECONDS = 1_000_000


class Vigil:
    """Times are monotonic seconds of the caller's clock. Plain bookkeeping, without I/O."""

    def __init__(self) -> None:
        self._first_seen: dict[HostRow, float] = {}

    def look(self, rows: Iterable[HostRow], *, asked_at: float, answered_at: float) -> list[HostRow]:
        """Those of `rows`, which were read between the two times, that have been the same for the time of their
        lease. A slow answer lengthens that time, never shortens it."""
        self._first_seen = {row: self._first_seen.get(row, answered_at) for row in rows}
        return [row for row, since in self._first_seen.items() if asked_at >= _until(row, since)]

    def next_end(self) -> float:
        """When the first of them will be found dead, unless it is renewed."""
        return min((_until(row, since) for row, since in self._first_seen.items()), default=float("inf"))


def _until(row: HostRow, since: float) -> float:
    # An older version does not say how long its lease is: its row is believed.
    return since + row.ttl / MICROSECONDS if row.ttl else float("inf")
