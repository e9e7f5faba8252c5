"""What one activation collects: its events so far, and the state that they lead to."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.interface.waiting import KeepPieces, LocalWork
from dalsegno.actors.workflow_actor.program.replay import LiveProgram
from dalsegno.actors.workflow_actor.run.apply import apply, opened
from dalsegno.actors.workflow_actor.run.events import Event, Record
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.stored_payloads import Pieces

STEPS_MAX = 200
"""Inputs that one activation runs. A long backlog of code that was suspended is worked off in several."""


class Moment(Struct, frozen=True):
    """What the shell gives to an activation: its time, random bytes, and whether its cause is a message that
    stays until the effects are confirmed. `hindrance`: why user code cannot be run now, for people."""

    time: int
    entropy: bytes
    held: bool
    hindrance: str | None = None


class Turn:
    """One activation before it is sealed: until then nothing of the instance has changed. `before` is the state
    that it began with. `forgets`: effects whose confirms were seen. `signed`: user code has set a sign.
    `steps`: inputs that were run, and what counts as such. `works`: local work that user code has wanted, and
    nobody has begun; `later`: what is to be begun when the turn is over. `has_worked`: there was some.
    `pieces`: what user code has made for the payload store, and is not there. `wish`: user code has asked for
    another run, as which this one goes on.
    """

    __slots__ = (
        "before",
        "events",
        "forgets",
        "has_worked",
        "later",
        "moment",
        "pieces",
        "probes",
        "signed",
        "state",
        "steps",
        "wish",
        "works",
    )

    def __init__(self, state: WorkflowState, moment: Moment, forgets: tuple[EffectID, ...]) -> None:
        self.before = state
        self.moment = moment
        self.forgets = forgets
        self.state = opened(state, time=moment.time, held=moment.held, forgets=forgets)
        self.events: list[Event] = []
        self.probes: list[Probe] = []
        self.signed = False
        self.steps = 0
        self.works: list[LocalWork] = []
        self.pieces: Pieces = {}
        self.wish: ContinueAsNew | None = None
        self.later: list[LocalWork] = []
        self.has_worked = False

    @property
    def may_wait(self) -> bool:
        """Of a run that has ended or is stuck, nothing waits; nor does what has a bound otherwise."""
        state = self.state
        return not state.is_closed and state.suspension is None and self.steps < STEPS_MAX

    def record(self, *events: Event) -> None:
        self.state = apply(self.state, *events)
        self.events.extend(events)

    def to_record(self) -> Record:
        state = self.state
        return Record(state.sequence, state.time, state.held, self.forgets, tuple(self.events))


class Unsealed(Struct):
    """A turn that has run, and waits for local work: what it takes to go on, and to seal it. The instance is as
    it was before meanwhile. `live` is the program that has gone on, `fingerprint` its definition's; `seen` are
    the effects that were known to be confirmed when the turn began."""

    turn: Turn
    command: Command | None
    transient: tuple[Effect, ...]
    live: LiveProgram
    fingerprint: str
    seen: frozenset[tuple[str, EffectID]]

    def take_works(self) -> list[LocalWork]:
        """To be begun. Where local work may not wait, what is to be kept is not left for later all the same."""
        turn = self.turn
        works: list[LocalWork] = []
        if turn.may_wait:
            works, turn.works = turn.works, []
        if turn.pieces:
            works, turn.pieces = [*works, KeepPieces(turn.pieces)], {}
        return works
