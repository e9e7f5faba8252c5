"""A turn that stays open: what a command needs has to be had first (`PREPARING`), or user code waits for local
work (`WORKING`). The host's loop, all other instances and the rounds go on meanwhile.

    PREPARING --> STEPPING --> SEALED
        |          |    ^
        |          v    |
        |         WORKING
        v          |
     DROPPED <-----+---- STEPPING

Nearly all turns wait for nothing: they begin and end as STEPPING, within one call, and there is none of this.

Until it is sealed, nothing of a turn is in a round, and the instance is as it was before: a turn that is
dropped leaves nothing. What happens while one is open:

- *Another cause comes*: it waits in the mailbox, in order. At the front of that is the cause of the turn.
- *Somebody asks*: he is answered by the state before the turn, if nothing that he has sent himself may be
  part of it, or lies in front of his question (`lets_pass`).
- *The bound passes* (`PREPARING_SECONDS`, `WORKING_SECONDS`): what could not be had is `Unready`; of local work
  what is done is committed, and what comes of the rest later is a cause of its own. But what is on its way to
  the payload store is waited for: the state must not refer to what is not there.
- *The payload store does not take it*, or not within `KEEPING_SECONDS`: the turn is dropped, and its cause
  taken once more as `Unready`.
- *An operator suspends or terminates*: that comes in its order, for which the bound is what it waits at most.
  To prepare it takes nothing.
- *The channel is lost*: the cause comes again. A turn that has not stepped is dropped when its time comes; one
  that has goes on, and the copy is recognised by what it has recorded.
- *The lease is lost, the actor is replaced* (a defect, a commit of unknown outcome, other code), *the process
  dies*: it is dropped, and whoever is told the cause again begins anew.
- *The partition is handed over*: that waits for it, within its own bound.
- *Passivation*: never while it is open.
- *The watchdog* watches user code, which runs while it is STEPPING only.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import (
    ClientCommand,
    Command,
    Describe,
    Start,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.interface.waiting import PiecesKept, Preparation
from dalsegno.actors.workflow_actor.queries.commands import Query

PREPARING_SECONDS = 5.0
"""For so long what a command needs may keep its instance, and hold up acknowledgements of its partition."""

WORKING_SECONDS = 1.0
"""For so long, in all, local work may keep a turn open."""

KEEPING_SECONDS = 5.0
"""For so long the payload store may take to store what user code has made."""

TAKES_NOTHING = frozenset((Suspend, Terminate))
"""Commands that are not prepared: they run no code, and end what hangs."""


class TurnState(Enum):
    PREPARING = (
        "what the command needs is being fetched, decoded or checked: nothing of the instance has changed"
    )
    STEPPING = "events are recorded and user code runs; it stays so over no turn of the loop"
    WORKING = "user code has run, and waits for local work"
    SEALED = "it is the instance's state, and was given to the round"
    DROPPED = "thrown away: nothing is left of it"


NEXT: dict[TurnState, frozenset[TurnState]] = {
    TurnState.PREPARING: frozenset({TurnState.STEPPING, TurnState.DROPPED}),
    TurnState.STEPPING: frozenset({TurnState.WORKING, TurnState.SEALED, TurnState.DROPPED}),
    TurnState.WORKING: frozenset({TurnState.STEPPING, TurnState.DROPPED}),
    TurnState.SEALED: frozenset(),
    TurnState.DROPPED: frozenset(),
}

BOUNDS = {TurnState.PREPARING: PREPARING_SECONDS, TurnState.WORKING: WORKING_SECONDS}
"""How long a turn waits in each of the states in which it does."""


class OpenTurn:
    """See the module. `mark`: run, cause and code that are to blame if the host dies of it. `forgives`: strikes
    are cleared once it is sealed."""

    __slots__ = (
        "__weakref__",
        "_outcomes",
        "cause",
        "forgives",
        "has_kept",
        "is_overdue",
        "keeping",
        "lets_nobody_pass",
        "mark",
        "preparation",
        "state",
        "under_way",
        "why_not_kept",
    )

    def __init__(self, cause: Cause, state: TurnState) -> None:
        self.cause = cause
        self.state = state
        self.mark = "", "", ""
        self.forgives = False
        self.preparation: Preparation | None = None
        self.under_way = 0
        """Pieces of local work."""
        self.keeping = 0
        """Those of them that bring something to the payload store."""
        self.has_kept = False
        """They are done, and nothing was done with the turn since."""
        self.why_not_kept: str | None = None
        self._outcomes: list[Command] = []
        self.is_overdue = False
        self.lets_nobody_pass = False
        """The next question has to be prepared itself, and one turn is open at a time."""

    def to(self, state: TurnState) -> None:
        """Raises RuntimeError, and changes nothing, for what may not follow."""
        if state not in NEXT[self.state]:
            raise RuntimeError(f"a turn that is {self.state.name} cannot become {state.name}")
        self.state = state

    def worked(self, outcome: Command | PiecesKept) -> None:
        """A piece of local work has come to this."""
        self.under_way -= 1
        if not isinstance(outcome, PiecesKept):
            self._outcomes.append(outcome)
            return
        self.keeping -= 1
        self.has_kept = True
        self.why_not_kept = self.why_not_kept or outcome.why_not

    def take_outcomes(self) -> Sequence[Command]:
        """In the order in which they came."""
        outcomes, self._outcomes = self._outcomes, []
        self.has_kept = False
        return outcomes

    @property
    def can_go_on(self) -> bool:
        """What it waits for is there, or is not waited for any more."""
        if self.state is TurnState.PREPARING:
            return self.preparation is not None
        if self.keeping:  # whatever else there is, nothing is sealed before
            return False
        if self.has_kept and (self.why_not_kept is not None or not self.under_way):
            return True
        return bool(self._outcomes) or self.is_overdue

    def can_take(self, mail: Sequence[Cause]) -> bool:
        """It can go on, or what comes behind its cause, which is the front, may be answered meanwhile."""
        return self.can_go_on or (len(mail) > 1 and self.lets_pass(mail[1]))

    def lets_pass(self, other: Cause) -> bool:
        """It may be answered before the turn is sealed. A query sees what its sender has sent before, which may
        be what the turn is about; of descriptions that is not promised, and people look at what hangs."""
        if self.lets_nobody_pass:
            return False
        if isinstance(other.command, Query):
            return not isinstance(self.cause.command, ClientCommand | Start)
        return isinstance(other.command, Describe)
