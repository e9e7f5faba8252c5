"""The levels of task queues: workers are told which are in use, and what waits in one that none of them reads
is put into the task queue itself, where all of them look. Workers of older versions, and others that know their
task queue alone, are to get it late rather than never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from dalsegno._log import get_logger
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Outcome, Outgoing, Session
from dalsegno.broker.protocol.messages import TaskLevels
from dalsegno.errors import DalsegnoError
from dalsegno.name_rules import is_level
from dalsegno.priority import level_in, named

log = get_logger()

AT_ONCE = 100
"""Tasks that are on their way from a level to its task queue."""
LOOK_AGAIN_SECONDS = 0.2
"""Whether anything is left, where nothing happens: somebody else may have taken it."""
MOVE_SECONDS = 30.0
"""Then it goes on at the next look."""
HINT = (
    "no worker reads that level, and some read the task queue alone: replace workers of older versions, and "
    "let others consume the queues of levels, too (docs/protocol.md)"
)


class LevelQueues:
    """`in_use` are the levels in which tasks of ours may lie. `tell` sends a word to those who listen."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        session: Callable[[], Session | None],
        *,
        in_use: Callable[[], Iterable[str]],
        tell: Callable[[str, TaskLevels], None],
    ) -> None:
        self._loop = loop
        self._session = session
        self._in_use = in_use
        self._tell = tell
        self._unread: set[str] = set()
        """Found so by the last look. Only at the second time is anything done: a worker that has just heard of
        a level, or that comes back, needs a moment."""
        self._looking: asyncio.Task[None] | None = None

    def declared(self, name: str) -> None:
        """A task queue is there; perhaps a level, of which nobody has heard yet."""
        if is_level(name):
            self._say(named(name), [name])

    def look_soon(self) -> None:
        if self._looking is None or self._looking.done():
            names = list(self._in_use())
            if names:
                self._looking = self._loop.create_task(self._look(names))

    def _say(self, task_queue: str, names: Iterable[str]) -> None:
        levels = tuple(level for level in map(level_in, sorted(names)) if level is not None)
        self._tell(task_queue, TaskLevels(task_queue=task_queue, levels=levels))

    async def _look(self, names: list[str]) -> None:
        of_queue: dict[str, list[str]] = {}
        for name in names:
            of_queue.setdefault(named(name), []).append(name)
        unread: set[str] = set()
        for task_queue, levels in of_queue.items():
            self._say(task_queue, levels)
            for name in levels:
                session = self._session()
                if session is None or not session.is_open:
                    return
                try:
                    if not await _is_unread(session, name):
                        continue
                    unread.add(name)
                    if name in self._unread:
                        await self._move(session, name)
                except DalsegnoError as error:
                    log.debug("level_not_looked_at", task_queue=task_queue, reason=str(error))
        self._unread = unread

    async def _move(self, session: Session, name: str) -> None:
        """Each is confirmed in the task queue before it is removed from the level; where this ends in between,
        it is in both, and known by its token."""
        task_queue = named(name)
        log.warning("level_not_read", task_queue=task_queue, level=level_in(name), hint=HINT)
        move = Move(task_queue)
        await move.run(session, name)
        log.info("tasks_moved", task_queue=task_queue, level=level_in(name), tasks=move.moved)

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()


async def _is_unread(session: Session, name: str) -> bool:
    """Tasks wait in the level and nobody takes them, though somebody takes those of the task queue. Where
    nobody does either, they wait for whoever comes."""
    level = topology.task_queue(name)
    return (
        bool(await session.queue_depth(level))
        and not await session.has_consumers(level)
        and await session.has_consumers(topology.task_queue(named(name)))
    )


class Move:
    """All that is in a level goes to its task queue, at its end."""

    def __init__(self, task_queue: str) -> None:
        self._queue = topology.task_queue(task_queue)
        self._under_way = 0
        self._over = False
        self._news = asyncio.Event()
        self.moved = 0

    async def run(self, session: Session, name: str) -> None:
        """Raises BrokerUnavailableError and TopologyError."""
        publisher = await session.open_publisher(on_closed=self._closed)
        try:

            def on_delivery(delivery: Delivery) -> None:
                self._under_way += 1
                settled = partial(self._settled, consumer.acknowledge, delivery.tag)
                publisher.publish([Outgoing("", self._queue, delivery.message, settled)])

            consumer = await session.open_consumer(
                topology.task_queue(name), prefetch=AT_ONCE, on_delivery=on_delivery, on_closed=self._closed
            )
            try:
                async with asyncio.timeout(MOVE_SECONDS):
                    await self._until_empty(session, topology.task_queue(name))
            except TimeoutError:
                pass  # what is left stays for the next look
            finally:
                await consumer.close()
        finally:
            await publisher.close()

    async def _until_empty(self, session: Session, queue: str) -> None:
        """Twice in a row: what the broker has just handed out is neither in the queue nor here."""
        quiet = 0
        while not self._over:
            self._news.clear()
            quiet = 0 if self._under_way or await session.queue_depth(queue) else quiet + 1
            if quiet == 2:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._news.wait()

    def _closed(self, reason: str) -> None:
        self._over = True
        self._news.set()

    def _settled(self, acknowledge: Callable[[int], None], tag: int, outcome: Outcome) -> None:
        """What was not taken returns to the level when the consumer is closed."""
        self._under_way -= 1
        self._news.set()
        if outcome is Outcome.CONFIRMED:
            self.moved += 1
            acknowledge(tag)
        else:
            self._over = True
