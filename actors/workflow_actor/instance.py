"""A workflow instance: the state of its current run, and its live program if that is in memory.

This is where the pure parts meet, in the order of an activation:

    command ──decide──> events ──apply──> state, with a new input in its log
                                            │  user code runs, one input until idle before the next
                  intents ──interpret──> events ──apply──> state
                                            v
            Activation: the journal row, what is visible of the run, a snapshot if due, the effects that leave

It knows no clock, no randomness and no I/O: time and random bytes come with each command. What an activation
changes here is durable only once the shell has committed it; if that fails, the instance is thrown away.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from dalsegno.actors.workflow_actor.activating import activate
from dalsegno.actors.workflow_actor.activities.activity import Phase
from dalsegno.actors.workflow_actor.interface.activation import (
    Activation,
    Probe,
)
from dalsegno.actors.workflow_actor.interface.commands import Command, Query, Start
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect, EffectID
from dalsegno.actors.workflow_actor.interface.program_port import Code
from dalsegno.actors.workflow_actor.outstanding.waiting_tasks import WaitingTask, waiting_tasks
from dalsegno.actors.workflow_actor.run.decide import decide_start
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.shown.describe import describe
from dalsegno.actors.workflow_actor.shown.questions import needs_code
from dalsegno.actors.workflow_actor.stand_in import KnownRun, stand_in
from dalsegno.actors.workflow_actor.stored.codec import CorruptStateError
from dalsegno.actors.workflow_actor.stored.loading import StoredRow, StoredSnapshot
from dalsegno.actors.workflow_actor.turn import Moment
from dalsegno.actors.workflow_actor.workings import Workings
from dalsegno.policies import WorkflowStatus

__all__ = [
    "Activation",
    "CorruptStateError",
    "Instance",
    "Probe",
]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class Instance:
    """One workflow ID. There is no run until a `Start` came, or `load` found one.

    `history_limit`: journal rows of a run that are kept behind its snapshot, for people to read.
    """

    def __init__(
        self, workflow_id: str, code: Code, *, history_limit: int = 10_000, python: str = PYTHON
    ) -> None:
        self.workflow_id = workflow_id
        self.stands_in = False
        """For one that cannot be run: little is known of it."""
        self._knows_wake_at = False
        self._wake_at: int | None = None
        self._workings = Workings(workflow_id, code, history_limit=history_limit, python=python)

    @classmethod
    def load(
        cls,
        workflow_id: str,
        code: Code,
        *,
        snapshot: StoredSnapshot | None,
        journal: Sequence[StoredRow],
        run_id: str,
        history_limit: int = 10_000,
        python: str = PYTHON,
    ) -> Instance:
        """From the newest snapshot and the journal behind it. User code does not run.

        Raises CorruptStateError, which names the row.
        """
        instance = cls(workflow_id, code, history_limit=history_limit, python=python)
        instance._workings.load(run_id, snapshot, journal)
        return instance

    @classmethod
    def standing_in(
        cls, workflow_id: str, code: Code, run: KnownRun, *, reason: str, now: int, retry_at: int
    ) -> Instance:
        """For one that cannot be run: see `stand_in`."""
        instance = cls(workflow_id, code)
        instance.stands_in = True
        instance._workings.stand_in(
            stand_in(
                workflow_id,
                run,
                reason=reason,
                now=now,
                retry_at=retry_at,
                fingerprint=code.fingerprint,
                python=PYTHON,
            )
        )
        return instance

    # --- what is so --------------------------------------------------------------------------------------

    @property
    def state(self) -> WorkflowState | None:
        return self._workings.state

    @property
    def run_id(self) -> str | None:
        state = self._workings.state
        return None if state is None else state.info.run_id

    @property
    def sequence(self) -> int:
        state = self._workings.state
        return 0 if state is None else state.sequence

    @property
    def status(self) -> WorkflowStatus | None:
        state = self._workings.state
        return None if state is None else state.status

    @property
    def wake_at(self) -> int | None:
        """When the instance has to be woken: the least of what is due for the run, of the next try of
        suspended code, and of effects that no message holds."""
        if not self._knows_wake_at:  # several ask for it after each activation, and nothing else moves it
            self._wake_at = self._workings.wake_at
            self._knows_wake_at = True
        return self._wake_at

    @property
    def due_at(self) -> int | None:
        """As `wake_at`, but for effects that no message holds."""
        return self._workings.due_at

    @property
    def retry_at(self) -> int | None:
        """When suspended code is tried next; None if it is not. A try that has changed nothing moves it in
        memory alone: who loads the instance anew may try it earlier."""
        return self._workings.retry_at

    def is_opened_by(self, start: Start) -> bool:
        """The start may begin a new run here, and run its code."""
        state = self._workings.state
        if state is None:
            return True
        return state.info.run_id != start.run_id and decide_start(state, start) is None

    @property
    def is_behind(self) -> bool:
        """There is code to run for what was recorded before, if it may run."""
        state = self._workings.state
        return state is not None and (state.suspension is not None or state.has_backlog)

    @property
    def next_input(self) -> str:
        """Which input user code is to run next, in words: no other one of the run is called so. Inputs are
        counted from the last sign, and signs are told apart by their time."""
        state = self.state
        if state is None or not len(state.log):
            return "input 1"
        since = datetime.fromtimestamp(state.log[0].time / 1e6, UTC).isoformat()
        return f"input {state.processed + 1} since {since}"

    @property
    def is_pinned(self) -> bool:
        """Heartbeats are awaited, and they live in memory: putting the instance away would lose them."""
        return self.state is not None and any(
            activity.phase is Phase.STARTED and activity.spec.silence_limit is not None
            for activity in self.state.activities.values()
        )

    @property
    def has_unkept_heartbeats(self) -> bool:
        """There are heartbeat details that the state does not have: `KeepHeartbeats` puts them there."""
        return self.state is not None and self._workings.heartbeats.has_unkept(self.state.activities)

    def describe(self) -> dict[str, Any]:
        """The fields of the wire's Description, but for partition and host. There must be a run."""
        assert self.state is not None, "there is no run to describe"
        workings = self._workings
        return describe(self.state, workings.live.program, workings.heartbeats, wake_at=self.wake_at)

    # --- effects -----------------------------------------------------------------------------------------

    def still_sent(self, is_sent: Callable[[str, EffectID], bool]) -> None:
        """Just loaded: which effects are on their way, so that nothing may be taken to have arrived."""
        self._workings.confirmations.still_sent(is_sent)

    def confirm(self, run_id: str, effect: EffectID) -> None:
        """This process has seen its confirm; the next recorded activation forgets it."""
        state = self._workings.state
        if state is not None:
            self._workings.confirmations.confirm(state, run_id, effect)

    def outstanding(self) -> list[tuple[EffectID, DurableEffect]]:
        """Unconfirmed effects, in order: what a cause that comes again sends. Those of earlier runs come
        first; an ID belongs to the run that its effect names."""
        return [] if self.state is None else self._workings.confirmations.unconfirmed(self.state)

    @property
    def has_outstanding(self) -> bool:
        """Whether `outstanding` would give any. Unlike that, to ask does not mean to send."""
        state = self._workings.state
        return state is not None and self._workings.confirmations.has_unconfirmed(state)

    @property
    def is_under_way(self) -> bool:
        """The run is open, and messages hold all that it let out: there is nothing to settle, and no end."""
        state = self._workings.state
        return state is not None and state.outcome is None and not self._workings.confirmations.unheld

    @property
    def is_over(self) -> bool:
        """The last run has ended, and all that it let out is confirmed."""
        state = self._workings.state
        if state is None or state.outcome is None:
            return False
        return not self._workings.confirmations.has_unconfirmed(state)

    def unheld_due(self, now: int) -> list[tuple[EffectID, DurableEffect]]:
        """Those of them that no message holds and whose time has come: what a wake-up sends."""
        return [] if self.state is None else self._workings.confirmations.unheld_due(self.state, now)

    def waiting_tasks(self) -> list[WaitingTask]:
        """Of attempts that nobody is known to have begun."""
        state = self.state
        return [] if state is None else waiting_tasks(state, self._workings.confirmations)

    @property
    def needs_settle(self) -> bool:
        """All effects that no message holds are confirmed: `Settle` forgets them, and moves `wake_at` on."""
        confirmations = self._workings.confirmations
        return bool(confirmations.unheld) and confirmations.all_unheld_seen

    # --- the live program --------------------------------------------------------------------------------

    @property
    def has_program(self) -> bool:
        """Nothing needs to be rebuilt before the next activation: the program is in memory, or it must not
        run, or it was tried and that activation will say why it could not be."""
        state = self._workings.state
        if state is not None and (suspension := state.suspension) is not None:
            may_run = suspension.retry_at is not None or self._workings.has_other_code(state)
            return not may_run or self._workings.live.is_settled
        return self._workings.live.is_settled

    @property
    def runs_code(self) -> bool:
        """The program is in memory."""
        return self._workings.live.program is not None

    def must_rebuild_for(self, query: Query) -> bool:
        """The query's handler can only be asked once the program is back."""
        return needs_code(self.state, query) and not self._workings.live.is_settled

    def query_handler(self, query: Query) -> str | None:
        """The name of the handler that it is put to; None for the one that takes all names that have none of
        their own. Only the program knows; while that is not in memory, a name is taken to have its own."""
        program = self._workings.live.program
        return query.name if program is None else program.query_handler(query.name)

    def rebuild(self) -> Iterator[None]:
        """Bring the program back from the log, one input between two yields. Activations do it at once if
        this was not done before."""
        if self.state is not None and not self.has_program:
            yield from self._workings.live.rebuild_ahead(self.state)

    def quarantine(self, reason: str) -> None:
        """From now on no code is run here, whatever comes."""
        self._knows_wake_at = False
        self._workings.quarantine(reason)

    def discard_program(self) -> None:
        """Let it go without a trace; it can be rebuilt at any time."""
        self._workings.live.forget()

    # --- activations -------------------------------------------------------------------------------------

    def activate(self, command: Command, *, now: int, entropy: bytes, held: bool) -> list[Activation]:
        """Answer one cause. `entropy` are 32 random bytes; `held`: the cause is a message that stays
        unacknowledged until the effects are confirmed, and not a wake-up.

        There is more than one Activation only for a start: one that takes the place of an open run, or one
        that comes again while effects of several runs are outstanding. Raises nothing that a message or user
        code can bring about.
        """
        workings = self._workings
        self._knows_wake_at = False
        state = workings.state
        time = now if state is None else max(now, state.time)
        workings.heartbeats.tell_time(time)
        try:
            return activate(workings, command, Moment(time, entropy, held))
        except BaseException:
            workings.fall_back()
            raise
