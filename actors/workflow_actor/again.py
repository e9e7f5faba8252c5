"""A command that comes again: how it is answered, and when it asks for more than it did before."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import Command, Start
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect
from dalsegno.actors.workflow_actor.outstanding.outstanding import is_to_be_told
from dalsegno.actors.workflow_actor.run.state import WorkflowState


def asks_from_elsewhere(command: Command | AwaitOutcome, state: WorkflowState | None) -> bool:
    """A start that comes again with a reply address that is not on record: its client has a new queue."""
    if not isinstance(command, Start) or not command.wants_result or command.caller is None:
        return False
    if state is None or state.info.run_id != command.run_id:
        return False
    return not is_to_be_told(state, command.caller)


def same_answer(command: Command | AwaitOutcome, before: str, instance: Instance) -> AnswerEffect | None:
    """`before` is the code that it was refused with, or nothing. None if no answer is wanted."""
    caller = command.caller if hasattr(command, "caller") else None
    if caller is None or (isinstance(command, Start) and not before and not command.wants_accepted):
        return None
    run_id = command.run_id if isinstance(command, Start) and not before else instance.run_id
    error = (before, "this command came before and was refused then") if before else None
    status = instance.status if run_id == instance.run_id else None
    return AnswerEffect(
        caller=caller,
        kind="accepted" if isinstance(command, Start) else "answer",
        workflow_id=instance.workflow_id,
        run_id=run_id,
        status=status,
        error=error,
    )
