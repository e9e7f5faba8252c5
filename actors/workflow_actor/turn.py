"""One activation in the making: the events so far, and the state that they lead to."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError, LiveProgram
from dalsegno.actors.workflow_actor.run.apply import apply, opened
from dalsegno.actors.workflow_actor.run.decide import code_stuck
from dalsegno.actors.workflow_actor.run.events import Event, Record, SignSet
from dalsegno.actors.workflow_actor.run.interpret import interpret
from dalsegno.actors.workflow_actor.run.state import WorkflowState

STEPS_MAX = 200
"""Inputs that one activation runs. A long backlog of code that was suspended is worked off in several."""


class Moment(Struct, frozen=True):
    """What the shell gives to an activation: its time, random bytes, and whether its cause is a message that
    stays until the effects are confirmed."""

    time: int
    entropy: bytes
    held: bool


class Turn:
    """`before` is the state that it began with; nothing of the instance changes until it is finished."""

    __slots__ = ("_steps", "before", "events", "forgets", "moment", "probes", "signed", "state")

    def __init__(self, state: WorkflowState, moment: Moment, forgets: tuple[EffectID, ...]) -> None:
        self.before = state
        self.moment = moment
        self.forgets = forgets
        self.state = opened(state, time=moment.time, held=moment.held, forgets=forgets)
        self.events: list[Event] = []
        self.probes: list[Probe] = []
        self.signed = False
        self._steps = 0

    def record(self, *events: Event) -> None:
        self.state = apply(self.state, *events)
        self.events.extend(events)

    def work_off(self, live: LiveProgram, *, fingerprint: str, python: str) -> None:
        """Run user code with what it has not run yet, one input until idle before the next. What it wanted in
        a step that went wrong is lost; the input stays. So does what is too much for one activation."""
        while self.state.has_backlog and self._steps < STEPS_MAX:
            self._steps += 1
            try:
                intents = live.step(self.state)
            except CodeStuckError as stuck:
                now = self.moment.time
                event = code_stuck(self.state, stuck.kind, stuck.reason, now=now, fingerprint=fingerprint)
                self.record(event)
                return
            ran, *closed = interpret(intents, entropy=self.moment.entropy, python=python)
            self.record(ran, *closed)
            if SignSet in map(type, ran.wants):
                self.signed = True
                live.signed()

    def to_record(self) -> Record:
        state = self.state
        return Record(state.sequence, state.time, state.held, self.forgets, tuple(self.events))
