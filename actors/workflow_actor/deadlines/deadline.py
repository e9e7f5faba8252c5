"""A deadline in a run's state, and what a sign keeps of one that is open.

It is known by a number, which is of the same sequence as those of timers. Times are whole microseconds.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

DeadlinePhase = Literal["on_time", "at_risk", "overdue", "met", "met_late"]
"""As `DeadlineStatus` has it."""

SETTLED_MAX = 20
"""Of those that are over so many are remembered, the newest."""
OPEN_MAX = 50
"""Of one run."""


class HeldDeadline(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`risk_at` None: nobody wants to be warned."""

    name: str
    set_at: int
    due_at: int
    risk_at: int | None
    phase: DeadlinePhase = "on_time"
    met_at: int | None = None

    @property
    def is_open(self) -> bool:
        return self.phase not in ("met", "met_late")

    @property
    def moves_at(self) -> int | None:
        """When it is at risk, or overdue, whichever comes next; None if nothing does."""
        if self.phase == "on_time" and self.risk_at is not None:
            return min(self.risk_at, self.due_at)
        return self.due_at if self.phase in ("on_time", "at_risk") else None


class KeptDeadline(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`phase` is the one that code was told of last, `told` the one for which it has done what it does then.
    `fails`: the run fails when it is overdue."""

    number: int
    name: str
    due_at: int
    phase: DeadlinePhase
    told: DeadlinePhase
    fails: bool
