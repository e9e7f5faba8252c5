"""When a deadline is at risk or overdue, and what is done then."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Protocol

from dalsegno.actors.workflow_actor.deadlines.deadline import HeldDeadline
from dalsegno.actors.workflow_actor.deadlines.events import (
    DeadlineAtRisk,
    DeadlineEvent,
    DeadlineOverdue,
    DeadlineSet,
)
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.due import FallsDue


class RunWithDeadlines(Protocol):
    """What is looked at. (It is `run.state.WorkflowState`.)"""

    @property
    def deadlines(self) -> Mapping[int, HeldDeadline]: ...


class KnownTime(Protocol):
    """(It is `run.decide.Known`.)"""

    @property
    def now(self) -> int: ...


def _at(run: RunWithDeadlines, number: int, _: object) -> int | None:
    deadline = run.deadlines.get(number)
    return None if deadline is None else deadline.moves_at


def _do(run: RunWithDeadlines, number: int, known: KnownTime) -> Decision[DeadlineEvent]:
    """When nobody was there to see that it is at risk, it is overdue at once."""
    is_over = run.deadlines[number].due_at <= known.now
    return Decision(events=(DeadlineOverdue(number) if is_over else DeadlineAtRisk(number),))


DUE = FallsDue(
    pending=attrgetter("deadlines"),
    at=_at,
    moved_by={DeadlineSet: attrgetter("number"), DeadlineAtRisk: attrgetter("number")},
    do=_do,
    events=(DeadlineAtRisk, DeadlineOverdue),
)
