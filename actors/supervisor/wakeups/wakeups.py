"""The wake-ups of one partition that are due soon: a heap of what the database was found to hold, and of what
hot instances have set since. An entry may be early or stale (then it is dropped or moved), never missing."""

from __future__ import annotations

import heapq

HORIZON = 30_000_000
"""Microseconds ahead for which wake-ups are kept in memory; the rest waits in the database."""


class WakeUps:
    """At most one live entry per workflow ID: the earliest that was set last."""

    __slots__ = ("_at", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._at: dict[str, int] = {}

    def set(self, workflow_id: str, wake_at: int) -> None:
        """Replaces what was set before for this workflow."""
        if self._at.get(workflow_id) != wake_at:
            self._at[workflow_id] = wake_at
            heapq.heappush(self._heap, (wake_at, workflow_id))

    def add(self, workflow_id: str, wake_at: int) -> None:
        """As found in the database: what memory knows already is newer."""
        if workflow_id not in self._at:
            self.set(workflow_id, wake_at)

    def clear(self, workflow_id: str) -> None:
        self._at.pop(workflow_id, None)

    def next_at(self) -> int | None:
        """When the earliest is due."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: int, limit: int) -> list[str]:
        """Take up to `limit` that are due at `now`, earliest first."""
        due: list[str] = []
        while len(due) < limit and (at := self.next_at()) is not None and at <= now:
            _, workflow_id = heapq.heappop(self._heap)
            del self._at[workflow_id]
            due.append(workflow_id)
        return due

    def __len__(self) -> int:
        return len(self._at)
