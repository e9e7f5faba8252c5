"""What leaves for child workflows: their start, and that they are to stop. It holds all that is to be said:
it may have to be said when the run is over, and another there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from msgspec import Struct

from dalsegno.actors.workflow_actor.children.child import ChildWorkflowSpec, RunOfChildren
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect
from dalsegno.actors.workflow_actor.interface.workflow_of import RootOf, WorkflowOf

Stop = Literal["cancel", "terminate"]


class StartChildEffect(DurableEffect, frozen=True, kw_only=True):
    to_workflow: ClassVar[bool] = True
    parent: WorkflowOf
    root: RootOf
    spec: ChildWorkflowSpec


class StopChildEffect(DurableEffect, frozen=True, kw_only=True):
    """`is_waited_for`: the child is to say that it has heard of it."""

    to_workflow: ClassVar[bool] = True
    parent: WorkflowOf
    workflow_id: str
    how: Stop
    reason: str
    is_waited_for: bool


class ChildStartDue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kid"):
    """`root` is that of the run that starts it, if that is a child itself."""

    number: int
    spec: ChildWorkflowSpec
    root: RootOf | None


class ChildStopDue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kidx"):
    number: int
    workflow_id: str
    how: Stop
    reason: str
    is_waited_for: bool = False


ChildDue = ChildStartDue | ChildStopDue


def _start_of(run: RunOfChildren, due: ChildStartDue, run_id: str) -> StartChildEffect:
    workflow_id = run.info.workflow_id
    return StartChildEffect(
        run_id=run_id,
        parent=WorkflowOf(workflow_id, run_id, due.number),
        root=due.root or RootOf(workflow_id, run_id),
        spec=due.spec,
    )


def _stop_of(run: RunOfChildren, due: ChildStopDue, run_id: str) -> StopChildEffect:
    return StopChildEffect(
        run_id=run_id,
        parent=WorkflowOf(run.info.workflow_id, run_id, due.number),
        workflow_id=due.workflow_id,
        how=due.how,
        reason=due.reason,
        is_waited_for=due.is_waited_for,
    )


EFFECTS: dict[type, Callable[[Any, Any, str], DurableEffect]] = {
    ChildStartDue: _start_of,
    ChildStopDue: _stop_of,
}
"""By state, what is due, and run: the message that leaves."""
