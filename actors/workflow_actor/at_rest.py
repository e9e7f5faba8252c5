"""An instance between two activations: its parts, how it comes to be, and what can be asked of it. `instance`
changes it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Self

from dalsegno.actors.workflow_actor.activities.activity import Phase
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.attributes.declared import DeclaredAttributes
from dalsegno.actors.workflow_actor.code_retries import LONG_AGO, CodeRetries
from dalsegno.actors.workflow_actor.format_needed import format_for
from dalsegno.actors.workflow_actor.interface.commands import Start
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect, EffectID
from dalsegno.actors.workflow_actor.interface.steps import Steps, at_once
from dalsegno.actors.workflow_actor.outstanding.confirmations import Confirmations
from dalsegno.actors.workflow_actor.outstanding.unheld import IsSent
from dalsegno.actors.workflow_actor.outstanding.waiting_tasks import (
    WaitingTask,
    task_queues_of_waiting,
    waiting_tasks,
)
from dalsegno.actors.workflow_actor.program.port import ABSENT, Code
from dalsegno.actors.workflow_actor.program.quarantine import QuarantinedCode
from dalsegno.actors.workflow_actor.program.replay import LiveProgram
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.queries.decisions import needs_code
from dalsegno.actors.workflow_actor.run.agenda import Agenda
from dalsegno.actors.workflow_actor.run.decide import decide_start
from dalsegno.actors.workflow_actor.run.state import Suspension, WorkflowState
from dalsegno.actors.workflow_actor.shown.describe import describe
from dalsegno.actors.workflow_actor.stand_in import KnownRun, stand_in
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.actors.workflow_actor.stored.loading import (
    StoredRow,
    StoredSnapshot,
    loading_state,
)
from dalsegno.actors.workflow_actor.stored.snapshots import SnapshotSchedule
from dalsegno.actors.workflow_actor.turn import Unsealed
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import why_unfit

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class InstanceAtRest:
    """The instance of one workflow ID. There is no run until a `Start` came, or one was loaded.

    Only `state` is stored. All other parts are derived from it, or may be lost: the live program, heartbeats,
    what is due when, which effects were seen confirmed, when code that is stuck is tried again, when the next
    snapshot is due. `python` is the minor version that runs user code. `history_limit`: journal rows of a run
    that are kept behind its snapshot, for people to read. `codec` is another one once a newer format may be
    written.
    """

    def __init__(
        self,
        workflow_id: str,
        code: Code,
        *,
        history_limit: int = 10_000,
        python: str = PYTHON,
        codec: StoredCodec = CODEC,
        declared: DeclaredAttributes | None = None,
    ) -> None:
        self.workflow_id = workflow_id
        self.stands_in = False
        """For one that cannot be run: little is known of it."""
        self.code = code
        self.fingerprint = ABSENT
        """Of the definition of the current run, as this host has it."""
        self.python = python
        self.history_limit = history_limit
        self.codec = codec
        self.declared = declared or DeclaredAttributes()
        """The search attributes of the namespace; the host gives its own."""
        self.looked_up_for: object = None
        """The start for which they were looked up last."""
        self.format_looked_up_for: object = None
        """The command for which the format that may be written was."""
        self.has_listed_deadlines = False
        """Since it was loaded: see `found_by.deadlines`."""
        self.state: WorkflowState | None = None
        self.live = LiveProgram(code, python=python)
        self.heartbeats = Heartbeats()
        self.agenda = Agenda(self.heartbeats)
        self.confirmations = Confirmations()
        self.code_retries = CodeRetries()
        self.snapshots = SnapshotSchedule(history_limit)
        self._knows_wake_at = False
        self._wake_at: int | None = None
        self._pinned_by: tuple[object, bool] = None, False
        self.does_local_work = False
        """There is somebody to do it. Else it is left to what its room does about what was not done."""
        self.keeps_pieces = False
        """There is somebody who brings what code makes for the payload store there."""
        self.unsealed: Unsealed | None = None
        """The turn that waits for local work, if one does."""

    # --- how it comes to be --------------------------------------------------------------------------------

    @classmethod
    def load(cls, workflow_id: str, code: Code, **stored: Any) -> Self:
        """As `loading`, at once."""
        return at_once(cls.loading(workflow_id, code, **stored))

    @classmethod
    def loading(
        cls,
        workflow_id: str,
        code: Code,
        *,
        snapshot: StoredSnapshot | None,
        journal: Sequence[StoredRow],
        run_id: str,
        history_limit: int = 10_000,
        python: str = PYTHON,
        codec: StoredCodec = CODEC,
    ) -> Steps[Self]:
        """From the newest snapshot and the journal behind it, in steps. User code does not run.

        Raises CorruptStateError or NewerStateError, which name the row.
        """
        instance = cls(workflow_id, code, history_limit=history_limit, python=python, codec=codec)
        state = yield from loading_state(workflow_id, run_id, snapshot, journal, codec)
        yield from instance._standing_at(state)
        size = 0 if snapshot is None else len(snapshot[3])
        instance.snapshots = SnapshotSchedule(history_limit, size=size)
        for _, _, _, events in journal:
            instance.snapshots.row_written(len(events))
        return instance

    @classmethod
    def standing_in(
        cls,
        workflow_id: str,
        code: Code,
        run: KnownRun,
        *,
        reason: str,
        now: int,
        retry_at: int,
        codec: StoredCodec = CODEC,
    ) -> Self:
        """For one that cannot be run: see `stand_in`."""
        instance = cls(workflow_id, code, codec=codec)
        instance.stands_in = True
        known = stand_in(
            workflow_id,
            run,
            reason=reason,
            now=now,
            retry_at=retry_at,
            fingerprint=code.fingerprint(run.task_queue, run.workflow_type),
            python=PYTHON,
        )
        at_once(instance._standing_at(known))
        return instance

    def _standing_at(self, state: WorkflowState) -> Steps[None]:
        self.state = state
        self.fingerprint = self.code.fingerprint(state.info.task_queue, state.info.workflow_type)
        yield from self.agenda.resetting(state)
        yield from self.confirmations.loading(state)

    def stands_as_before(self) -> None:
        """A turn was dropped. What is due when has gone on with it, the state has not."""
        self.agenda.reset(self.state)
        self._knows_wake_at = False

    # --- what is so --------------------------------------------------------------------------------------

    @property
    def run_id(self) -> str | None:
        return None if self.state is None else self.state.info.run_id

    @property
    def sequence(self) -> int:
        return 0 if self.state is None else self.state.sequence

    @property
    def status(self) -> WorkflowStatus | None:
        return None if self.state is None else self.state.status

    def is_opened_by(self, start: Start) -> bool:
        """The start may begin a new run here, and run its code."""
        state = self.state
        return state is None or (
            not state.info.is_begun_by(start.run_id) and decide_start(state, start) is None
        )

    @property
    def is_of_other_code(self) -> bool:
        """The definition of its run is not the one any more that it was made with."""
        state = self.state
        if state is None:
            return False
        info = state.info
        return self.fingerprint != self.code.fingerprint(info.task_queue, info.workflow_type)

    @property
    def is_pinned(self) -> bool:
        """Heartbeats are awaited, and they live in memory: putting the instance away would lose them."""
        activities = None if self.state is None else self.state.activities
        if activities is not self._pinned_by[0]:  # it is asked again and again while nothing happens
            pinned = activities is not None and any(
                activity.phase is Phase.STARTED and activity.spec.silence_limit is not None
                for activity in activities.values()
            )
            self._pinned_by = activities, pinned
        return self._pinned_by[1]

    @property
    def has_unkept_heartbeats(self) -> bool:
        """There are heartbeat details that the state does not have: `KeepHeartbeats` puts them there."""
        return self.state is not None and self.heartbeats.has_unkept(self.state.activities)

    def describe(self) -> dict[str, Any]:
        """The fields of the wire's Description, but for partition and host. There must be a run."""
        assert self.state is not None, "there is no run to describe"
        return describe(self.state, self.live.program, self.heartbeats, wake_at=self.wake_at)

    # --- when it is to be woken --------------------------------------------------------------------------

    @property
    def wake_at(self) -> int | None:
        """The least of what is due for the run, of the next try of suspended code, and of effects that no
        message holds."""
        if not self._knows_wake_at:  # several ask for it after each activation, and nothing else moves it
            state, at = self.state, self.due_at
            if state is not None and self.confirmations.unheld.notes.times:
                times = at, self.confirmations.unheld.next_at(state)
                at = min((time for time in times if time is not None), default=None)
            self._wake_at = at
            self._knows_wake_at = True
        return self._wake_at

    @property
    def due_at(self) -> int | None:
        """As `wake_at`, but for effects that no message holds."""
        state = self.state
        if state is None:
            return None
        times = [state.time] if state.has_backlog else []
        if state.outcome is None and (next_at := self.agenda.next_at(state)) is not None:
            times.append(next_at)
        if (suspension := state.suspension) is not None:
            retry_at = state.time if self._is_worth_a_try(suspension) else self.code_retries.next_at(suspension)
            if retry_at is not None:
                times.append(retry_at)
        return min(times, default=None)

    @property
    def retry_at(self) -> int | None:
        """When suspended code is tried next; None if it is not."""
        suspension = None if self.state is None else self.state.suspension
        return None if suspension is None else self.code_retries.next_at(suspension)

    def _is_worth_a_try(self, suspension: Suspension, *, now: int = LONG_AGO) -> bool:
        return self.code_retries.is_due(suspension, now=now, fingerprint=self.fingerprint)

    # --- effects -----------------------------------------------------------------------------------------

    def confirm(self, run_id: str, effect: EffectID) -> None:
        """This process has seen its confirm; the next recorded activation forgets it."""
        if self.state is not None:
            self.confirmations.confirm(self.state, run_id, effect)

    def outstanding(self) -> list[tuple[EffectID, DurableEffect]]:
        """Unconfirmed effects, in order: what a cause that comes again sends. Those of earlier runs come
        first; an ID belongs to the run that its effect names."""
        return [] if self.state is None else self.confirmations.unconfirmed(self.state)

    def effect(self, run_id: str, effect: EffectID) -> DurableEffect | None:
        """None if it is not outstanding."""
        return None if self.state is None else self.confirmations.effect(self.state, run_id, effect)

    def has_unsent(self, is_sent: IsSent, now: int) -> bool:
        """The time of an effect has come that no message holds, and that is neither confirmed nor on its way:
        a wake-up sends it. What `is_sent` once is so until its confirm."""
        return self.state is not None and self.confirmations.has_unsent(self.state, is_sent, now)

    def unsent(self, is_sent: IsSent, now: int) -> list[tuple[EffectID, DurableEffect]]:
        """All such, in order."""
        return [] if self.state is None else self.confirmations.unsent(self.state, is_sent, now)

    def waiting_tasks(self) -> list[WaitingTask]:
        """Of attempts that nobody is known to have begun."""
        return [] if self.state is None else waiting_tasks(self.state, self.confirmations)

    def waited_for_in(self) -> Steps[Collection[str]]:
        """The task queues of those, in steps: nothing must be done meanwhile."""
        if self.state is None:
            return ()
        task_queues = yield from task_queues_of_waiting(self.state)
        return task_queues

    @property
    def is_under_way(self) -> bool:
        """The run is open, and messages hold all that it let out: there is nothing to settle, and no end."""
        state = self.state
        if state is None or state.outcome is not None:
            return False
        unheld = self.confirmations.unheld
        return not unheld.notes.times or unheld.next_at(state) is None

    @property
    def needs_settle(self) -> bool:
        """There are effects that no message holds, and all are confirmed: `Settle` forgets them. So it does
        when a run that is over has told another workflow once more what that was told before: that one, if it
        is over, too, does the same, and they would tell each other for ever."""
        if self.state is None:
            return False
        return self.confirmations.all_unheld_seen(self.state) or (
            self.confirmations.has_told_again and self.is_over
        )

    @property
    def is_over(self) -> bool:
        """The last run has ended, and all that it let out is confirmed."""
        state = self.state
        return state is not None and state.is_closed and not self.confirmations.has_unconfirmed(state)

    # --- the live program --------------------------------------------------------------------------------

    @property
    def has_program(self) -> bool:
        """Nothing needs to be rebuilt before the next activation: the program is in memory, or it must not
        run, or it was tried and that activation will say why it could not be."""
        state = self.state
        if state is not None and (suspension := state.suspension) is not None:
            may_run = suspension.retry_at is not None or self._is_worth_a_try(suspension)
            return not may_run or self.live.is_settled
        return self.live.is_settled

    def must_rebuild_for(self, query: Query) -> bool:
        """The query's handler can only be asked once the program is back."""
        return needs_code(self.state, query) and not self.live.is_settled

    def rebuild(self) -> Iterator[None]:
        """Bring the program back from the log, one input between two yields. Activations do it at once if
        this was not done before."""
        if self.state is not None and not self.has_program:
            yield from self.live.rebuild_ahead(self.state)

    def quarantine(self, reason: str) -> None:
        """From now on no code is run here, whatever comes."""
        self._knows_wake_at = False
        self.live.forget()
        self.code = QuarantinedCode(self.code, reason)
        self.live = LiveProgram(self.code, python=self.python)

    def should_look_up(self, start: Start) -> bool:
        """It would begin a run with search attributes that do not fit what this host has heard of."""
        if self.looked_up_for is start or not self.is_opened_by(start):
            return False
        return why_unfit(start.search_attributes, self.declared.now) is not None

    def lacks_format_for(self, command: object) -> bool:
        """It takes a newer format than may be written, as far as this host has heard."""
        return self.format_looked_up_for is not command and format_for(command) > self.codec.writes
