"""What is looked at before it is decided: what no old format has a place for, updates, and the results that
persons give.

An update at the door: where the code may run, its validator is asked before anything is recorded, so that
what is refused leaves nothing. Elsewhere it is recorded, and its validator asked when it is the code's turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.activities import outside
from dalsegno.actors.workflow_actor.activities.attempts import on_failed
from dalsegno.actors.workflow_actor.activities.commands import AttemptDetached
from dalsegno.actors.workflow_actor.activities.events import ActivityEvent
from dalsegno.actors.workflow_actor.at_rest import InstanceAtRest
from dalsegno.actors.workflow_actor.incidents import decisions as incidents
from dalsegno.actors.workflow_actor.incidents.commands import SettleIncident
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError
from dalsegno.actors.workflow_actor.run.decide import Known, refused, refused_unless_open
from dalsegno.actors.workflow_actor.run.events import Event
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.format_3 import NUMBER as FORMAT_OF_UPDATES
from dalsegno.actors.workflow_actor.stored.format_3 import NUMBER as FORMAT_OF_WORK_OUTSIDE
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.decisions import NOT_YET, admitted, as_input, known_before, too_many
from dalsegno.actors.workflow_actor.updates.events import UpdateEvent
from dalsegno.failure import Failure


def on_update(
    instance: InstanceAtRest, command: Update, _: object = None, hindrance: str | None = None
) -> Decision[UpdateEvent]:
    """`hindrance`: why the code cannot run now, for people."""
    state, live, workflow_id = instance.state, instance.live, instance.workflow_id
    refusal = refused(state, workflow_id, command.run_id)
    if refusal is not None or state is None:
        return Decision(refusal=refusal)
    known = known_before(state, command)
    if known is not None:
        return known
    refusal = refused_unless_open(state, workflow_id, command.run_id) or too_many(state)
    if refusal is None and instance.codec.writes < FORMAT_OF_UPDATES:
        refusal = NOT_YET
    if refusal is not None:
        return Decision(refusal=refusal)
    if hindrance is not None or not _is_up_to_date(state):
        return admitted(command, validated=False)
    try:
        if not live.at(state).takes_updates:
            return admitted(command, validated=False)
        failure = live.rejection(state, as_input(command))
    except CodeStuckError:  # the step that comes next says why
        return admitted(command, validated=False)
    return admitted(command, validated=True) if failure is None else _rejected(command, failure)


def on_detached(
    instance: InstanceAtRest, word: AttemptDetached, known: Known, _: str | None
) -> Decision[ActivityEvent]:
    """An attempt goes on outside, or, where that cannot be stored yet, has failed."""
    if instance.codec.writes < FORMAT_OF_WORK_OUTSIDE:
        return on_failed(instance.state, outside.as_failed(word), known)
    return outside.on_detached(instance.state, word, known)


def on_settle_incident(
    instance: InstanceAtRest, command: SettleIncident, known: Known, hindrance: str | None
) -> Decision[ActivityEvent]:
    """A result must fit what the code expects, which only that can say."""
    state, workflow_id = instance.state, instance.workflow_id
    refusal = refused_unless_open(state, workflow_id, command.run_id)
    if refusal is not None or state is None:
        return Decision(refusal=refusal)
    refusal = incidents.not_open(state, command.number)
    given = None if refusal is not None else incidents.result_of(state, command)
    if given is not None:
        if hindrance is not None or not _is_up_to_date(state):
            return Decision(refusal=("rejected", incidents.UNCHECKED))
        try:
            failure = instance.live.rejection(state, given)
        except CodeStuckError:
            return Decision(refusal=("rejected", incidents.UNCHECKED))
        refusal = None if failure is None else ("rejected", failure.message)
    if refusal is not None:
        return Decision(refusal=refusal)
    return incidents.on_settle(state, command, known)


def _is_up_to_date(state: WorkflowState) -> bool:
    return state.suspension is None and 0 < state.processed == len(state.log)


def _rejected(command: Update, failure: Failure) -> Decision[UpdateEvent]:
    text = f"the update {command.name!r} was refused: {failure.message}"
    return Decision(refusal=("update_rejected", text), failure=failure)


AT_THE_DOOR: dict[type[Command], Callable[[InstanceAtRest, Any, Known, str | None], Decision[Event]]] = {
    Update: on_update,
    AttemptDetached: on_detached,
    SettleIncident: on_settle_incident,
}
"""By command; the text says why the code cannot run now, for people."""
