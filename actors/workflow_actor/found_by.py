"""What search attributes ask of an instance: whether they fit its namespace; and the rows by which it is found,
by them, its incidents and its deadlines."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.actors.workflow_actor.at_rest import InstanceAtRest
from dalsegno.actors.workflow_actor.attributes.decisions import refused, stuck_at
from dalsegno.actors.workflow_actor.attributes.intents import UpsertAttributes
from dalsegno.actors.workflow_actor.attributes.shown import attributes_set
from dalsegno.actors.workflow_actor.deadlines.shown import deadline_rows
from dalsegno.actors.workflow_actor.incidents import shown as incidents
from dalsegno.actors.workflow_actor.interface.commands import Start
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError
from dalsegno.actors.workflow_actor.run.events import Event
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.format_3 import NUMBER as FORMAT_OF_ATTRIBUTES
from dalsegno.persistence.deadlines_port import DeadlineRow
from dalsegno.persistence.port import AttributeSet

SETTING: type[Intent] = UpsertAttributes
"""What code wants that sets some."""


def refusal(start: Start, instance: InstanceAtRest) -> Decision[Event] | None:
    """What comes of a start whose attributes cannot be; None if they can, or it has begun a run before."""
    state = instance.state
    if state is not None and state.info.is_begun_by(start.run_id):
        return None
    why = refused(start, instance.declared.now, storable=_is_storable(instance))
    return None if why is None else Decision(refusal=why)


def require_declared(intents: Sequence[Intent], instance: InstanceAtRest) -> None:
    """Raises CodeStuckError where code sets what the namespace does not have: it goes on once that is
    declared."""
    why = stuck_at(intents, instance.declared.now, storable=_is_storable(instance))
    if why is not None:
        instance.live.forget()
        raise CodeStuckError("bug", why)


def rows(before: WorkflowState, after: WorkflowState, *, started: bool) -> tuple[AttributeSet, ...]:
    """Of what has changed."""
    info, known = after.info, {} if started else before.attributes
    set_ = attributes_set(info.run_id, info.started_at, known, after.attributes)
    return set_ if after.incidents is before.incidents else (*set_, *incidents.rows(before.incidents, after))


def ended_unread(after: WorkflowState, codec: StoredCodec) -> tuple[AttributeSet, ...]:
    """Of a run that somebody has ended although it could not be read: no incident of it is open any more. It
    stays to be found by what else it had, which nobody knows."""
    if codec.writes < FORMAT_OF_ATTRIBUTES:
        return ()
    return incidents.none_open(after.info)


def deadlines(instance: InstanceAtRest, before: WorkflowState, after: WorkflowState) -> tuple[DeadlineRow, ...]:
    """Those that were set, or are open no more. The first time after it was loaded, all that are open: where
    they were set the tables may have been older, and have had no rows for them."""
    anew, instance.has_listed_deadlines = not instance.has_listed_deadlines, True
    run_id, closed = after.info.run_id, after.is_closed
    return deadline_rows(run_id, before.deadlines, after.deadlines, closed=closed, anew=anew)


def _is_storable(instance: InstanceAtRest) -> bool:
    return instance.codec.writes >= FORMAT_OF_ATTRIBUTES
