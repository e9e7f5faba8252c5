"""One order for the coroutines given to asyncio.as_completed.

asyncio puts what it is given into a set before it makes tasks of it, and coroutines hash by their address. When
a task is asked for from there, the tasks of all its coroutines are therefore made at once, in the order of the
list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any, TypeVar

T = TypeVar("T", bound=asyncio.Task[Any])

_ENSURE_FUTURE: CodeType = getattr(asyncio.tasks, "_ensure_future", asyncio.ensure_future).__code__
_ITERATOR = getattr(asyncio.tasks, "_AsCompletedIterator", None)
"""Python 3.13's as_completed is a class; before, it was a generator."""
_AS_COMPLETED: CodeType = (asyncio.as_completed if _ITERATOR is None else _ITERATOR.__init__).__code__
_GIVEN = "fs" if _ITERATOR is None else "aws"
_FRAMES_BETWEEN_MAX = 3


def ordered_task(
    coro: Any, caller: FrameType, prepared: dict[Any, T], new_task: Callable[[Any], T]
) -> T | None:
    """The task for `coro` when `caller` is asyncio.as_completed at work; None otherwise.

    `prepared` keeps the tasks that were made and not yet asked for. Raises TypeError when asyncio was not given
    a list or tuple of nothing but coroutines.
    """
    if caller.f_code is not _ENSURE_FUTURE:
        return None
    frame: FrameType | None = caller
    for _ in range(_FRAMES_BETWEEN_MAX):
        frame = frame.f_back if frame is not None else None
        if frame is not None and frame.f_code is _AS_COMPLETED:
            return prepared.pop(coro, None) or _prepare(coro, frame.f_locals[_GIVEN], prepared, new_task)
    return None


def _prepare(coro: Any, given: Any, prepared: dict[Any, T], new_task: Callable[[Any], T]) -> T:
    if not isinstance(given, Sequence) or not all(asyncio.iscoroutine(part) for part in given):
        coro.close()
        raise TypeError(
            "asyncio.as_completed gives coroutines no fixed order unless it gets a list or tuple of coroutines "
            "alone: give it tasks, or use workflow.as_completed."
        )
    prepared.clear()
    prepared.update((part, new_task(part)) for part in dict.fromkeys(given))
    return prepared.pop(coro)
