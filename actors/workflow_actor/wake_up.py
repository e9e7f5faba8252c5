"""A wake-up: everything that is due is done, in the order in which it fell due. Each timer or deadline is an
input of its own, and user code runs until idle before the next one; all of it is one activation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from dalsegno.actors.workflow_actor.local_works import works_of
from dalsegno.actors.workflow_actor.run.agenda import Agenda
from dalsegno.actors.workflow_actor.run.decide import WHEN_DUE, Known
from dalsegno.actors.workflow_actor.run.primitives import LATER
from dalsegno.actors.workflow_actor.turn import Turn

DUE_MAX = 200
"""Things that one activation does. A thousand timers of the same time, or deadlines, are done in several."""


def do_what_is_due(turn: Turn, agenda: Agenda, known: Known, run: Callable[[Turn], None]) -> None:
    """What falls due only through this (a timer of no time) is left for the next wake-up, and so is what would
    come before code that has too much to run for one activation, and what is more than `DUE_MAX`."""
    taken = agenda.take_due(turn.state, turn.moment.time, limit=DUE_MAX)
    due = deque(taken)
    while due and not turn.state.is_closed and not turn.state.has_backlog:
        entry = due.popleft()
        if agenda.is_due(turn.state, entry):
            _, kind, number = entry
            decision = WHEN_DUE[kind](turn.state, number, known)
            turn.record(*decision.events)
            turn.later.extend(works_of(decision.events, turn.state, LATER))
            turn.probes.extend(decision.probes)
            run(turn)
    # As long as a turn is not sealed, all of it is still due.
    agenda.put_back(taken if turn.works else due)
