"""Child workflows, and the parent, as people see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from dalsegno.actors.workflow_actor.children.child import ChildWorkflow
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf

SHOWN_MAX = 100
"""A description has to fit into a message."""


def described(children: Mapping[int, ChildWorkflow]) -> tuple[dict[str, Any], ...]:
    """The first hundred of those that are open."""
    return tuple(
        {
            "workflow_id": child.workflow_id,
            "run_id": child.run_id,
            "workflow_type": child.workflow_type,
            "parent_close_policy": child.close_policy,
            "started_at": child.started_at,
        }
        for child in islice(children.values(), SHOWN_MAX)
    )


def parent_of(parent: WorkflowOf | None) -> dict[str, Any]:
    if parent is None:
        return {}
    return {"parent_workflow_id": parent.workflow_id, "parent_run_id": parent.run_id}


def waited_for(children: Mapping[int, ChildWorkflow]) -> Iterator[str]:
    """For people: as far as the state tells."""
    return (f"child {number} {child.workflow_type} {child.workflow_id}" for number, child in children.items())
