"""Outstanding effects while an event is applied: what is added gets its ID here, the sequence of the
activation and the index within it, so that whoever reads the journal again gives the same."""

from __future__ import annotations

from collections.abc import Iterable

from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.run.state import EffectDue, Outstanding, WorkflowState


class Sending:
    """A working copy of a state's outstanding effects."""

    __slots__ = ("_held", "_sequence", "_time", "made", "outstanding")

    def __init__(self, state: WorkflowState) -> None:
        self.outstanding = dict(state.outstanding)
        self.made = state.effects_made
        self._sequence = state.sequence
        self._held = state.held
        self._time = state.time

    def send(self, due: EffectDue) -> EffectID:
        effect = (self._sequence, self.made)
        self.outstanding[effect] = Outstanding(due, self._held, self._time)
        self.made += 1
        return effect

    def drop(self, effects: Iterable[EffectID]) -> None:
        """They need not be sent any more; those that are outstanding no longer are passed over."""
        for effect in effects:
            self.outstanding.pop(effect, None)
