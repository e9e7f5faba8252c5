"""What comes of what other workflows ask and say."""

from __future__ import annotations

from typing import Protocol

from dalsegno.actors.workflow_actor.children import decisions as children
from dalsegno.actors.workflow_actor.children.events import ChildEvent
from dalsegno.actors.workflow_actor.externals import decisions as externals
from dalsegno.actors.workflow_actor.externals.events import ExternalEvent
from dalsegno.actors.workflow_actor.interface.commands import AwaitEnd, OtherAnswered, OtherEnded
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, STALE, Decision
from dalsegno.actors.workflow_actor.run.events import CallerAdded
from dalsegno.actors.workflow_actor.run.state import WorkflowState

NO_WAITING_YET = (
    "that another workflow is to be told of the end cannot be stored yet: replace all hosts of older versions, "
    "and run `dalsegno init`"
)


class KnownOfWriting(Protocol):
    """(It is `run.decide.Known`.)"""

    @property
    def tells_workflows(self) -> bool: ...


def on_answered(
    state: WorkflowState | None, word: OtherAnswered, _: object
) -> Decision[ChildEvent | ExternalEvent]:
    """Numbers are of one sequence, whatever was asked for."""
    if state is None or not _is_awaited(state, word):
        return STALE
    if word.number in state.children:
        return children.on_answered(state, word)
    return externals.on_answered(state, word)


def on_ended(state: WorkflowState | None, word: OtherEnded, _: object) -> Decision[ChildEvent | ExternalEvent]:
    if state is None or not _is_awaited(state, word):
        return STALE
    if word.number in state.children:
        return children.on_ended(state, word)
    return externals.on_ended(state, word)


def _is_awaited(state: WorkflowState, word: OtherAnswered | OtherEnded) -> bool:
    """The run that has asked goes on."""
    return word.run_id == state.info.run_id and not state.is_closed


def await_end(state: WorkflowState, command: AwaitEnd, known: KnownOfWriting) -> Decision[CallerAdded]:
    """Of a run that is there. What has ended tells so at once: see `shown.answers`."""
    if state.is_closed or command.asker in state.recipients:
        return NOTHING
    if not known.tells_workflows:
        return Decision(refusal=("rejected", NO_WAITING_YET))
    return Decision(events=(CallerAdded(command.asker),))
