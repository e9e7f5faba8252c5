"""Which outstanding effects this process has seen confirmed. That is memory until an activation records it:
a confirm alone causes no write, and whoever loads the instance anew takes all of them as unconfirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dalsegno.actors.workflow_actor.interface.effects import DurableEffect, EffectID
from dalsegno.actors.workflow_actor.outstanding.outstanding import effect_of
from dalsegno.actors.workflow_actor.run.events import EffectsDropped
from dalsegno.actors.workflow_actor.run.state import Outstanding, WorkflowState

Key = tuple[str, EffectID]
"""(run ID, effect): effects of earlier runs may be outstanding, too."""


class Confirmations:
    """`unheld` are the outstanding effects that no message holds, confirmed or not.

    `quiet` are those that a message held when the instance was loaded, as long as none came again for them and
    they are not known to be on their way still.
    """

    __slots__ = ("_quiet", "seen", "unheld")

    def __init__(self) -> None:
        self.seen: set[Key] = set()
        self.unheld: frozenset[Key] = frozenset()
        self._quiet: frozenset[Key] = frozenset()

    def loaded(self, state: WorkflowState) -> None:
        self.recorded(state, changed=True)
        self._quiet = frozenset(key for key, entry in _all(state) if entry.held)

    def still_sent(self, is_sent: Callable[[str, EffectID], bool]) -> None:
        """This process sends some of them: the instance was put away meanwhile, or its actor has crashed."""
        self._quiet = frozenset(key for key in self._quiet if not is_sent(*key))

    def confirm(self, state: WorkflowState, run_id: str, effect: EffectID) -> None:
        if run_id == state.info.run_id:
            is_known = effect in state.outstanding
        else:
            is_known = any(key == (run_id, effect) for key, _ in _earlier(state))
        if is_known:
            self.seen.add((run_id, effect))

    def to_forget(self, state: WorkflowState) -> tuple[EffectID, ...]:
        """What the next recorded activation forgets of the current run's effects."""
        if not self.seen:
            return ()
        run_id = state.info.run_id
        seen = [key[1] for key in self.seen if key[0] == run_id and key[1] in state.outstanding]
        return tuple(sorted(seen))

    def to_drop(self, state: WorkflowState) -> list[EffectsDropped]:
        """The same for earlier runs."""
        if not state.earlier:
            return []
        dropped: dict[str, list[EffectID]] = {}
        for (run_id, effect), _ in _earlier(state):
            if (run_id, effect) in self.seen:
                dropped.setdefault(run_id, []).append(effect)
        return [EffectsDropped(run_id, tuple(effects)) for run_id, effects in dropped.items()]

    def recorded(self, state: WorkflowState, *, changed: bool) -> None:
        """`state` has forgotten what was confirmed. `changed`: it may have got effects that nothing holds."""
        self.seen.clear()
        if changed or self.unheld:
            self.unheld = frozenset(key for key, entry in _all(state) if not entry.held)

    @property
    def done(self) -> frozenset[Key]:
        """What the next run need not take over. Its start came through the same queue as the message that
        held an effect: had that one not been removed, it would have come again before, and sent all."""
        return self._quiet | self.seen

    @property
    def all_unheld_seen(self) -> bool:
        """There are unheld effects, and all of them are confirmed."""
        return bool(self.unheld) and self.unheld <= self.seen

    def unheld_at(self, state: WorkflowState) -> int | None:
        """When the first unheld effect is due for sending (again), confirmed or not."""
        if not self.unheld:
            return None
        return min((entry.resend_at for _, entry in _all(state) if not entry.held), default=None)

    def has_unconfirmed(self, state: WorkflowState) -> bool:
        if not state.outstanding and not state.earlier:
            return False
        return any(key not in self.seen for key, _ in _all(state))

    def unconfirmed(self, state: WorkflowState) -> list[tuple[EffectID, DurableEffect]]:
        """All outstanding effects that were not confirmed, in order, those of earlier runs first. They are
        going to be sent again."""
        self._quiet = frozenset()
        return [
            (key[1], effect_of(state, entry.due, key[0])) for key, entry in _all(state) if key not in self.seen
        ]

    def unheld_due(self, state: WorkflowState, now: int) -> list[tuple[EffectID, DurableEffect]]:
        """Unheld and unconfirmed effects whose time has come, in order."""
        if not self.unheld:
            return []
        return [
            (key[1], effect_of(state, entry.due, key[0]))
            for key, entry in _all(state)
            if not entry.held and entry.resend_at <= now and key not in self.seen
        ]


def _earlier(state: WorkflowState) -> Iterator[tuple[Key, Outstanding]]:
    for entry in state.earlier:
        yield (entry.run_id, entry.effect), entry.outstanding


def _all(state: WorkflowState) -> Iterator[tuple[Key, Outstanding]]:
    yield from _earlier(state)
    run_id = state.info.run_id
    for effect, entry in state.outstanding.items():
        yield (run_id, effect), entry
