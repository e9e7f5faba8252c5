"""The parts of an instance that change, and how an activation is begun and finished with them.

The state is what is stored. All else is derived from it or may be lost: the live program, heartbeats, what is
due when, which effects were seen confirmed, when the next snapshot is due.
"""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.interface.program_port import Code
from dalsegno.actors.workflow_actor.outstanding.confirmations import Confirmations
from dalsegno.actors.workflow_actor.outstanding.outstanding import new_effects
from dalsegno.actors.workflow_actor.program.quarantine import QuarantinedCode
from dalsegno.actors.workflow_actor.program.replay import LiveProgram
from dalsegno.actors.workflow_actor.run.agenda import Agenda
from dalsegno.actors.workflow_actor.run.decide import may_retry, next_try_at
from dalsegno.actors.workflow_actor.run.events import EffectsParked, Event, Resumed, RunStarted
from dalsegno.actors.workflow_actor.run.state import Suspension, WorkflowState
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.shown.visible import is_stuck_alike, run_changed, run_opened
from dalsegno.actors.workflow_actor.stored.codec import encode_record
from dalsegno.actors.workflow_actor.stored.loading import StoredRow, StoredSnapshot, load_state
from dalsegno.actors.workflow_actor.stored.snapshots import SnapshotSchedule
from dalsegno.actors.workflow_actor.turn import Moment, Turn

_LET_GO = frozenset((RunStarted, EffectsParked))
"""Events by which there may be effects that no message holds, though a message holds their activation."""


class Workings:
    """`python` is the minor version that runs user code."""

    def __init__(self, workflow_id: str, code: Code, *, history_limit: int, python: str) -> None:
        self.workflow_id = workflow_id
        self.code: Code = code
        self.python = python
        self.state: WorkflowState | None = None
        self.live = LiveProgram(code, python=python)
        self.heartbeats = Heartbeats()
        self.agenda = Agenda(self.heartbeats)
        self.confirmations = Confirmations()
        self._history_limit = history_limit
        self._snapshots = SnapshotSchedule(history_limit)
        self._put_off: tuple[Suspension, int] | None = None
        """Code that was tried again in vain, of which nothing is recorded: since which suspension, and when it
        is tried next."""

    def load(self, run_id: str, snapshot: StoredSnapshot | None, journal: Sequence[StoredRow]) -> None:
        """Raises CorruptStateError."""
        state = load_state(self.workflow_id, run_id, snapshot, journal)
        self.state = state
        self.agenda.reset(state)
        self.confirmations.loaded(state)
        self._snapshots = SnapshotSchedule(
            self._history_limit, size=0 if snapshot is None else len(snapshot[3])
        )
        for _, _, _, events in journal:
            self._snapshots.row_written(len(events))

    def stand_in(self, state: WorkflowState) -> None:
        """Nothing more is known of it."""
        self.state = state
        self.agenda.reset(state)
        self.confirmations.loaded(state)

    def quarantine(self, reason: str) -> None:
        self.live.forget()
        self.code = QuarantinedCode(self.code, reason)
        self.live = LiveProgram(self.code, python=self.python)

    def fall_back(self) -> None:
        """An activation broke off: the program and the agenda have gone on, the state has not."""
        self.live.forget()
        self.agenda.reset(self.state)

    def has_other_code(self, state: WorkflowState) -> bool:
        """Code is suspended that is worth another try at once."""
        return self._may_retry(state, now=-1)

    @property
    def retry_at(self) -> int | None:
        """See Instance."""
        suspension = None if self.state is None else self.state.suspension
        return None if suspension is None else self._retry_at(suspension)

    def _may_retry(self, state: WorkflowState, *, now: int) -> bool:
        suspension = state.suspension
        retry_at = None if suspension is None else self._retry_at(suspension)
        return may_retry(suspension, retry_at=retry_at, now=now, fingerprint=self.code.fingerprint)

    def _retry_at(self, suspension: Suspension) -> int | None:
        put_off = self._put_off
        return put_off[1] if put_off is not None and put_off[0] == suspension else suspension.retry_at

    @property
    def wake_at(self) -> int | None:
        """See Instance."""
        state = self.state
        if state is None:
            return None
        due_at, unheld_at = self.due_at, self.confirmations.unheld_at(state)
        if due_at is None or unheld_at is None:
            return unheld_at if due_at is None else due_at
        return min(due_at, unheld_at)

    @property
    def due_at(self) -> int | None:
        """See Instance."""
        state = self.state
        if state is None:
            return None
        times: list[int] = []
        if state.has_backlog:
            times.append(state.time)
        if state.outcome is None and (next_at := self.agenda.next_at(state)) is not None:
            times.append(next_at)
        if (suspension := state.suspension) is not None:
            retry_at = state.time if self.has_other_code(state) else self._retry_at(suspension)
            if retry_at is not None:
                times.append(retry_at)
        return min(times, default=None)

    # --- the parts of an activation, in order --------------------------------------------------------------

    def begun(self, state: WorkflowState, moment: Moment) -> Turn:
        turn = Turn(state, moment, self.confirmations.to_forget(state))
        if state.earlier:
            turn.record(*self.confirmations.to_drop(state))
        return turn

    def begun_anew(self, blank: WorkflowState, moment: Moment, event: RunStarted) -> Turn:
        """The first turn of a run. Nothing of the last one is needed any more."""
        self.live.forget()
        self.heartbeats.forget_all()
        self._snapshots = SnapshotSchedule(self._history_limit)
        turn = Turn(blank, moment, ())
        turn.record(event)
        return turn

    def try_again(self, turn: Turn) -> None:
        """Resume suspended code, if it is worth another try."""
        state = turn.state
        if state.suspension is not None and self._may_retry(state, now=turn.moment.time):
            turn.record(Resumed())

    def work_off(self, turn: Turn) -> None:
        """Run user code with what it has not run yet, if it may run."""
        turn.work_off(self.live, fingerprint=self.code.fingerprint, python=self.python)

    def put_off(self, turn: Turn) -> Activation:
        """It was tried in vain. Nothing has changed, so there is nothing to record but when it is tried next,
        which goes with the row when the instance is put away."""
        suspension = turn.before.suspension
        assert suspension is not None
        self._put_off = suspension, next_try_at(turn.before, now=turn.moment.time)
        return self.unrecorded(None, NOTHING, turn.moment)

    def finished(
        self, turn: Turn, command: Command | None = None, transient: tuple[Effect, ...] = ()
    ) -> Activation:
        """The turn becomes the state. `command` is answered if it asks for it."""
        events = encode_record(turn.to_record())
        state, started = turn.state, turn.before.sequence == 0
        self.state = state
        self._keep_up(turn, started=started)
        self._snapshots.row_written(len(events))
        transient = (*answers.to_command(command, self.workflow_id, state, None), *transient)
        effects: list[tuple[EffectID | None, Effect]] = [*new_effects(state)]
        if transient:
            effects[:0] = [(None, effect) for effect in transient]
        changed = run_changed(turn.before, state, started=started)
        return Activation(
            run_id=state.info.run_id,
            sequence=state.sequence,
            recorded=True,
            time=state.time,
            events=events,
            effects=tuple(effects),
            opened=run_opened(state) if started else None,
            changed=changed,
            is_news=changed is not None and not is_stuck_alike(turn.before.suspension, state.suspension),
            snapshot=self._snapshots.snapshot_if_due(state, signed=turn.signed),
            probes=tuple(turn.probes),
        )

    def _keep_up(self, turn: Turn, *, started: bool) -> None:
        """What is derived follows the state."""
        state = turn.state
        if started:
            self.agenda.reset(state)
        else:
            self.agenda.note(state, turn.events)
        unheld = not turn.moment.held or not _LET_GO.isdisjoint(map(type, turn.events))
        self.confirmations.recorded(state, changed=unheld)
        if state.outcome is not None:
            self.live.forget()

    def unrecorded(self, command: Command | None, decision: Decision[Event], moment: Moment) -> Activation:
        """Nothing is to be written."""
        state = self.state
        answer = answers.to_command(command, self.workflow_id, state, decision.refusal)
        return Activation(
            run_id=None if state is None else state.info.run_id,
            sequence=0 if state is None else state.sequence,
            recorded=False,
            time=moment.time,
            effects=tuple((None, effect) for effect in (*answer, *decision.effects)),
            probes=decision.probes,
            stale=decision.stale,
        )
