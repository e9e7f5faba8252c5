"""Outstanding effects that no message holds, so that the instance itself must see to them.

They are derived from the state, and kept beside it so that ten thousand of them don't cost ten thousand looks
with each activation: what is noted may be out of date, and is left out when it is come across; none is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.outstanding.by_time import Key, Note, NotesByTime
from dalsegno.actors.workflow_actor.run.events import EffectsParked, Event, RunStarted
from dalsegno.actors.workflow_actor.run.state import Outstanding, WorkflowState

SLACK = 64
"""Notes that may be out of date before all is noted anew."""

LETS_GO = frozenset((RunStarted, EffectsParked))
"""Events by which there may be such effects, though a message holds their activation."""

IsSent = Callable[[str, EffectID], bool]
"""Whether that effect is on its way, and so will be until its confirm."""


class EarlierEffects:
    """The outstanding effects of earlier runs, by their keys."""

    __slots__ = ("_by_key", "_of")

    def __init__(self) -> None:
        self._of: object = None
        self._by_key: dict[Key, Outstanding] = {}

    def of(self, state: WorkflowState) -> dict[Key, Outstanding]:
        """In order."""
        if state.earlier is not self._of:
            self._of = state.earlier
            self._by_key = {(entry.run_id, entry.effect): entry.outstanding for entry in state.earlier}
        return self._by_key


class Unheld:
    """See the module. What is asked of it is about `state`, which it has been told of."""

    __slots__ = ("_earlier", "_unseen", "_unsent", "notes")

    def __init__(self, earlier: EarlierEffects) -> None:
        self._earlier = earlier
        self.notes = NotesByTime()
        """None, if there is no such effect, as nearly always."""
        self._unsent = NotesByTime()
        """Those that are not known to be on their way."""
        self._unseen: list[Key] = []
        """Those that are not known to be confirmed."""

    def reset(self, notes: list[Note]) -> None:
        """These are all that there are of a state, and nothing is known of them."""
        self.notes, self._unsent = NotesByTime(), NotesByTime()
        if notes:
            self.notes.extended(notes)
            self._unsent.extended(notes)
        self._unseen = [key for _, key in notes]

    def recorded(self, state: WorkflowState, events: Iterable[Event]) -> None:
        """These events of one activation have led to `state`."""
        run_id = state.info.run_id
        if not state.held:
            for index in range(state.effects_made):
                self._add(state.time, (run_id, (state.sequence, index)))
        for event in events:
            if type(event) is EffectsParked:
                for effect in event.effects:
                    self._add(event.resend_at, (event.run_id, effect))
            elif type(event) is RunStarted:
                for entry in event.earlier:
                    self._add(entry.outstanding.resend_at, (entry.run_id, entry.effect))
        room = SLACK + 2 * (len(state.outstanding) + len(state.earlier))
        if max(self.notes.count, self._unsent.count, len(self._unseen)) > room:
            self._tidy(state)

    def _tidy(self, state: WorkflowState) -> None:
        """Forget what is out of date, or noted twice, wherever it stands."""
        true = dict.fromkeys(note for note in self.notes if self._is_true(state, note))
        left = {key for _, key in true}
        self.notes = NotesByTime().extended(true)
        left_unsent = dict.fromkeys(note for note in self._unsent if note in true)
        self._unsent = NotesByTime().extended(left_unsent)
        self._unseen = list(dict.fromkeys(key for key in self._unseen if key in left))

    def _add(self, at: int, key: Key) -> None:
        self.notes.add(at, key)
        self._unsent.add(at, key)
        self._unseen.append(key)

    def next_at(self, state: WorkflowState) -> int | None:
        """When the first of them is due for sending (again), confirmed or not; None if there is none."""
        notes = self.notes
        while (note := notes.first() if notes.times else None) is not None:
            if self._is_true(state, note):
                return note[0]
            notes.drop_first()
        return None

    def are_all_seen(self, state: WorkflowState, seen: Set[Key]) -> bool:
        """There are some, and all of them are confirmed."""
        unseen = self._unseen
        while unseen and (unseen[-1] in seen or self._at(state, unseen[-1]) is None):
            unseen.pop()
        return not unseen and self.next_at(state) is not None

    def has_unsent(self, state: WorkflowState, seen: Set[Key], is_sent: IsSent, *, now: int) -> bool:
        """The time of one has come that is neither confirmed nor on its way."""
        notes = self._unsent
        while notes.times and notes.times[0] <= now and (note := notes.first()) is not None:
            if self._is_true(state, note) and note[1] not in seen and not is_sent(*note[1]):
                return True
            notes.drop_first()
        return False

    def unsent(self, state: WorkflowState, seen: Set[Key], is_sent: IsSent, *, now: int) -> list[Key]:
        """All such, in order."""
        found: set[Key] = set()
        while self.has_unsent(state, seen, is_sent, now=now):
            note = self._unsent.first()
            assert note is not None
            found.add(note[1])
            self._unsent.drop_first()
        run_id = state.info.run_id
        current = sorted(key for key in found if key[0] == run_id)
        earlier = [key for key in self._earlier.of(state) if key in found] if len(current) < len(found) else []
        for key in (*earlier, *current):  # they are not known to be on their way before that is seen
            at = self._at(state, key)
            assert at is not None
            self._unsent.add(at, key)
        return [*earlier, *current]

    def _is_true(self, state: WorkflowState, note: Note) -> bool:
        return self._at(state, note[1]) == note[0]

    def _at(self, state: WorkflowState, key: Key) -> int | None:
        if key[0] == state.info.run_id:
            entry = state.outstanding.get(key[1])
        else:
            entry = self._earlier.of(state).get(key)
        return None if entry is None or entry.held else entry.resend_at
