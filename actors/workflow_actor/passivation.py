"""Letting go of a program's coroutines without a trace.

Closing a coroutine raises GeneratorExit where it stands, so its `finally` and `async with` blocks run. Whatever
they ask for is refused by a BaseException of ours, nothing they wake runs, and nothing is logged.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from typing import Any

from dalsegno.actors.workflow_actor.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.refusals import DROPPED

CLOSE_TRIES_MAX = 10
"""A coroutine may await something while it is closed, and is then closed again where it stands."""


def unwind(loop: DeterministicLoop, tasks: Sequence[asyncio.Task[object]]) -> None:
    """Close the coroutines of all tasks, in this order, and empty the loop."""
    loop.refuse(DROPPED)
    if all(task.done() for task in tasks):
        loop.forget()
        return
    outside = loop.enter()
    try:
        # Coroutines that user code has made and not awaited yet go with the frames that hold them.
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            for task in tasks:
                _close(task)
            loop.forget()
    finally:
        loop.leave(outside)


def _close(task: asyncio.Task[object]) -> None:
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    task._log_traceback = False
    coroutine: Any = task.get_coro()
    for _ in range(CLOSE_TRIES_MAX):
        try:
            coroutine.close()
        except BaseException:  # noqa: BLE001 - user code may raise anything; its end is what is wanted
            continue
        return
