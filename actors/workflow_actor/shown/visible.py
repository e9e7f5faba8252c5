"""What others see of a run: answers to commands, and its row in the visibility table."""

from __future__ import annotations

from typing import Any, Literal

from dalsegno.actors.workflow_actor.interface.activation import RunChange, RunStart
from dalsegno.actors.workflow_actor.interface.commands import (
    Caller,
    Cancel,
    Command,
    Resume,
    Signal,
    Start,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect
from dalsegno.actors.workflow_actor.program.code_error import place_of_bug
from dalsegno.actors.workflow_actor.run.state import Suspension, WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import encode_memo, encode_outcome
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

REASON_LIMIT = 4000
"""Characters of a reason that are shown in lists."""


def answer(
    caller: Caller,
    workflow_id: str,
    state: WorkflowState | None,
    *,
    kind: Literal["accepted", "answer"] = "answer",
    result: Payload | None = None,
    description: dict[str, Any] | None = None,
    error: tuple[str, str] | None = None,
    failure: Failure | None = None,
) -> AnswerEffect:
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


def answer_to(
    command: Command | None, workflow_id: str, state: WorkflowState | None, refusal: tuple[str, str] | None
) -> tuple[AnswerEffect, ...]:
    """The answer to a client's command, once it is done. Who named no reply address gets none; who starts a
    workflow gets one if asked for, but a refusal always."""
    match command:
        case Signal() | Cancel() | Terminate() | Suspend() | Resume():
            wanted = True
        case Start():
            wanted = command.wants_accepted or refusal is not None
        case _:
            return ()
    if command.caller is None or not wanted:
        return ()
    kind: Literal["accepted", "answer"] = "accepted" if isinstance(command, Start) else "answer"
    return (answer(command.caller, workflow_id, state, kind=kind, error=refusal),)


def run_start(state: WorkflowState) -> RunStart:
    """A run that has begun in this activation. If it has ended in it too, a change follows that says so."""
    info = state.info
    return RunStart(
        run_id=info.run_id,
        workflow_id=info.workflow_id,
        workflow_type=info.workflow_type,
        task_queue=info.task_queue,
        status=WorkflowStatus.RUNNING if state.is_closed else state.status,
        started_at=info.started_at,
        reason=None if state.is_closed else _short(state.reason),
        memo=encode_memo(info.memo),
    )


def run_change(before: WorkflowState, after: WorkflowState, *, started: bool) -> RunChange | None:
    """None when nothing visible has changed. `started`: the run began in this activation."""
    outcome = after.outcome
    if started and outcome is None:
        return None
    if outcome is before.outcome and after.suspension is before.suspension:  # all that is shown comes from them
        return None
    if (before.status, before.reason) == (after.status, after.reason):
        return None
    return RunChange(
        run_id=after.info.run_id,
        status=after.status,
        closed_at=None if outcome is None else outcome.closed_at,
        reason=_short(after.reason),
        outcome=None if outcome is None else encode_outcome(outcome),
        is_news=not is_stuck_alike(before.suspension, after.suspension),
    )


def is_stuck_alike(before: Suspension | None, after: Suspension | None) -> bool:
    """Reasons may hold what is another at each try: the address of an object, a time."""
    if before is None or after is None or (before.kind, before.fingerprint) != (after.kind, after.fingerprint):
        return False
    if after.kind == "bug":
        return place_of_bug(before.reason) == place_of_bug(after.reason)
    return after.kind in ("nondeterminism", "corrupt") or before.reason == after.reason


def shown_reason(state: WorkflowState) -> str | None:
    return _short(state.reason)


def _short(reason: str | None) -> str | None:
    # A database takes no NUL in a text.
    return None if reason is None else reason[:REASON_LIMIT].replace("\0", "\ufffd")
