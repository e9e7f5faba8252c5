"""Work that is done once more if somebody has asked for it meanwhile: who asks is never left out, and it is
never done twice at a time for one session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dalsegno._log import get_logger
from dalsegno.errors import BrokerUnavailableError, TopologyError

log = get_logger("dalsegno.worker")


class OnceMore:
    """`work` is what is done, `name` what it is called in the log when the broker puts an end to it: who owns
    the session has been told that it is gone, or that a queue is, and builds another."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[None]], name: str) -> None:
        self._loop = loop
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._is_asked = False

    @property
    def is_under_way(self) -> bool:
        return self._task is not None

    def ask(self) -> None:
        self._is_asked = True
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    async def wait(self) -> None:
        """Until what is under way is over, if something is."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def stop(self) -> None:
        """What is under way ends where it is. Who asks from now on asks for another session's, and does not
        wait for that end: it would not be heard by what has been stopped."""
        task, self._task, self._is_asked = self._task, None, False
        if task is not None:
            task.cancel()

    async def _run(self) -> None:
        mine = asyncio.current_task()
        try:
            while self._is_asked and self._task is mine:
                self._is_asked = False
                await self._work()
        except (BrokerUnavailableError, TopologyError) as error:
            log.debug(f"{self._name}_given_up", reason=str(error))
        finally:
            if self._task is mine:
                self._task = None
