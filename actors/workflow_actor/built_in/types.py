"""The list of the built-in workflows, and what their types have in common."""

from __future__ import annotations

from typing import Any

from dalsegno.actors.workflow_actor.built_in.schedule import ScheduleWorkflow
from dalsegno.actors.workflow_actor.built_in.standalone_activity import StandaloneActivityWorkflow
from dalsegno.definition import BUILT_IN_PREFIX

BUILT_IN: tuple[type[Any], ...] = (StandaloneActivityWorkflow, ScheduleWorkflow)


def is_built_in(workflow_type: str) -> bool:
    """Whether a type is dalsegno's to give: also one that only newer hosts know."""
    return workflow_type.startswith(BUILT_IN_PREFIX)
