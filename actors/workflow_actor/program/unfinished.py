"""Handlers that are still running when their run ends: updates are answered, as far as that goes, and the rest
is told of, unless it is declared not to matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop, WorkflowTask
from dalsegno.actors.workflow_actor.program.conditions import Conditions
from dalsegno.actors.workflow_actor.program.runtime import Runtime
from dalsegno.definition import HandlerDefinition
from dalsegno.policies import HandlerUnfinishedPolicy
from dalsegno.workflow_logger import logger

SHOWN_MAX = 20


PASSES_MAX = 1_000
"""Of what is ready. Other tasks, which the end has not stopped, may go on for ever."""


def go_on(
    updates: Collection[WorkflowTask],
    loop: DeterministicLoop,
    conditions: Conditions,
    runtime: Runtime,
) -> None:
    """When the run has ended: handlers of updates (the tasks `updates`) that wait for nothing any more give
    their results all the same. What else is wanted now is not done; what else goes wrong matters to nobody."""
    for _ in range(PASSES_MAX):
        if not updates or not (loop.run_pass() or conditions.wake_first(runtime)):
            return


def warn(handling: Mapping[WorkflowTask, HandlerDefinition]) -> None:
    """`handling` are those that run. By the workflow's logger, once."""
    tasks = [
        task.get_name()
        for task, handler in handling.items()
        if handler.unfinished_policy is HandlerUnfinishedPolicy.WARN_AND_ABANDON
    ]
    if not tasks:
        return
    names = [f"{name} ({count})" if count > 1 else name for name, count in Counter(tasks).items()]
    logger.warning(
        "The run has ended while handlers were still running: %s. Wait for workflow.all_handlers_finished "
        "before the end, or declare them with unfinished_policy=HandlerUnfinishedPolicy.ABANDON.",
        ", ".join(names[:SHOWN_MAX]),
    )
