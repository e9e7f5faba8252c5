"""Local work that is to be begun, or stopped: what comes of events, and of the end of a turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dalsegno.actors.workflow_actor.interface.waiting import LocalWork
from dalsegno.actors.workflow_actor.local_activities.work import StopAll
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.turn import Turn

Works = Mapping[type, Callable[[Any, Any], LocalWork | None]]


def works_of(facts: Iterable[Any], state: WorkflowState, table: Works) -> Iterator[LocalWork]:
    """`state` is what they led to."""
    for fact in facts:
        make = table.get(type(fact))
        work = None if make is None else make(fact, state)
        if work is not None:
            yield work


def at_the_end(turn: Turn) -> tuple[LocalWork, ...]:
    """Of a turn that is sealed: what it has not begun; where its run has ended, nothing goes on."""
    if turn.state.outcome is None:
        return (*turn.works, *turn.later)
    if turn.has_worked or turn.before.local_activities:
        return (StopAll(turn.state.info.run_id, "the workflow has ended"),)
    return ()
