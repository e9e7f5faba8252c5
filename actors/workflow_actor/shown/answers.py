"""Answers and results: every one that leaves is made here, whoever gives it."""

from __future__ import annotations

from typing import Any, Literal

from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import (
    Caller,
    ClientCommand,
    Command,
    ReadOnlyCommand,
    Start,
)
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, ResultEffect, RunEndedEffect
from dalsegno.actors.workflow_actor.interface.recipients import WorkflowOf
from dalsegno.actors.workflow_actor.run.state import RunOutcome, WorkflowState
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
    )


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
) -> tuple[AnswerEffect, ...]:
    """The answer to a client's command, once that is done: what was decided on it. Who named no reply address
    gets none; who starts a workflow gets one if asked for, but a refusal always."""
    match command:
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


def to_command_again(
    command: Command | AwaitOutcome, before: str, workflow_id: str, state: WorkflowState | None
) -> AnswerEffect | None:
    """To one that was answered before. `before` is the code that it was refused with, or nothing. None if no
    answer is wanted."""
    caller = command.caller if hasattr(command, "caller") else None
    if caller is None or (isinstance(command, Start) and not before and not command.wants_accepted):
        return None
    current = None if state is None else state.info.run_id
    run_id = command.run_id if isinstance(command, Start) and not before else current
    return AnswerEffect(
        caller=caller,
        kind=_kind_for(command),
        workflow_id=workflow_id,
        run_id=run_id,
        status=state.status if state is not None and run_id == current else None,
        error=(before, "this command came before and was refused then") if before else None,
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
    return result(caller, state.info.workflow_id, state.info.run_id, state.outcome)


def _kind_for(command: Command | AwaitOutcome) -> Literal["accepted", "answer"]:
    return "accepted" if isinstance(command, Start) else "answer"
