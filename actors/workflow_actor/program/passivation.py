"""Letting go of a program's coroutines without a trace.

Closing a coroutine raises GeneratorExit where it stands, so its `finally` and `async with` blocks run. Whatever
they ask for is refused by a BaseException of ours, nothing they wake runs, and nothing is logged.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.loop.refusals import DROPPED

CLOSE_TRIES_MAX = 10
"""A coroutine may await something while it is closed, and is then closed again where it stands."""


def empty(instance: Any) -> None:
    """Take from a workflow object what it holds: with its methods' coroutines and tasks it makes cycles."""
    getattr(instance, "__dict__", {}).clear()


def unwind(loop: DeterministicLoop, tasks: Sequence[asyncio.Task[Any]], forget: Callable[[], None]) -> None:
    """Close the coroutines of all tasks, in this order, empty the loop, and let the owner `forget` the rest."""
    loop.refuse(DROPPED)
    if all(task.done() for task in tasks):
        loop.forget()
        forget()
        return
    outside = loop.enter()
    try:
        # Coroutines that user code has made and not awaited yet go with whatever holds them.
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            for task in tasks:
                _close(task)
            del tasks, task
            loop.forget()
            forget()
    finally:
        loop.leave(outside)


def _close(task: asyncio.Task[Any]) -> None:
    coroutine: Any = task.get_coro()
    awaited: asyncio.Future[Any] | None = task._fut_waiter  # type: ignore[attr-defined]
    for _ in range(CLOSE_TRIES_MAX):
        try:
            coroutine.close()
        except BaseException:  # noqa: BLE001 - user code may raise anything; its end is what is wanted
            continue
        break
    # As futures, not as tasks: that ends them without asking anybody, and undoes who waits for whom.
    asyncio.Future.cancel(task)
    if awaited is not None:
        asyncio.Future.cancel(awaited)
    task._log_traceback = False
