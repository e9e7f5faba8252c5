"""What a host does with task queues beside publishing: it declares them, looks whether they are empty, and
whether they are still those that were declared. What lay in one that was deleted is lost, whoever declares it
again: a worker does so at once, and unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.state_log import StateLog
from dalsegno.backoff import Backoff
from dalsegno.broker import topology
from dalsegno.broker.port import Session
from dalsegno.errors import DalsegnoError
from dalsegno.name_rules import LEVEL_MARK, is_level
from dalsegno.priority import named

log = get_logger()

RETRY_SECONDS = (0.5, 30.0)
"""The first pause and the longest before a queue is declared again; doubles in between. A try in vain costs a
channel."""
WAIT_SECONDS = 0.5
"""For a session."""
WHAT_TO_DO = "its tasks wait and nothing fails; they leave by themselves as soon as it can be declared"
LOOK_SECONDS = 3.0
"""Between two looks at all of them, one after the other."""
NEWS_SECONDS = 2.0
"""Hosts find the same loss within that time, and tell one another: only as long as the first of them declares
and marks the queue can another find it gone. What is found later is another loss."""

HEEDED_MAX = 10_000
"""Task queues that are looked at, of which there may be ever new ones: those of late. Of what was in another
that was deleted it is found out later, as of all that nobody begins."""


class TaskQueues:
    """`session` is that of the moment, None while there is none. `lost` is told of a task queue that was
    deleted and is there again, empty; `tell_others` of one that we have found to be gone ourselves."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        session: Callable[[], Session | None],
        *,
        lost: Callable[[str], None],
        tell_others: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._session = session
        self._lost = lost
        self._tell_others = tell_others
        self._said = StateLog()
        self._heeded: dict[str, bool] = {}
        """Tasks of ours may lie in them; and whether they were seen with their mark, which is gone once they
        were deleted. Those of late at the end."""
        self._found_lost_at: dict[str, float] = {}
        """Oldest first, and none that is no news any more."""
        self._heard_lost: set[str] = set()
        """While they were being declared."""
        self._declaring: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    def declare(self, name: str, declared: Callable[[str], None] | None = None) -> None:
        """After as many tries as it takes, also where the broker refuses it until somebody mends that; nothing,
        if that is under way. None waits for another."""
        if name not in self._declaring:
            self._declaring[name] = self._loop.create_task(self._declare(name, declared))

    async def _declare(self, name: str, declared: Callable[[str], None] | None) -> None:
        is_lost, pauses, subject = False, Backoff(*RETRY_SECONDS), f"task queue {name}"
        try:
            while True:
                session, pause = self._session(), WAIT_SECONDS
                if session is not None:
                    try:
                        is_lost = is_lost or await self._is_gone(session, name)
                        await session.declare(topology.declare_task_queue(name))
                        break
                    except DalsegnoError as error:
                        self._said.trouble(
                            "task_queue_not_declared", subject, str(error), what_to_do=WHAT_TO_DO
                        )
                        pause = pauses.next_seconds()
                await asyncio.sleep(pause)
            self._said.well("task_queue_declared", subject)
            self.heed(name)
            await self._mark(session, name)
        finally:
            del self._declaring[name]
        if declared is not None:
            declared(name)
        if is_lost:
            self._note_lost(name)
            log.warning(
                "task_queue_lost", task_queue=name, reason="it was deleted: what lay in it is sent again"
            )
            self._tell_others(name)
        if is_lost or name in self._heard_lost:
            self._heard_lost.discard(name)
            self._lost(name)

    # --- whether it is still there ------------------------------------------------------------------------

    def heed(self, name: str) -> None:
        """Tasks of ours may lie in it."""
        self._heeded[name] = self._heeded.pop(name, False)
        if len(self._heeded) > HEEDED_MAX:
            del self._heeded[next(iter(self._heeded))]

    @property
    def levels(self) -> list[str]:
        """Of those, the ones that are levels of task queues."""
        return [name for name in self._heeded if LEVEL_MARK in name and is_level(name)]

    def look_soon(self) -> None:
        """At all that are heeded, beside the loop's work."""
        if self._looking is None or self._looking.done():
            self._looking = self._spawn(self._look())

    async def _look(self) -> None:
        for name in sorted(self._heeded):
            session = self._session()
            if session is None or not session.is_open:
                return
            if name in self._declaring or name not in self._heeded:
                continue
            try:
                is_gone = await self._is_gone(session, name)
                if not is_gone and not self._heeded.get(name, True):
                    await self._mark(session, name)
            except DalsegnoError as error:
                log.debug("task_queue_not_looked_at", task_queue=name, reason=str(error))
                continue  # others may be looked at, unless the session is ending
            if is_gone:
                self.declare(name)

    async def _is_gone(self, session: Session, name: str) -> bool:
        """Tasks of ours lay in it, and it was deleted. One that was never seen marked may be an old one."""
        if name not in self._heeded:
            return False
        queue = topology.task_queue(name)
        if self._heeded[name]:
            return not await session.has_mark(queue)
        return await session.queue_depth(queue) is None

    async def _mark(self, session: Session, name: str) -> None:
        self._set_marked(name, is_marked=False)
        try:
            await session.mark_queue(topology.task_queue(name))
        except DalsegnoError as error:
            self._said.trouble("task_queue_not_marked", f"mark of task queue {name}", str(error))
        else:
            self._said.well("task_queue_marked", f"mark of task queue {name}")
            self._set_marked(name, is_marked=True)

    def _set_marked(self, name: str, *, is_marked: bool) -> None:
        if name in self._heeded:  # it may have been forgotten meanwhile
            self._heeded[name] = is_marked

    def _note_lost(self, name: str) -> None:
        lost = self._found_lost_at
        lost.pop(name, None)
        lost[name] = now = self._loop.time()
        while now - lost[first := next(iter(lost))] > NEWS_SECONDS:
            del lost[first]

    def heard_lost(self, name: str) -> None:
        """Another host has found it gone, and has declared it anew."""
        found_at = self._found_lost_at.get(name)
        if name in self._declaring:
            self._heard_lost.add(name)
        elif found_at is None or self._loop.time() - found_at > NEWS_SECONDS:
            self._lost(name)

    # --- whether it is empty ------------------------------------------------------------------------------

    def probe(self, name: str, found_empty: Callable[[], None]) -> None:
        """Look once; who cannot look now asks again later."""
        self._spawn(self._probe(name, found_empty))

    async def _probe(self, name: str, found_empty: Callable[[], None]) -> None:
        session = self._session()
        if session is None:
            return
        # What is of a level may have been put into the task queue itself (see `level_queues`).
        for queue in dict.fromkeys((name, named(name))):
            try:
                depth = await session.queue_depth(topology.task_queue(queue))
            except DalsegnoError as error:
                log.warning("task_queue_not_probed", task_queue=queue, reason=str(error))
                return
            if depth:
                return
        found_empty()

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        for task in (*self._declaring.values(), *self._tasks):
            task.cancel()
