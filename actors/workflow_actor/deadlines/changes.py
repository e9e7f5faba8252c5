"""What events make of deadlines: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.deadlines.deadline import SETTLED_MAX, HeldDeadline
from dalsegno.actors.workflow_actor.deadlines.events import (
    DeadlineAtRisk,
    DeadlineMet,
    DeadlineNeared,
    DeadlineOverdue,
    DeadlineSet,
)


class StateWithDeadlines(Protocol):
    @property
    def deadlines(self) -> Mapping[int, HeldDeadline]: ...


class DeadlineDraft(Protocol):
    """What deadlines need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    @property
    def state(self) -> StateWithDeadlines: ...
    @property
    def time(self) -> int: ...
    def change(self, **fields: Any) -> None: ...
    def give(self, input_: DeadlineNeared) -> None: ...


def _put(draft: DeadlineDraft, number: int, deadline: HeldDeadline) -> None:
    draft.change(deadlines={**draft.state.deadlines, number: deadline})


def _set(draft: DeadlineDraft, want: DeadlineSet) -> None:
    _put(draft, want.number, HeldDeadline(want.name, draft.time, want.due_at, want.risk_at))


def _met(draft: DeadlineDraft, want: DeadlineMet) -> None:
    deadline = draft.state.deadlines[want.number]
    phase: Literal["met", "met_late"] = "met_late" if want.late else "met"
    _put(draft, want.number, replace(deadline, phase=phase, met_at=draft.time))
    settled = [number for number, one in draft.state.deadlines.items() if not one.is_open]
    for number in sorted(settled)[:-SETTLED_MAX]:
        draft.change(deadlines={key: one for key, one in draft.state.deadlines.items() if key != number})


def _neared(draft: DeadlineDraft, number: int, phase: Literal["at_risk", "overdue"]) -> None:
    """Raises KeyError where there is no such deadline."""
    _put(draft, number, replace(draft.state.deadlines[number], phase=phase))
    draft.give(DeadlineNeared(number=number, phase=phase))


def _at_risk(draft: DeadlineDraft, event: DeadlineAtRisk) -> None:
    _neared(draft, event.number, "at_risk")


def _overdue(draft: DeadlineDraft, event: DeadlineOverdue) -> None:
    _neared(draft, event.number, "overdue")


APPLY: dict[type, Callable[[Any, Any], None]] = {
    DeadlineSet: _set,
    DeadlineMet: _met,
    DeadlineAtRisk: _at_risk,
    DeadlineOverdue: _overdue,
}
