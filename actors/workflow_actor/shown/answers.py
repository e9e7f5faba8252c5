"""Answers and results: every one that leaves is made here, whoever gives it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.incidents.shown import first_open
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import (
    Asked,
    AwaitEnd,
    Caller,
    Cancel,
    ClientCommand,
    Command,
    ReadOnlyCommand,
    Start,
    Terminate,
)
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.interface.effects import (
    AnswerEffect,
    Effect,
    ResultEffect,
    RunEndedEffect,
    ToAskerEffect,
)
from dalsegno.actors.workflow_actor.interface.recipients import Recipient
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.actors.workflow_actor.run.state import ResultDue, RunOutcome, WorkflowState
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.actors.workflow_actor.updates.shown import standing
from dalsegno.actors.workflow_actor.updates.update import has_come_to
from dalsegno.failure import Failure
from dalsegno.payload import Payload

Refusal = tuple[str, str]
"""A code of the protocol's list, and a sentence for people."""


def answered(
    caller: Caller,
    workflow_id: str,
    state: WorkflowState | None,
    *,
    kind: Literal["accepted", "answer"] = "answer",
    result: Payload | None = None,
    description: dict[str, Any] | None = None,
    error: Refusal | None = None,
    failure: Failure | None = None,
    update: tuple[str, str] | None = None,
) -> AnswerEffect:
    """With what is to be said of the run in any case. Without a `state` that is nothing."""
    return AnswerEffect(
        caller=caller,
        kind=kind,
        workflow_id=workflow_id,
        run_id=None if state is None else state.info.run_id,
        status=None if state is None else state.status,
        reason=None if state is None else state.reason,
        result=result,
        description=description,
        error=error,
        failure=failure,
        update=update,
    )


def of_incident(caller: Caller, state: WorkflowState, number: int, what: str) -> AnswerEffect:
    """For who waits for the result: it does not come before a person has said what is to be done."""
    told = answered(caller, state.info.workflow_id, state)
    return replace(told, reason=f"incident {number}: {what}", incident=number)


def of_first_incident(caller: Caller, state: WorkflowState) -> AnswerEffect | None:
    """Of the first that is open; None where none is."""
    return of_incident(caller, state, *first_open(state)) if state.incidents else None


def refused(
    caller: Caller,
    workflow_id: str,
    state: WorkflowState | None,
    refusal: Refusal,
    *,
    failure: Failure | None = None,
) -> AnswerEffect:
    """`failure`: what a query's handler raised."""
    return answered(caller, workflow_id, state, error=refusal, failure=failure)


def to_command(
    command: Command | None, workflow_id: str, state: WorkflowState | None, decision: Decision[Any] = NOTHING
) -> tuple[Effect, ...]:
    """The answer to a client's command, or another workflow's, once that is done: what was decided on it. Who
    named no reply address gets none; who starts a workflow gets one if asked for, but a refusal always."""
    match command:
        case Start(parent=WorkflowOf() as parent):
            if state is not None and decision.refusal is None and _is_told_its_end(state, parent):
                return ()  # that it had begun goes without saying
            return (_to_asker(parent, "start", workflow_id, state, decision.refusal),)
        case ClientCommand(asker=WorkflowOf() as asker):
            return (_to_asker(asker, _asked_by(command), workflow_id, state, decision.refusal),)
        case AwaitEnd():
            return _of_end(command, workflow_id, state, decision.refusal)
        case Update(caller=Caller() as caller) if decision.refusal is None and state is not None:
            return (_standing(command, caller, state),)
        case Start(then=Update(caller=Caller() as caller) as update) if (
            decision.refusal is None and state is not None
        ):
            accepted = answered(caller, workflow_id, state, kind="accepted")
            standing_ = _standing(update, caller, state)
            return (accepted, standing_) if command.wants_accepted else (standing_,)
        case ClientCommand() | ReadOnlyCommand():
            wanted = True
        case Start():
            wanted = command.wants_accepted or decision.refusal is not None
        case _:
            return ()
    if command.caller is None or not wanted:
        return ()
    effect = answered(
        command.caller,
        workflow_id,
        state,
        kind=_kind_for(command),
        result=decision.result,
        description=decision.description,
        error=decision.refusal,
        failure=decision.failure,
    )
    return (effect,)


def _to_asker(
    asker: WorkflowOf, asked: Asked, workflow_id: str, state: WorkflowState | None, error: Refusal | None
) -> ToAskerEffect:
    run_id = None if state is None else state.info.run_id
    return ToAskerEffect(recipient=asker, asked=asked, workflow_id=workflow_id, run_id=run_id, error=error)


def _of_end(
    command: AwaitEnd, workflow_id: str, state: WorkflowState | None, refusal: Refusal | None
) -> tuple[Effect, ...]:
    """To who waits for the end of a run: that it has come, or that there is no such run."""
    if refusal is not None or state is None:
        return (_to_asker(command.asker, "end", workflow_id, state, refusal),)
    if state.outcome is None:
        return ()
    if not state.outcome.is_known:
        return (_to_asker(command.asker, "end", workflow_id, state, _unknown_end(state)),)
    return (ended(command.asker, workflow_id, state.info.run_id, state.outcome),)


def _standing(update: Update, caller: Caller, state: WorkflowState) -> AnswerEffect:
    """How far it has come. The run may be another one than that which was sent it."""
    workflow_id, known = state.info.workflow_id, standing(state, update.update_id)
    if known is None:
        return refused(caller, workflow_id, state, _no_update(state, update.update_id))
    outcome = known.outcome
    return answered(
        caller,
        workflow_id,
        state,
        result=None if outcome is None else outcome.result,
        failure=None if outcome is None else outcome.failure,
        update=(known.update_id, known.stage),
    )


def _no_update(state: WorkflowState, update_id: str) -> Refusal:
    info = state.info
    return "not_found", f"run {info.run_id} of workflow {info.workflow_id!r} has no update {update_id!r}"


def _asked_by(command: ClientCommand) -> Asked:
    """One that another workflow may send, too."""
    match command:
        case Cancel():
            return "cancel"
        case Terminate():
            return "terminate"
        case _:
            return "signal"


def to_command_again(
    command: Command | AwaitOutcome,
    before: str,
    workflow_id: str,
    state: WorkflowState | None,
    why: tuple[str, Failure] | None = None,
) -> Effect | None:
    """To one that was answered before. `before` is the code that it was refused with, or nothing; `why` the
    sentence and the failure, where they are known still. None if no answer is wanted."""
    text = "this command came before and was refused then" if why is None else why[0]
    refusal = (before, text) if before else None
    match command:
        case Start(parent=WorkflowOf() as parent):
            told = _to_asker(parent, "start", workflow_id, state, refusal)
            return told if before else replace(told, run_id=command.run_id)
        case ClientCommand(asker=WorkflowOf() as asker):
            return _to_asker(asker, _asked_by(command), workflow_id, state, refusal)
    if isinstance(command, Start) and isinstance(command.then, Update) and not before:
        command = command.then
    caller = command.caller if hasattr(command, "caller") else None
    if caller is None or (isinstance(command, Start) and not before and not command.wants_accepted):
        return None
    if isinstance(command, Update) and not before and state is not None:
        return _standing(command, caller, state)
    current = None if state is None else state.info.run_id
    run_id = command.run_id if isinstance(command, Start) and not before else current
    return AnswerEffect(
        caller=caller,
        kind=_kind_for(command),
        workflow_id=workflow_id,
        run_id=run_id,
        status=state.status if state is not None and run_id == current else None,
        error=refusal,
        failure=None if why is None else why[1],
    )


def result(caller: Caller, workflow_id: str, run_id: str, outcome: RunOutcome) -> ResultEffect:
    """How the run has ended."""
    return ResultEffect(
        caller=caller,
        workflow_id=workflow_id,
        run_id=run_id,
        status=outcome.status,
        result=outcome.result,
        failure=outcome.failure,
    )


def ended(recipient: WorkflowOf, workflow_id: str, run_id: str, outcome: RunOutcome) -> RunEndedEffect:
    """As `result`, for another workflow."""
    return RunEndedEffect(
        recipient=recipient,
        workflow_id=workflow_id,
        run_id=run_id,
        status=outcome.status,
        result=outcome.result,
        failure=outcome.failure,
    )


def result_of(caller: Caller, state: WorkflowState | None) -> ResultEffect | None:
    """As `result`, of the run that is there; None while it is open."""
    if state is None or state.outcome is None:
        return None
    told = result(caller, state.info.workflow_id, state.info.run_id, state.outcome)
    return told if state.next_run_id is None else replace(told, next_run_id=state.next_run_id)


def end_is_unknown(caller: Caller, state: WorkflowState) -> AnswerEffect:
    """To who waits for it: nothing is made up."""
    return refused(caller, state.info.workflow_id, state, _unknown_end(state))


def _unknown_end(state: WorkflowState) -> Refusal:
    info = state.info
    text = (
        f"run {info.run_id} of workflow {info.workflow_id!r} has ended ({state.status}), and could not be read"
    )
    return "rejected", f"{text} when another took its place: its result is not known"


def awaited(
    request: AwaitOutcome, caller: Caller, state: WorkflowState
) -> ResultEffect | UpdateEffect | AnswerEffect | None:
    """What is to be said to who waits for that; None as long as there is nothing."""
    if request.update_id is None:
        if state.outcome is not None and not state.outcome.is_known:
            return end_is_unknown(caller, state)
        return result_of(caller, state)
    info, known = state.info, standing(state, request.update_id)
    if known is None:
        return refused(caller, info.workflow_id, state, _no_update(state, request.update_id))
    if not has_come_to(known.stage, request.stage):
        return None
    return UpdateEffect(run_id=info.run_id, caller=caller, workflow_id=info.workflow_id, standing=known)


def _kind_for(command: Command | AwaitOutcome) -> Literal["accepted", "answer"]:
    return "accepted" if isinstance(command, Start) else "answer"


def _is_told_its_end(state: WorkflowState, parent: WorkflowOf) -> bool:
    return state.is_closed and is_to_be_told(state, parent)


def is_to_be_told(state: WorkflowState, recipient: Recipient) -> bool:
    """Whether it is on record, and not yet known to have got it, that it wants the outcome."""
    if not state.is_closed:  # no result is due before
        return recipient in state.recipients
    due = (entry.due for entry in state.outstanding.values())
    return any(isinstance(it, ResultDue) and it.recipient == recipient for it in due)
