"""The states of an attempt, and what may follow what.

late:   NEW ----------> RUNNING -> REPORTING -> SETTLED    acknowledged when the outcome is confirmed
early:  NEW -> ASKING -> RUNNING -> REPORTING -> SETTLED    acknowledged when the grant is here
                 |          |
                 v          v
              SETTLED    RELEASED                           refused; given back when the worker shuts down

Late work that runs alone (`suspects`) asks, too; it is acknowledged as other late work, and given back when the
session is lost before it began.

A grant that does not come must not keep a slot, nor may an attempt run without one when it comes after all:

        ASKING -> UNANSWERED -> RUNNING
                      |            ^
                      v            |
                      +-> GRANTED -+
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    __hash__ = object.__hash__  # that of Enum is a call of Python's, some seven an attempt

    NEW = "delivered, and nothing has been done for it"
    ASKING = "the engine was asked whether this worker may begin"
    UNANSWERED = "as ASKING, in the waiting room: it has given its slot back"
    GRANTED = "it may run, is acknowledged, and waits for a slot"
    RUNNING = "the activity's code runs, or waits for a thread"
    REPORTING = "the outcome is on its way to the engine, or the word that it goes on outside"
    SETTLED = "over: nothing is left to do"
    RELEASED = "given back unfinished: the broker hands it to another worker when the channel closes"


NEXT: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.ASKING, State.RUNNING, State.REPORTING}),
    State.ASKING: frozenset({State.UNANSWERED, State.RUNNING, State.REPORTING, State.SETTLED, State.RELEASED}),
    State.UNANSWERED: frozenset({State.GRANTED, State.RUNNING, State.REPORTING, State.SETTLED, State.RELEASED}),
    State.GRANTED: frozenset({State.RUNNING, State.REPORTING}),
    State.RUNNING: frozenset({State.REPORTING, State.RELEASED}),
    State.REPORTING: frozenset({State.SETTLED}),
    State.SETTLED: frozenset(),
    State.RELEASED: frozenset(),
}


IS_ASKING = frozenset({State.ASKING, State.UNANSWERED})
WITHOUT_SLOT = frozenset({State.UNANSWERED, State.GRANTED})


class Stop(Enum):
    """Why the code was asked to stop."""

    CANCELED = "the engine asked"
    SHUTDOWN = "the worker shuts down"
