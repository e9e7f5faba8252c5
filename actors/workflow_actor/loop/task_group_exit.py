"""asyncio.TaskGroup takes what derives from CancelledError for a cancellation, as newer Pythons' does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

_leave: Callable[..., Coroutine[Any, Any, None]] = asyncio.TaskGroup.__aexit__


async def _aexit(
    group: asyncio.TaskGroup,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
) -> None:
    # It compares the class itself, and nothing else of it.
    of_asyncio = kind is not None and issubclass(kind, asyncio.CancelledError)
    await _leave(group, asyncio.CancelledError if of_asyncio else kind, error, trace)


def accept_derived_cancellations() -> None:
    asyncio.TaskGroup.__aexit__ = _aexit  # type: ignore[assignment,method-assign]
