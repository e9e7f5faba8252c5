"""For people: what a program waits for, and what stands in the way of a sign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import CoroutineType, GeneratorType
from typing import Any

from dalsegno._call_site import call_site
from dalsegno.actors.workflow_actor.interface.inputs import Signaled
from dalsegno.actors.workflow_actor.program.conditions import Conditions
from dalsegno.actors.workflow_actor.program.event_loop import DeterministicLoop, WorkflowTask, WorkflowTimer
from dalsegno.actors.workflow_actor.program.pending_activities import Activities
from dalsegno.definition import HandlerDefinition

SIGNAL_NAMES_MAX = 20
"""They come from outside, and a description has to fit into a message."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def describe(
    activities: Activities,
    loop: DeterministicLoop,
    conditions: Conditions,
    handler_tasks: Mapping[WorkflowTask, str],
    run_method: Any,
    unhandled: Sequence[Signaled],
) -> tuple[str, ...]:
    """Everything that can wake the code, where the run method stands when that is nothing of ours, and the
    signals that wait for a handler: one whose name was mistyped would be seen nowhere else."""
    found = activities.descriptions()
    found += [_timer(timer) for timer in loop.timers.values()]
    found += conditions.descriptions()
    found += [_task(task, f"signal handler {name}") for task, name in handler_tasks.items()]
    if not found and run_method is not None:
        found.append(_at("the run method", run_method))
    names = Counter(signal.name for signal in unhandled)
    found += [
        f"a handler for the signal {name!r} ({count} sent)"
        for name, count in islice(names.items(), SIGNAL_NAMES_MAX)
    ]
    return tuple(found)


def outstanding(activities: Activities, loop: DeterministicLoop) -> list[str]:
    """What would be lost by a sign."""
    tasks = [_task(task, f"task {task.get_name()}") for task in loop.tasks.values()]
    return [*activities.descriptions(), *(_timer(timer) for timer in loop.timers.values()), *tasks]


def no_query(workflow_type: str, name: str, known: Sequence[str], handler: HandlerDefinition | None) -> str:
    """Why there is no answer to a query."""
    if handler is not None:
        return f"{workflow_type} has not begun to run yet, so it cannot answer the query {name!r}."
    there_are = f"it has {', '.join(map(repr, known))}" if known else "it has none"
    return f"{workflow_type} has no handler for the query {name!r}; {there_are}."


def _timer(timer: WorkflowTimer) -> str:
    due = (_EPOCH + timedelta(microseconds=timer.fire_at)).isoformat(timespec="milliseconds")
    return f"timer {timer.number} until {due}" + (f" ({timer.line})" if timer.line else "")


def _task(task: WorkflowTask, what: str) -> str:
    return _at(what, task.get_coro())


def _at(what: str, coroutine: Any) -> str:
    where = _suspended_at(coroutine)
    return f"{what} at {where}" if where else what


def _suspended_at(awaited: Any) -> str:
    """The innermost line of user code in a chain of suspended coroutines. Objects of other types are not asked:
    their attributes may be anything, without end."""
    where = ""
    while True:
        if isinstance(awaited, CoroutineType):
            frame, awaited = awaited.cr_frame, awaited.cr_await
        elif isinstance(awaited, GeneratorType):
            frame, awaited = awaited.gi_frame, awaited.gi_yieldfrom
        else:
            return where
        where = call_site(frame) or where
