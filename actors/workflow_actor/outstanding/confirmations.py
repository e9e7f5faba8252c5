"""Which outstanding effects this process has seen confirmed. That is memory until an activation records it:
a confirm alone causes no write, and whoever loads the instance anew takes all of them as unconfirmed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from dalsegno.actors.workflow_actor.interface.effects import DurableEffect, EffectID
from dalsegno.actors.workflow_actor.interface.steps import PORTION, Steps
from dalsegno.actors.workflow_actor.outstanding.by_time import Key, Note
from dalsegno.actors.workflow_actor.outstanding.outstanding import effect_of
from dalsegno.actors.workflow_actor.outstanding.unheld import LETS_GO, EarlierEffects, IsSent, Unheld
from dalsegno.actors.workflow_actor.run.events import EffectsDropped, Event
from dalsegno.actors.workflow_actor.run.state import Outstanding, WorkflowState


class Confirmations:
    """`seen` are confirmed, and outstanding all the same, as the state has it; `unheld` those that no message
    holds, confirmed or not.

    `quiet` are those that a message held when the instance was loaded, as long as none came again for them and
    they are not known to be on their way still.
    """

    __slots__ = ("_earlier", "_quiet", "has_told_again", "seen", "unheld")

    def __init__(self) -> None:
        self.seen: set[Key] = set()
        self._earlier = EarlierEffects()
        self.unheld = Unheld(self._earlier)
        self._quiet: frozenset[Key] = frozenset()
        self.has_told_again = False
        """Other workflows were sent again what they were sent before, since the last activation that was
        recorded."""

    def loading(self, state: WorkflowState) -> Steps[None]:
        """In steps. `state` must not go on meanwhile."""
        self.seen.clear()
        self.has_told_again = False
        quiet: list[Key] = []
        unheld: list[Note] = []
        for number, (key, entry) in enumerate(self._all(state), 1):
            if entry.held:
                quiet.append(key)
            else:
                unheld.append((entry.resend_at, key))
            if number % PORTION == 0:
                yield
        self._quiet = frozenset(quiet)
        self.unheld.reset(unheld)

    @property
    def quiet(self) -> Set[Key]:
        """See above."""
        return self._quiet

    def still_sent(self, sent: Set[Key]) -> None:
        """This process sends those: the instance was put away meanwhile, or its actor has crashed."""
        self._quiet -= sent

    def confirm(self, state: WorkflowState, run_id: str, effect: EffectID) -> None:
        if run_id == state.info.run_id:
            is_known = effect in state.outstanding
        else:
            is_known = (run_id, effect) in self._earlier.of(state)
        if is_known:
            self.seen.add((run_id, effect))

    def to_forget(self, state: WorkflowState) -> tuple[EffectID, ...]:
        """What the next recorded activation forgets of the current run's effects."""
        if not self.seen:
            return ()
        run_id = state.info.run_id
        return tuple(sorted([effect for run, effect in self.seen if run == run_id]))

    def to_drop(self, state: WorkflowState) -> list[EffectsDropped]:
        """The same for earlier runs."""
        if not state.earlier or not self.seen:
            return []
        dropped: dict[str, list[EffectID]] = {}
        for run_id, effect in self._earlier.of(state):
            if (run_id, effect) in self.seen:
                dropped.setdefault(run_id, []).append(effect)
        return [EffectsDropped(run_id, tuple(effects)) for run_id, effects in dropped.items()]

    def recorded(self, state: WorkflowState, events: Iterable[Event]) -> None:
        """By these events, `state` has forgotten what was confirmed, and may have got effects."""
        self.seen.clear()
        self.has_told_again = False
        if not state.held or not LETS_GO.isdisjoint(map(type, events)):
            self.unheld.recorded(state, events)

    @property
    def done(self) -> frozenset[Key]:
        """What the next run need not take over. Its start came through the same queue as the message that
        held an effect: had that one not been removed, it would have come again before, and sent all."""
        return self._quiet | self.seen

    def all_unheld_seen(self, state: WorkflowState) -> bool:
        """There are effects that no message holds, and all of them are confirmed."""
        return self.unheld.are_all_seen(state, self.seen)

    def has_unconfirmed(self, state: WorkflowState) -> bool:
        return len(self.seen) < len(state.outstanding) + len(state.earlier)

    def unconfirmed(self, state: WorkflowState) -> list[tuple[EffectID, DurableEffect]]:
        """All outstanding effects that were not confirmed, in order, those of earlier runs first. They are
        going to be sent again."""
        self._quiet = frozenset()
        again = [
            (key[1], effect_of(state, entry.due, key[0]))
            for key, entry in self._all(state)
            if key not in self.seen
        ]
        self.has_told_again = self.has_told_again or any(effect.to_workflow for _, effect in again)
        return again

    def effect(self, state: WorkflowState, run_id: str, effect: EffectID) -> DurableEffect | None:
        """As it was sent; None if it is not outstanding."""
        is_current = run_id == state.info.run_id
        entry = state.outstanding.get(effect) if is_current else self._earlier.of(state).get((run_id, effect))
        return None if entry is None else effect_of(state, entry.due, run_id)

    def has_unsent(self, state: WorkflowState, is_sent: IsSent, now: int) -> bool:
        """The time of one has come that no message holds, and that is neither confirmed nor on its way."""
        return self.unheld.has_unsent(state, self.seen, is_sent, now=now)

    def unsent(self, state: WorkflowState, is_sent: IsSent, now: int) -> list[tuple[EffectID, DurableEffect]]:
        """All such, in order."""
        earlier = self._earlier.of(state)
        found: list[tuple[EffectID, DurableEffect]] = []
        for key in self.unheld.unsent(state, self.seen, is_sent, now=now):
            entry = state.outstanding[key[1]] if key[0] == state.info.run_id else earlier[key]
            found.append((key[1], effect_of(state, entry.due, key[0])))
        return found

    def _all(self, state: WorkflowState) -> Iterator[tuple[Key, Outstanding]]:
        yield from self._earlier.of(state).items()
        run_id = state.info.run_id
        for effect, entry in state.outstanding.items():
            yield (run_id, effect), entry
