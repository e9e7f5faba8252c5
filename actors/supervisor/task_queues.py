"""What a host does with task queues beside publishing: it declares them, and looks whether they are empty."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dalsegno._log import get_logger
from dalsegno.broker import topology
from dalsegno.broker.port import Session
from dalsegno.errors import DalsegnoError

log = get_logger()

RETRY_SECONDS = 0.5


class TaskQueues:
    """`session` is that of the moment, None while there is none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, session: Callable[[], Session | None]) -> None:
        self._loop = loop
        self._session = session
        self._declaring: dict[str, asyncio.Task[None]] = {}
        self._probes: set[asyncio.Task[None]] = set()

    def declare(self, name: str, declared: Callable[[str], None]) -> None:
        """After as many tries as it takes; nothing, if that is under way."""
        if name not in self._declaring:
            self._declaring[name] = self._loop.create_task(self._declare(name, declared))

    async def _declare(self, name: str, declared: Callable[[str], None]) -> None:
        try:
            while True:
                if await self._is_declared(name):
                    break
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            del self._declaring[name]
        declared(name)

    async def _is_declared(self, name: str) -> bool:
        session = self._session()
        if session is None:
            return False
        try:
            await session.declare(topology.declare_task_queue(name))
        except DalsegnoError as error:
            log.warning("task_queue_not_declared", task_queue=name, reason=str(error))
            return False
        return True

    def probe(self, name: str, found_empty: Callable[[], None]) -> None:
        """Look once; who cannot look now asks again later."""
        task = self._loop.create_task(self._probe(name, found_empty))
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _probe(self, name: str, found_empty: Callable[[], None]) -> None:
        session = self._session()
        if session is None:
            return
        try:
            depth = await session.queue_depth(topology.task_queue(name))
        except DalsegnoError as error:
            log.warning("task_queue_not_probed", task_queue=name, reason=str(error))
            return
        if not depth:
            found_empty()

    def close(self) -> None:
        for task in (*self._declaring.values(), *self._probes):
            task.cancel()
