"""The part of the store port for deadlines: rows beside the runs, by which those that are late or will be are
found."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.policies import WorkflowStatus

ALL_OF_RUN = 0
"""In the place of a number: all that the run has. Numbers are from 1 on."""


class DeadlineRow(Struct, frozen=True):
    """An open deadline of a run, known by its number there; `is_over`: it is no more. From `risk_at` on, which
    is `due_at` if nothing else was said, it is at risk."""

    run_id: str
    number: int
    name: str
    due_at: int
    risk_at: int
    is_over: bool = False

    @classmethod
    def all_over(cls, run_id: str) -> DeadlineRow:
        """Of a run that has ended, and of which it is not known which it has."""
        return cls(run_id, ALL_OF_RUN, "", 0, 0, is_over=True)


class FoundDeadline(Struct, frozen=True, kw_only=True):
    """One that is open, with the run that has it. `now` is the database's time."""

    workflow_id: str
    run_id: str
    workflow_type: str
    status: WorkflowStatus
    number: int
    name: str
    due_at: int
    risk_at: int
    now: int
