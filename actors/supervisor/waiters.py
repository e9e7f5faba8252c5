"""Who waits for runs to end, in memory only: callers ask again every 20 seconds, and at once when told that
the partition moves."""

from __future__ import annotations

from dataclasses import dataclass

from dalsegno.actors.workflow_actor.commands import Caller

WAIT_SECONDS = 60.0
"""After this a waiter is forgotten: its caller has asked again by then, or is gone."""


@dataclass(frozen=True, slots=True)
class Waiter:
    caller: Caller
    message_id: str
    run_id: str | None
    until: float


class Waiters:
    """By workflow ID."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: dict[str, list[Waiter]] = {}

    def add(self, workflow_id: str, waiter: Waiter) -> None:
        """The same caller asking again replaces its older question."""
        others = [w for w in self._waiters.get(workflow_id, ()) if w.caller != waiter.caller]
        self._waiters[workflow_id] = [*others, waiter]

    def take(self, workflow_id: str) -> list[Waiter]:
        return self._waiters.pop(workflow_id, [])

    def take_all(self) -> list[tuple[str, Waiter]]:
        everyone = [(workflow_id, w) for workflow_id, group in self._waiters.items() for w in group]
        self._waiters.clear()
        return everyone

    def forget_overdue(self, now: float) -> None:
        for workflow_id, group in list(self._waiters.items()):
            alive = [waiter for waiter in group if waiter.until > now]
            if alive:
                self._waiters[workflow_id] = alive
            else:
                del self._waiters[workflow_id]

    def __contains__(self, workflow_id: str) -> bool:
        return workflow_id in self._waiters
