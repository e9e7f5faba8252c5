"""What each command does to an instance: the main path, and the few commands that take more than `decide`."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import (
    Command,
    Describe,
    Query,
    Resume,
    Settle,
    Start,
    Suspend,
    Terminate,
    WakeUp,
)
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.interface.inputs import RunInfo
from dalsegno.actors.workflow_actor.outstanding.outstanding import effect_of, handed_on, is_to_be_told
from dalsegno.actors.workflow_actor.run.decide import Known, decide, decide_start, terminated
from dalsegno.actors.workflow_actor.run.events import CallerAdded, Event, Resumed, RunStarted, Suspended
from dalsegno.actors.workflow_actor.run.state import ResultDue, blank
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.shown.questions import on_describe, on_query
from dalsegno.actors.workflow_actor.shown.visible import is_stuck_alike
from dalsegno.actors.workflow_actor.turn import Moment, Turn
from dalsegno.actors.workflow_actor.wake_up import do_what_is_due
from dalsegno.actors.workflow_actor.workings import Workings


def activate(workings: Workings, command: Command, moment: Moment) -> list[Activation]:
    decision: Decision[Event]
    match command:
        case Start():
            return _start(workings, command, moment)
        case WakeUp():
            return [_wake_up(workings, moment)]
        case Settle():
            return [_settle(workings, moment)]
        case Query():
            decision = on_query(workings.state, command, workings.live, workings.workflow_id)
        case Describe():
            decision = on_describe(
                workings.state,
                command,
                workings.live,
                workings.heartbeats,
                workings.workflow_id,
                wake_at=workings.wake_at,
            )
        case _:
            known = Known(moment.time, workings.code.fingerprint, workings.heartbeats)
            decision = decide(workings.state, workings.workflow_id, command, known)
    return [_carry_out(workings, command, decision, moment)]


def _carry_out(workings: Workings, command: Command, decision: Decision[Event], moment: Moment) -> Activation:
    """Record, run, and finish; or only answer."""
    state = workings.state
    if state is None or not decision.events:
        return workings.unrecorded(command, decision, moment)
    turn = workings.begun(state, moment)
    if not isinstance(command, Suspend | Terminate | Resume):
        workings.try_again(turn)
    turn.record(*decision.events)
    workings.work_off(turn)
    if isinstance(command, Suspend):
        workings.live.forget()
    return workings.finished(turn, command, decision.effects)


# --- starts ------------------------------------------------------------------------------------------------


def _start(workings: Workings, command: Start, moment: Moment) -> list[Activation]:
    state = workings.state
    if state is None:
        return [_open(workings, command, moment)]
    if command.run_id == state.info.run_id:
        return _started_before(workings, command, moment)
    decision = decide_start(state, command)
    if decision is not None:
        return [_carry_out(workings, command, decision, moment)]
    if state.is_closed:
        return [_open(workings, command, moment)]
    turn = workings.begun(state, moment)
    turn.record(terminated(f"its place was taken by run {command.run_id}"))
    return [workings.finished(turn), _open(workings, command, moment)]


def _open(workings: Workings, command: Start, moment: Moment) -> Activation:
    """A new run begins; what is outstanding of the one before goes over to it."""
    before = workings.state
    done = workings.confirmations.done
    earlier = () if before is None else handed_on(before, done, now=moment.time)
    info = RunInfo(
        workflow_id=workings.workflow_id,
        run_id=command.run_id,
        workflow_type=command.workflow_type,
        task_queue=command.task_queue,
        started_at=moment.time,
        execution_timeout=command.execution_timeout,
        memo=command.memo,
    )
    callers = (command.caller,) if command.wants_result and command.caller is not None else ()
    event = RunStarted(info, command.args, callers, workings.python, earlier)
    turn = workings.begun_anew(blank(info, python=workings.python), moment, event)
    workings.work_off(turn)
    return workings.finished(turn, command)


def _started_before(workings: Workings, command: Start, moment: Moment) -> list[Activation]:
    """The start comes again: it is answered again, and what is outstanding goes along, run by run. If it comes
    with a new reply address, that one is told the outcome, too."""
    state = workings.state
    assert state is not None
    replies: tuple[Effect, ...] = answers.to_command(command, workings.workflow_id, state, None)
    if command.wants_result and command.caller is not None and not is_to_be_told(state, command.caller):
        if not state.is_closed:
            decision = Decision(events=(CallerAdded(command.caller),))
            return [_carry_out(workings, command, decision, moment)]
        replies = (*replies, effect_of(state, ResultDue(command.caller), state.info.run_id))
    by_run: dict[str, list[tuple[EffectID | None, Effect]]] = {}
    by_run[state.info.run_id] = [(None, reply) for reply in replies]
    for effect_id, effect in workings.confirmations.unconfirmed(state):
        by_run.setdefault(effect.run_id, []).append((effect_id, effect))
    return [
        Activation(
            run_id=run_id,
            sequence=state.sequence,
            recorded=False,
            time=moment.time,
            effects=tuple(effects),
        )
        for run_id, effects in by_run.items()
    ]


# --- the instance's own causes -------------------------------------------------------------------------------


def _wake_up(workings: Workings, moment: Moment) -> Activation:
    state = workings.state
    if state is None or state.is_closed:
        return workings.unrecorded(None, NOTHING, moment)
    turn = workings.begun(state, moment)
    housekeeping = len(turn.events)
    workings.try_again(turn)
    workings.work_off(turn)
    do_what_is_due(turn, workings.agenda, workings.heartbeats, workings.work_off)
    if len(turn.events) == housekeeping:
        return workings.unrecorded(None, NOTHING, moment)
    if was_in_vain(turn, turn.events[housekeeping:]):
        return workings.put_off(turn)
    return workings.finished(turn)


def was_in_vain(turn: Turn, events: Sequence[Event]) -> bool:
    """Suspended code was tried again, and is stuck as it was."""
    match events:
        case [Resumed(), Suspended()]:
            return is_stuck_alike(turn.before.suspension, turn.state.suspension)
    return False


def _settle(workings: Workings, moment: Moment) -> Activation:
    state = workings.state
    if state is None or not workings.confirmations.seen:
        return workings.unrecorded(None, NOTHING, moment)
    return workings.finished(workings.begun(state, moment))
