"""A workflow instance: the state of its current run, its live program if that is in memory, and what is derived
from them. This page is the story of an activation:

    decide  what comes of a command: events, or nothing but an answer (`RULES` in `run.decide` shows which
            command leads where; `TAKE`, at the end of this page, which ones take more than that)
    record  the events: they make the next state, with a new input in its log
    run     user code, one input until idle before the next; what it wants becomes events, recorded as well
    wait    for local work that user code has wanted, if there is any, and record and run what comes of it: the
            turn stays open (`open_turn`), and all is as it was before it
    seal    what was collected in the `Turn` becomes the instance's state, and an `Activation`: the journal
            row, what is visible of the run, a snapshot if due, the effects that leave

There is no clock here, no randomness and no I/O: time and random bytes come with each command. What an
activation changes is durable only once the shell has committed it; if that fails, the instance is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dalsegno.actors.workflow_actor import found_by, with_start
from dalsegno.actors.workflow_actor.activities.commands import OutsideHeartbeat
from dalsegno.actors.workflow_actor.admission import AT_THE_DOOR
from dalsegno.actors.workflow_actor.again import asked_from_elsewhere, started_before
from dalsegno.actors.workflow_actor.at_rest import InstanceAtRest
from dalsegno.actors.workflow_actor.code_retries import ABOUT_CODE, is_in_vain
from dalsegno.actors.workflow_actor.incidents.shown import opened
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import (
    Command,
    Describe,
    ReadOnlyCommand,
    Settle,
    Start,
    Suspend,
    WakeUp,
)
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.recipients import recipient_of
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo, RunRetry
from dalsegno.actors.workflow_actor.local_works import at_the_end, works_of
from dalsegno.actors.workflow_actor.outstanding.outstanding import handed_on, new_effects
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError, LiveProgram
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.questions import answer_to, answer_to_heartbeat
from dalsegno.actors.workflow_actor.run.decide import Known, code_stuck, decide, terminated
from dalsegno.actors.workflow_actor.run.events import (
    CallerAdded,
    Event,
    Resumed,
    RunClosed,
    RunStarted,
    SignSet,
)
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.run.interpret import interpret
from dalsegno.actors.workflow_actor.run.primitives import LOCAL, NOT_YET, is_later
from dalsegno.actors.workflow_actor.run.state import EarlierEffect, WorkflowState, blank
from dalsegno.actors.workflow_actor.run.succession import kept_from_code, next_run, succeeded
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.shown.visible import is_stuck_alike, run_changed, run_opened
from dalsegno.actors.workflow_actor.signals.intents import SetSignalAside
from dalsegno.actors.workflow_actor.signals.shown import set_aside
from dalsegno.actors.workflow_actor.stored.format_2 import NUMBER as FORMAT_2
from dalsegno.actors.workflow_actor.stored.format_3 import NUMBER as FORMAT_3
from dalsegno.actors.workflow_actor.stored.snapshots import SnapshotSchedule
from dalsegno.actors.workflow_actor.turn import STEPS_MAX, Moment, Turn, Unsealed
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.wake_up import do_what_is_due

WANTS_OF_A_STEP = 50
"""What user code wants on one input beyond this counts as if there had been another input for each so many."""


class Instance(InstanceAtRest):
    """What there is in memory of one workflow ID, and what commands do to it. What can be asked of it between
    two commands is in `at_rest`."""

    # --- the story of an activation ------------------------------------------------------------------------

    def activate(
        self, command: Command, *, now: int, entropy: bytes, held: bool, hindrance: str | None = None
    ) -> list[Activation]:
        """Answer one cause. `entropy` are 32 random bytes; `held`: the cause is a message that stays
        unacknowledged until the effects are confirmed, and not a wake-up. `hindrance`: why user code cannot be
        run with it now, for people: it is recorded, and the run suspended.

        There is none if the turn stays open: then it is `unsealed`, and `go_on` goes on with it. There is more
        than one where a run ends and the next is opened with it, and for a start that comes again while effects
        of several runs are outstanding. Raises nothing that a message or user code can bring about.
        """
        state, kind = self.state, type(command)
        moment = Moment(now if state is None else max(now, state.time), entropy, held, hindrance)
        self._knows_wake_at = False
        self.heartbeats.tell_time(moment.time)
        try:
            if kind in TAKE:
                return TAKE[kind](self, command, moment)
            decision = decide(state, self.workflow_id, command, self._known(moment))
            return self._carry_out(command, decision, moment)
        except BaseException:
            # The program and the agenda have gone on, the state has not.
            self.live.forget()
            self.agenda.reset(self.state)
            raise

    def _known(self, moment: Moment) -> Known:
        writes = self.codec.writes
        return Known(
            moment.time,
            self.fingerprint,
            self.heartbeats,
            moment.entropy,
            writes >= FORMAT_3,
            writes >= FORMAT_2,
        )

    def _carry_out(self, command: Command, decision: Decision[Event], moment: Moment) -> list[Activation]:
        """Record, run, and seal; or only answer."""
        state = self.state
        if state is None or not decision.events:
            return [self._unrecorded(command, decision, moment)]
        turn = self._begin(state, moment)
        if type(command) not in ABOUT_CODE:
            self._try_again(turn)
        turn.record(*decision.events)
        self._run(turn)
        if isinstance(command, Suspend):
            self.live.forget()
        if turn.works or turn.pieces:
            return self._stay_open(turn, command, decision.effects)
        return self._seal(turn, command, decision.effects)

    def _begin(self, state: WorkflowState, moment: Moment) -> Turn:
        turn = Turn(state, moment, self.confirmations.to_forget(state))
        if state.earlier:
            turn.record(*self.confirmations.to_drop(state))
        return turn

    def _try_again(self, turn: Turn) -> None:
        """Resume suspended code, if it is worth another try."""
        suspension = turn.state.suspension
        if suspension is not None and self._is_worth_a_try(suspension, now=turn.moment.time):
            turn.record(Resumed())

    def _run(self, turn: Turn) -> None:
        """Run user code with what it has not run yet, if it may run. What it wanted in a step that went wrong
        is lost; the input stays. So does what is too much for one activation."""
        live, moment = self.live, turn.moment
        while turn.state.has_backlog and turn.steps < STEPS_MAX:
            turn.steps += 1
            try:
                if moment.hindrance is not None:
                    raise CodeStuckError("corrupt", moment.hindrance)
                intents = live.step(turn.state)
                if self.keeps_pieces:
                    turn.pieces |= live.take_pieces()
                if SetSignalAside in map(type, intents):
                    live.require_room_aside(turn.state, intents, may_be_stored=self.codec.writes >= FORMAT_3)
                if found_by.SETTING in map(type, intents):
                    found_by.require_declared(intents, self)
            except CodeStuckError as stuck:
                now, fingerprint = moment.time, self.fingerprint
                turn.record(code_stuck(turn.state, stuck.kind, stuck.reason, now=now, fingerprint=fingerprint))
                return
            ran, *closed = interpret(intents, entropy=moment.entropy, python=self.python)
            if self.codec.writes < FORMAT_3 and (ContinueAsNew in map(type, intents) or is_later(ran.wants)):
                live.forget()
                turn.record(
                    code_stuck(turn.state, "bug", NOT_YET, now=moment.time, fingerprint=self.fingerprint)
                )
                return
            if closed and (turn.state.info.retry is not None or isinstance(intents[-1], ContinueAsNew)):
                turn.record(ran)
                closed = [self._succeeded(turn, closed[0], intents[-1])]
                turn.record(*closed)
            else:
                turn.record(ran, *closed)
            turn.steps += len(ran.wants) // WANTS_OF_A_STEP
            if SignSet in map(type, ran.wants):
                turn.signed = True
                live.signed()
            if self.does_local_work and not LOCAL.keys().isdisjoint(map(type, ran.wants)):
                turn.works += works_of(ran.wants, turn.state, LOCAL)
                turn.has_worked = True

    def _succeeded(self, turn: Turn, closed: RunClosed, intent: Intent) -> RunClosed:
        """User code has ended the run. Another may follow by itself."""
        if isinstance(intent, ContinueAsNew):
            turn.wish = intent
        return succeeded(turn.state, closed, turn.wish, now=turn.moment.time)

    # --- a turn that stays open ------------------------------------------------------------------------------

    def _stay_open(
        self, turn: Turn, command: Command | None = None, transient: tuple[Effect, ...] = ()
    ) -> list[Activation]:
        """Local work comes first, and what is to be in the payload store. The program goes with the turn: who
        asks meanwhile has another built, of the state before."""
        if not turn.may_wait and not turn.pieces:
            return self._seal(turn, command, transient)
        seen = frozenset(self.confirmations.seen)
        return self._leave_open(Unsealed(turn, command, transient, self.live, self.fingerprint, seen))

    def _leave_open(self, unsealed: Unsealed) -> list[Activation]:
        self.unsealed = unsealed
        self.live = LiveProgram(self.code, python=self.python)
        if self.state is not None:
            info = self.state.info
            self.fingerprint = self.code.fingerprint(info.task_queue, info.workflow_type)
        return []

    def go_on(self, outcomes: Sequence[Command], *, left: int, is_overdue: bool) -> list[Activation]:
        """Go on with the turn that is open: local work has come to these, in this order, and `left` pieces are
        under way. It stays open, and there is no activation, as long as there is such work, unless it
        `is_overdue`: then what was not done comes later, as commands of their own."""
        unsealed = self.unsealed
        assert unsealed is not None, "no turn is open"
        turn, moment = unsealed.turn, unsealed.turn.moment
        self.unsealed = None
        self.live.forget()
        self.live, self.fingerprint = unsealed.live, unsealed.fingerprint
        transient = unsealed.transient
        try:
            for outcome in outcomes:
                decision = decide(turn.state, self.workflow_id, outcome, self._known(moment))
                turn.record(*decision.events)
                transient += decision.effects
                self._run(turn)
            if turn.pieces or ((left or turn.works) and not is_overdue and turn.may_wait):
                unsealed.transient = transient
                return self._leave_open(unsealed)
            late = self.confirmations.seen - unsealed.seen
            self._knows_wake_at = False
            activations = self._seal(turn, unsealed.command, transient)
        except BaseException:
            self.live.forget()
            self.agenda.reset(self.state)
            raise
        for run_id, effect in late:  # sealing has forgotten what was confirmed, as if all had been before
            self.confirm(run_id, effect)
        return activations

    def _seal(
        self, turn: Turn, command: Command | None = None, transient: tuple[Effect, ...] = ()
    ) -> list[Activation]:
        """The turn becomes the state, and what is derived follows. `command` is answered if it asks for it.
        Where the run has ended and another follows by itself, that one is opened with it."""
        if isinstance(command, Update) or (isinstance(command, Start) and command.then is not None):
            turn.record(*with_start.awaiting(turn.state, command))
        state, started = turn.state, turn.before.sequence == 0
        codec = self.codec
        events = codec.encode_record(turn.to_record())
        self.state = state
        if started:
            self.agenda.reset(state)
        else:
            self.agenda.note(state, turn.events)
        self.confirmations.recorded(state, turn.events)
        if state.outcome is not None:
            self.live.forget()
        self.snapshots.row_written(len(events))
        transient = (*answers.to_command(command, self.workflow_id, state), *transient)
        effects: list[tuple[EffectID | None, Effect]] = [*new_effects(state)]
        if transient:
            effects[:0] = [(None, effect) for effect in transient]
        at_once = turn.signed or not codec.not_known_to_all.isdisjoint(map(type, turn.events))
        changed = run_changed(turn.before, state, codec, started=started)
        new_incidents = state.incidents is not turn.before.incidents
        has_set = state.attributes is not turn.before.attributes or (started and state.attributes)
        activation = Activation(
            run_id=state.info.run_id,
            sequence=state.sequence,
            recorded=True,
            time=state.time,
            events=events,
            effects=tuple(effects),
            opened=run_opened(state, codec) if started else None,
            changed=changed,
            attributes=found_by.rows(turn.before, state, started=started) if has_set or new_incidents else (),
            incidents=opened(turn.before, state) if new_incidents else (),
            quarantined=set_aside(turn.before, state) if state.quarantine else (),
            deadlines=found_by.deadlines(self, turn.before, state) if state.deadlines else (),
            is_news=(
                state.suspension is not None
                or (changed is not None and (state.outcome is not None or turn.before.suspension is not None))
            )
            and not is_stuck_alike(turn.before.suspension, state.suspension),
            snapshot=self.snapshots.snapshot_if_due(state, codec, at_once=at_once),
            probes=tuple(turn.probes),
            works=at_the_end(turn) if turn.has_worked or turn.later or turn.before.local_activities else (),
        )
        return [activation] if state.next_run_id is None else [activation, *self._open_next(state, turn)]

    def _unrecorded(self, command: Command | None, decision: Decision[Event], moment: Moment) -> Activation:
        """Nothing is to be written."""
        state = self.state
        answer = answers.to_command(command, self.workflow_id, state, decision)
        return Activation(
            run_id=None if state is None else state.info.run_id,
            sequence=0 if state is None else state.sequence,
            recorded=False,
            time=moment.time,
            effects=tuple((None, effect) for effect in (*answer, *decision.effects)),
            probes=decision.probes,
            stale=decision.stale,
        )

    def refuse(self, command: Command, refusal: tuple[str, str], *, now: int) -> Activation:
        """It was found unfit before it was put to the instance."""
        state = self.state
        moment = Moment(now if state is None else max(now, state.time), b"", held=True)
        return self._unrecorded(command, Decision(refusal=refusal), moment)

    # --- commands that take more than one decision -----------------------------------------------------------

    def _start(self, start: Start, moment: Moment) -> list[Activation]:
        state = self.state
        if start.search_attributes and (refused := found_by.refusal(start, self)) is not None:
            return [self._unrecorded(start, refused, moment)]
        more = start.then or start.parent or start.retry or start.run_timeout or start.delay or start.headers
        if (more or start.priority) and (refusal := with_start.not_yet(start, self)) is not None:
            return [self._unrecorded(start, Decision(refusal=refusal), moment)]
        if state is None:
            return self._open(start, moment)
        if state.info.is_begun_by(start.run_id):
            elsewhere = asked_from_elsewhere(start, state)
            if elsewhere is not None and not state.is_closed:
                return self._carry_out(start, Decision(events=(CallerAdded(elsewhere),)), moment)
            return started_before(start, state, self.confirmations, now=moment.time)
        decision = with_start.decide(start, state, self, hindrance=moment.hindrance)
        if decision is not None:
            return self._carry_out(start, decision, moment)
        if state.is_closed:
            return self._open(start, moment)
        turn = self._begin(state, moment)
        turn.record(terminated(f"its place was taken by run {start.run_id}"))
        return [*self._seal(turn), *self._open(start, moment, may_wait=False)]

    def _open(self, start: Start, moment: Moment, *, may_wait: bool = True) -> list[Activation]:
        """A new run begins. Of the one before nothing goes over to it but what is outstanding. Where that one
        ends in the same turn it does not wait: half of it is sealed."""
        earlier = () if self.state is None else self._let_go(self.state, moment)
        info = RunInfo(
            workflow_id=self.workflow_id,
            run_id=start.run_id,
            workflow_type=start.workflow_type,
            task_queue=start.task_queue,
            started_at=moment.time,
            execution_timeout=start.execution_timeout,
            memo=start.memo,
            parent=start.parent,
            root=start.root,
            run_timeout=start.run_timeout,
            retry=None if start.retry is None else RunRetry(start.retry, start.args),
            begins_at=with_start.begins_at(start, moment.time) if start.delay else None,
            search_attributes=start.search_attributes,
            last_result=start.last_result,
            last_failure=start.last_failure,
            priority=start.priority,
            headers=start.headers,
        )
        recipients = () if (recipient := recipient_of(start)) is None else (recipient,)
        self.fingerprint = self.code.fingerprint(start.task_queue, start.workflow_type)
        turn = Turn(blank(info, python=self.python), moment, ())
        turn.record(RunStarted(info, start.args, recipients, self.python, earlier))
        if start.then is not None:
            turn.record(*with_start.for_new_run(start, self))
        if may_wait or not self.keeps_pieces:  # else its code begins with an activation of its own
            self._run(turn)
        if (turn.works or turn.pieces) and may_wait:
            return self._stay_open(turn, start)
        return self._seal(turn, start)

    def _open_next(self, before: WorkflowState, ended: Turn) -> list[Activation]:
        """The run that follows is opened. Its code begins with an activation of its own, by a wake-up: a chain
        that goes on and on without waiting is a load like any other."""
        moment = ended.moment
        started = next_run(before, ended.wish, self._let_go(before, moment), python=self.python)
        info = started.info
        self.fingerprint = self.code.fingerprint(info.task_queue, info.workflow_type)
        turn = Turn(blank(info, python=self.python), moment, ())
        turn.record(started, *kept_from_code(before, ended.before.suspension, ended.events))
        return self._seal(turn)

    def _let_go(self, before: WorkflowState, moment: Moment) -> tuple[EarlierEffect, ...]:
        """Of the run before, which has ended. What it leaves outstanding is handed on."""
        self.live.forget()
        self.heartbeats.forget_all()
        self.snapshots = SnapshotSchedule(self.history_limit)
        return handed_on(before, self.confirmations.done, now=moment.time)

    def _wake_up(self, _: WakeUp, moment: Moment) -> list[Activation]:
        state = self.state
        if state is None or state.is_closed:
            return [self._unrecorded(None, NOTHING, moment)]
        turn = self._begin(state, moment)
        housekeeping = len(turn.events)
        self._try_again(turn)
        self._run(turn)
        do_what_is_due(turn, self.agenda, self._known(moment), self._run)
        done = turn.events[housekeeping:]
        if is_in_vain(state.suspension, done, turn.state.suspension):
            self.code_retries.put_off(state, now=moment.time)
            done = []
        if turn.works or turn.pieces:
            return self._stay_open(turn)
        return self._seal(turn) if done else [self._unrecorded(None, NOTHING, moment)]

    def _at_the_door(self, command: Command, moment: Moment) -> list[Activation]:
        decision = AT_THE_DOOR[type(command)](self, command, self._known(moment), moment.hindrance)
        return self._carry_out(command, decision, moment)

    def _settle(self, _: Settle, moment: Moment) -> list[Activation]:
        state = self.state
        if state is None or not self.confirmations.seen:
            return [self._unrecorded(None, NOTHING, moment)]
        return self._seal(self._begin(state, moment))

    def _query(self, query: Query, moment: Moment) -> list[Activation]:
        if moment.hindrance is not None:
            return [self.refuse(query, ("query_failed", moment.hindrance), now=moment.time)]
        return self._read(query, moment)

    def _read(self, command: ReadOnlyCommand, moment: Moment) -> list[Activation]:
        return [self._unrecorded(command, answer_to(command, self), moment)]

    def _heartbeat(self, command: OutsideHeartbeat, moment: Moment) -> list[Activation]:
        return [self._unrecorded(command, answer_to_heartbeat(command, self, now=moment.time), moment)]


TAKE: dict[type, Callable[[Instance, Any, Moment], list[Activation]]] = {
    Start: Instance._start,
    WakeUp: Instance._wake_up,
    Settle: Instance._settle,
    **dict.fromkeys(AT_THE_DOOR, Instance._at_the_door),
    OutsideHeartbeat: Instance._heartbeat,
    Query: Instance._query,
    Describe: Instance._read,
}
"""The commands that take more than `decide`."""
