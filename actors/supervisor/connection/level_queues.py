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
from dalsegno.broker.port import Delivery, Outcome, Outgoing, Publisher, Session
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
    "let others consume the queues of levels, too (docs/protocol-worker.md)"
)
REFUSED_HINT = "the task queue takes no more, by a limit of its length, say: what waits stays where it is"


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
        self._refused: set[str] = set()
        """Whose task queue took none of it at the last try: the next begins with one."""
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
        move = Move(name)
        await move.run(session, at_once=1 if name in self._refused else AT_ONCE)
        if move.refused:
            self._refused.add(name)
            log.warning("tasks_not_moved", task_queue=task_queue, level=level_in(name), hint=REFUSED_HINT)
        else:
            self._refused.discard(name)
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
    """All that is in a level goes to its task queue, at its end. What that refuses (it is full, say) is put
    into the level anew: given back, it would count as delivered once more, and a task that was delivered too
    often is taken for one that kills workers."""

    def __init__(self, name: str) -> None:
        self._level = topology.task_queue(name)
        self._queue = topology.task_queue(named(name))
        self._delivered = self._under_way = 0
        self._over = False
        self._news = asyncio.Event()
        self._publisher: Publisher | None = None
        self._acknowledge: Callable[[int], None] = lambda tag: None
        self.refused = False
        self.moved = 0

    async def run(self, session: Session, *, at_once: int) -> None:
        """Raises BrokerUnavailableError and TopologyError."""
        self._publisher = await session.open_publisher(on_closed=self._closed)
        try:
            consumer = await session.open_consumer(
                self._level, prefetch=at_once, on_delivery=self._on_delivery, on_closed=self._closed
            )
            self._acknowledge = consumer.acknowledge
            try:
                async with asyncio.timeout(MOVE_SECONDS):
                    await self._until_empty(session)
                    await consumer.cancel()
                    await self._until_settled()
            except TimeoutError:
                pass  # what is left stays for the next look
            finally:
                await consumer.close()
        finally:
            await self._publisher.close()

    async def _until_empty(self, session: Session) -> None:
        """Twice in a row, and nothing came in between: what the broker has just handed out is neither in the
        queue nor here."""
        quiet = seen = 0
        while not self._over:
            self._news.clear()
            is_quiet = not self._under_way and self._delivered == seen
            seen = self._delivered
            quiet = quiet + 1 if is_quiet and not await session.queue_depth(self._level) else 0
            if quiet == 2:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._news.wait()

    async def _until_settled(self) -> None:
        while self._under_way:
            self._news.clear()
            await self._news.wait()

    def _closed(self, reason: str) -> None:
        self._over = True
        self._news.set()

    def _on_delivery(self, delivery: Delivery) -> None:
        self._delivered += 1
        self._under_way += 1
        self._put(delivery, self._level if self.refused else self._queue)

    def _put(self, delivery: Delivery, queue: str) -> None:
        assert self._publisher is not None
        settled = partial(self._settled, delivery, queue)
        self._publisher.publish([Outgoing("", queue, delivery.message, settled)])

    def _settled(self, delivery: Delivery, queue: str, outcome: Outcome) -> None:
        if outcome is Outcome.CONFIRMED:
            self.moved += queue == self._queue
            self._acknowledge(delivery.tag)
        else:
            self._over = True
            if outcome is not Outcome.LOST and queue == self._queue:
                self.refused = True
                self._put(delivery, self._level)
                self._news.set()
                return
        self._under_way -= 1
        self._news.set()
