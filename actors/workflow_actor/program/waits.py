"""For people: what a program waits for, and what stands in the way of a sign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from types import CoroutineType, GeneratorType
from typing import Any, Protocol

from dalsegno._call_site import call_site
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop, WorkflowTask
from dalsegno.actors.workflow_actor.program.conditions import Conditions
from dalsegno.actors.workflow_actor.signals.shown import counted

SHOWN_MAX = 100
"""A description has to fit into a message, and to be made while others wait."""


class Taker(Protocol):
    """What takes inputs that come to one of the primitives' rooms."""

    def take(self, input_: Any) -> str | None:
        """Give it to whoever waits. Returns what was never asked for, in words."""


class Awaited(Taker, Protocol):
    """What user code has asked for in one of the primitives' rooms, and waits for."""

    @property
    def count(self) -> int:
        """How much it is."""

    def descriptions(self) -> Iterator[str]:
        """For people."""

    def forget(self) -> None: ...


def describe(
    awaited: Iterable[Awaited],
    conditions: Conditions,
    handling: Iterable[WorkflowTask],
    waiting: Iterable[Any],
    run_method: Any,
) -> tuple[str, ...]:
    """Everything that can wake the code, the first hundred of it and how much more there is; where the run
    method stands when that is nothing of ours, and the signals that wait for a handler: one whose name was
    mistyped would be seen nowhere else."""
    waits: list[Awaited | Conditions] = [*awaited, conditions]
    handlers = [_task(task, task.get_name().replace(" ", " handler ", 1)) for task in handling]
    found = first_of(
        chain(*(one.descriptions() for one in waits), handlers),
        sum(one.count for one in waits) + len(handlers),
    )
    if not found and run_method is not None:
        found.append(_at("the run method", run_method))
    found += [f"a handler for the signal {name!r} ({count} sent)" for name, count in counted(waiting).items()]
    return tuple(found)


def first_of(waits: Iterable[str], count: int) -> list[str]:
    """Of so many waits the first, and in words how many more there are."""
    shown = list(islice(waits, SHOWN_MAX))
    return shown if len(shown) == count else [*shown, f"{count - len(shown)} more"]


def outstanding(awaited: Iterable[Awaited], loop: DeterministicLoop) -> list[str]:
    """What would be lost by a sign."""
    tasks = [_task(task, f"task {task.get_name()}") for task in loop.tasks.values()]
    return [*(text for one in awaited for text in one.descriptions()), *tasks]


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
