"""What a worker consumes: its task queue, and each level of it that is in use.

Levels come into use when somebody first asks for a priority. A worker that was there before hears of it from a
host, in its own queue; one that comes later looks for itself. What it cannot have (its user has no right to it,
or it was deleted) it goes without, and looks again when it hears of it again: what waits there is put into the
task queue by a host, if no worker reads it.

Each level is consumed with the same prefetch, so that an urgent task is at hand when the next slot is free, be
the task queue as long as it may. The order of what is at hand is the dispatcher's. Where nothing is at hand, as
long early work has had it given back, the most urgent level is asked first, and a less urgent one only if a
slot is free still: else whoever answers first would have it, and what stands behind the urgent would come and
go again and again, until it is taken for what kills workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from dalsegno._log import get_logger
from dalsegno.broker.port import OnClosed, Session
from dalsegno.broker.topology import task_queue
from dalsegno.errors import BrokerUnavailableError, TopologyError
from dalsegno.loop_clock import LoopClock, sleep
from dalsegno.priority import LEVELS, ORDINARY, at_level
from dalsegno.workers.dispatcher import TaskDispatcher
from dalsegno.workers.intake import TaskIntake
from dalsegno.workers.once_more import OnceMore
from dalsegno.workers.settings import WorkerTiming

log = get_logger("dalsegno.worker")

HINT = "tasks of that level come by the task queue itself, and stand behind what waits there"


class Intakes:
    """`slots` and `spare` as for one of them, which fetches what is ordinary."""

    def __init__(
        self,
        name: str,
        dispatcher: TaskDispatcher,
        *,
        slots: int,
        spare: int,
        loop: asyncio.AbstractEventLoop,
        clock: LoopClock,
        timing: WorkerTiming,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._timing = timing
        intakes = {
            level: TaskIntake(
                task_queue(at_level(name, level)),
                dispatcher,
                slots=slots,
                spare=_spare(level, spare),
                loop=loop,
                clock=clock,
                timing=timing,
            )
            for level in LEVELS
        }
        self._dispatcher = dispatcher
        self._ordinary = ordinary = intakes[ORDINARY]
        self._queues = [intake.queue for intake in intakes.values()]
        """The most urgent first."""
        self._levels = {
            level: intake
            for level, intake in intakes.items()
            if intake.queue != ordinary.queue  # a long name leaves no room for levels
        }
        dispatcher.listener = self
        self._session: Session | None = None
        self._on_closed: OnClosed | None = None
        self._open: dict[str, TaskIntake] = {}
        """By queue, those that are consumed."""
        self._begun: set[int] = set()
        """Levels that are, or are about to be."""
        self._opening: set[asyncio.Task[None]] = set()
        self._making_room = OnceMore(loop, self._make_room, "room")
        self._draining = False
        self._refused: set[str] = set()

    # --- the life of a session ---------------------------------------------------------------------------

    async def open(self, session: Session, on_closed: OnClosed) -> None:
        """As an intake's."""
        self._session, self._on_closed = session, on_closed
        self._open = {self._ordinary.queue: self._ordinary}
        await self._ordinary.open(session, on_closed)
        for level, intake in self._levels.items():
            if not await self._is_there(session, intake.queue):
                if level == LEVELS[0]:
                    break  # without it there are no others
            elif level not in self._begun:
                await self._open_level(level, session, on_closed)

    async def _is_there(self, session: Session, queue: str) -> bool:
        try:
            return await session.queue_depth(queue) is not None
        except TopologyError as error:
            self._refuse(queue, error)
            return False

    async def _open_level(self, level: int, session: Session, on_closed: OnClosed) -> None:
        intake = self._levels[level]
        self._begun.add(level)
        try:
            if level > ORDINARY:
                await self._ordinary.fetch_ahead()
            await intake.open(session, on_closed)
        except TopologyError as error:
            intake.close()
            self._begun.discard(level)
            self._refuse(intake.queue, error)
        else:
            self._open[intake.queue] = intake
            self._refused.discard(intake.queue)

    def _refuse(self, queue: str, error: TopologyError) -> None:
        if queue not in self._refused:
            self._refused.add(queue)
            log.warning("level_not_consumed", queue=queue, reason=str(error), hint=HINT)

    def close(self) -> None:
        """The session is closed, or about to be."""
        self._session = None
        for task in self._opening:
            task.cancel()
        self._making_room.stop()
        for intake in (self._ordinary, *self._levels.values()):
            intake.close()
        self._open = {}
        self._begun = set()

    def stop(self) -> None:
        """Take no more tasks."""
        self._draining = True
        for intake in (self._ordinary, *self._levels.values()):
            intake.stop()

    async def watch(self, session: Session) -> str:
        """Return, saying so, when a queue has tasks that the broker does not deliver to this idle worker."""
        while True:
            await sleep(self._clock, self._timing.watchdog)
            for queue, intake in list(self._open.items()):
                if await intake.is_forgotten(session):
                    return f"the broker delivers nothing although {queue} has tasks"

    # --- deliveries --------------------------------------------------------------------------------------

    def on_levels(self, levels: Iterable[int]) -> None:
        """A host says that these are in use."""
        session, on_closed = self._session, self._on_closed
        if session is None or on_closed is None or self._draining:
            return
        for level in levels:
            if level in self._levels and level not in self._begun:
                self._begun.add(level)
                opening = self._loop.create_task(self._open_soon(level, session, on_closed))
                self._opening.add(opening)
                opening.add_done_callback(self._opening.discard)

    async def _open_soon(self, level: int, session: Session, on_closed: OnClosed) -> None:
        try:
            await self._open_level(level, session, on_closed)
        except BrokerUnavailableError as error:
            # Who owns the session has been told that it is gone, and builds another.
            log.debug("level_not_opened", level=level, reason=str(error))

    def on_backlog(self) -> None:
        for intake in self._open.values():
            intake.on_backlog()

    def on_unanswered(self) -> None:
        for intake in self._open.values():
            intake.on_unanswered()

    def on_room(self) -> None:
        if len(self._open) == 1:
            self._ordinary.on_room()
        elif self._making_room.is_under_way or any(intake.is_unusual for intake in self._open.values()):
            self._making_room.ask()

    async def _make_room(self) -> None:
        may_open = True
        for queue in (at for at in self._queues if at in self._open):
            session = self._session
            if session is None:
                return
            if await self._open[queue].make_room(may_open=may_open):
                # By the time of the answer, what the broker had for us is here.
                await session.queue_depth(queue)
            may_open = self._dispatcher.has_slot


def _spare(level: int, spare: int) -> int:
    """The next one is always at hand: while it is fetched, something less urgent would take its slot."""
    if level == ORDINARY:
        return spare
    return max(spare, 1) if level < LEVELS[-1] else 0
