"""Whether the worker that runs an activity begins nothing any more, as its activities see it."""

from __future__ import annotations

import asyncio
import threading


class WorkerShutdown:
    """Asked for once, on the loop; looked at in any thread."""

    __slots__ = ("_async_event", "_thread_event")

    def __init__(self) -> None:
        self._async_event = asyncio.Event()
        self._thread_event = threading.Event()

    @property
    def is_asked_for(self) -> bool:
        return self._thread_event.is_set()

    def ask(self) -> None:
        """Twice is ordinary."""
        self._thread_event.set()
        self._async_event.set()

    async def wait(self) -> None:
        await self._async_event.wait()

    def wait_sync(self, timeout_seconds: float | None) -> None:
        self._thread_event.wait(timeout_seconds)
