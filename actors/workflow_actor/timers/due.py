"""When a timer is due, and what is done then."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Protocol

from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.due import FallsDue
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed, TimerWanted


class RunWithTimers(Protocol):
    """What is looked at. (It is `run.state.WorkflowState`.)"""

    @property
    def timers(self) -> Mapping[int, int]: ...


def _at(run: RunWithTimers, number: int, _: object) -> int | None:
    return run.timers.get(number)


def _do(_: object, number: int, __: object) -> Decision[TimerElapsed]:
    return Decision(events=(TimerElapsed(number),))


DUE = FallsDue(
    pending=attrgetter("timers"),
    at=_at,
    moved_by={TimerWanted: attrgetter("number")},
    do=_do,
    events=(TimerElapsed,),
)
