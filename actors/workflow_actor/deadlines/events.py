"""What is stored of deadlines: what becomes of them, for the journal, and what user code is told, for the log.

How events and inputs are stored: see `run.events`, `run.inputs`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class DeadlineSet(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="dls"):
    number: int
    name: str
    due_at: int
    risk_at: int | None = None


class DeadlineMet(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="dlm"):
    """`late`: by the time that code went by."""

    number: int
    late: bool = False


class DeadlineAtRisk(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="dlr"):
    number: int


class DeadlineOverdue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="dlo"):
    number: int


class DeadlineNeared(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="deadline"
):
    """A deadline is at risk now, or overdue."""

    number: int
    phase: Literal["at_risk", "overdue"]

    @property
    def words(self) -> str:
        """For people."""
        return f"deadline {self.number}, which is {self.phase.replace('_', ' ')}"


DeadlineEvent = DeadlineAtRisk | DeadlineOverdue
DeadlineWant = DeadlineSet | DeadlineMet
