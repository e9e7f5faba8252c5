"""Consuming a task queue, or a level of one, with as much prefetch as there is room for.

Late work stays unacknowledged while it runs, so the broker's prefetch bounds it. Early work is acknowledged
before it runs, and the broker would deliver another task for each that runs, for the worker to sit on: for
hours, while other workers idle, and up to RabbitMQ's limit of 30 minutes, after which the channel is closed. So
when tasks have waited for a while and early work is the reason, the channel is *retired*: it is cancelled, what
it holds is finished, it is closed (which gives back what was not begun), and a channel with a smaller prefetch
takes its place. Short early activities never come to that.
"""

from __future__ import annotations

import asyncio

from dalsegno.broker.port import Consumer, Delivery, OnClosed, Session
from dalsegno.loop_clock import LoopClock, SetTimer
from dalsegno.workers.acknowledgements import Acknowledgements
from dalsegno.workers.dispatcher import TaskDispatcher
from dalsegno.workers.once_more import OnceMore
from dalsegno.workers.settings import WorkerTiming


class TaskChannel:
    """One consumer on the task queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop, prefetch: int) -> None:
        self.prefetch = prefetch
        self.acknowledgements = Acknowledgements(loop)
        self.consumer: Consumer | None = None
        self.delivered = 0
        self.retired = False

    @property
    def held(self) -> int:
        """Deliveries that are not done with."""
        return self.delivered - self.acknowledgements.finished


class TaskIntake:
    """`slots` may run at once; `spare` more are fetched, to be at hand while outcomes are confirmed."""

    def __init__(
        self,
        queue: str,
        dispatcher: TaskDispatcher,
        *,
        slots: int,
        spare: int,
        loop: asyncio.AbstractEventLoop,
        clock: LoopClock,
        timing: WorkerTiming,
    ) -> None:
        self.queue = queue
        self._dispatcher = dispatcher
        self._slots = slots
        self._spare = spare
        self._loop = loop
        self._clock = clock
        self._timing = timing
        self._session: Session | None = None
        self._on_closed: OnClosed | None = None
        self._channels: list[TaskChannel] = []
        self._draining = False
        self._impatience: SetTimer | None = None
        self._adjusting = OnceMore(loop, self._adjust, "prefetch")
        self._may_open = True
        self._delivered_before, self._suspicions = -1, 0
        """For `is_forgotten`."""

    # --- the life of a session ---------------------------------------------------------------------------

    async def open(self, session: Session, on_closed: OnClosed) -> None:
        """Begin to consume. `on_closed` as for a consumer: the session is to be rebuilt then.

        Raises BrokerUnavailableError.
        """
        self._session, self._on_closed = session, on_closed
        self._may_open = True
        self._delivered_before, self._suspicions = -1, 0
        if not self._draining and self._prefetch_wanted:
            await self._open_channel(self._prefetch_wanted)

    def close(self) -> None:
        """The session is closed, or about to be."""
        self._session = None
        self._adjusting.stop()
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
        for channel in self._channels:
            channel.acknowledgements.flush()
        self._channels = []

    def stop(self) -> None:
        """Take no more tasks: retire all channels, for good."""
        self._draining = True
        self._adjust_soon()

    async def fetch_ahead(self) -> None:
        """From now on the next task is here before a slot is free."""
        if not self._spare:
            self._spare = 1
            if not self._draining:
                await self._open_channel(1)

    async def is_forgotten(self, session: Session) -> bool:
        """Whether the queue has tasks that the broker does not deliver to this idle worker: asked now and then,
        and it was so at two times in a row."""
        delivered = sum(channel.delivered for channel in self._channels)
        idle = delivered == self._delivered_before and not self._draining and self._dispatcher.idle
        self._delivered_before = delivered
        self._suspicions = self._suspicions + 1 if idle and await session.queue_depth(self.queue) else 0
        return self._suspicions == 2

    # --- deliveries --------------------------------------------------------------------------------------

    def on_backlog(self) -> None:
        """A task waits for a slot."""
        if self._impatience is None:
            self._impatience = self._clock.call_later(self._timing.backlog_patience, self._on_impatience)

    def on_unanswered(self) -> None:
        """Another task is fetched in place of one that waits for its grant."""
        self._adjust_soon()

    def on_room(self) -> None:
        """An attempt ended. Only matters while the prefetch is not what it usually is."""
        if self.is_unusual:
            self._adjust_soon()

    @property
    def is_unusual(self) -> bool:
        """The prefetch is not what it usually is."""
        return self._draining or len(self._channels) != 1 or self._channels[0].prefetch < self._slots

    async def make_room(self, *, may_open: bool) -> bool:
        """As `on_room`, unless nothing more is to be fetched now. Whether more is, by the time of return."""
        self._may_open, before = may_open, set(self._channels)
        self.on_room()
        await self._adjusting.wait()
        return not before.issuperset(self._channels)

    def _on_impatience(self) -> None:
        self._impatience = None
        if self._dispatcher.backlog_since is not None:
            self.on_backlog()
            self._adjust_soon()

    # --- the right prefetch ------------------------------------------------------------------------------

    @property
    def _prefetch_wanted(self) -> int:
        early = self._dispatcher.early_running
        room = max(0, self._slots - early) if early else self._slots + self._spare
        if self._dispatcher.is_full:
            room = 0
        return room + self._dispatcher.unanswered

    @property
    def _waited_too_long(self) -> bool:
        since = self._dispatcher.backlog_since
        return since is not None and self._clock.time() - since >= self._timing.backlog_patience

    def _adjust_soon(self) -> None:
        if self._session is not None and self._session.is_open:
            self._adjusting.ask()

    async def _adjust(self) -> None:
        if self._draining or (self._bound > self._prefetch_wanted and self._waited_too_long):
            for channel in list(self._channels):
                await self._retire(channel)
        for channel in [channel for channel in self._channels if channel.retired]:
            await self._close_if_done(channel)
        missing = self._prefetch_wanted - self._bound
        # In few and growing steps, not one channel for each activity that ends.
        step = min(self._prefetch_wanted, self._slots)
        if self._may_open and not self._draining and missing > 0 and missing * 2 >= step:
            await self._open_channel(missing)

    @property
    def _bound(self) -> int:
        """How much may be unacknowledged here at once."""
        return sum(channel.held if channel.retired else channel.prefetch for channel in self._channels)

    async def _retire(self, channel: TaskChannel) -> None:
        if not channel.retired and channel.consumer is not None:
            channel.retired = True
            await channel.consumer.cancel()

    async def _close_if_done(self, channel: TaskChannel) -> None:
        """Close a retired channel when nothing that was begun is unacknowledged on it."""
        if channel.held > self._dispatcher.waiting(channel.acknowledgements) or channel.consumer is None:
            return
        self._dispatcher.forget_waiting(channel.acknowledgements)
        self._channels.remove(channel)
        channel.acknowledgements.flush()
        await channel.consumer.close()

    async def _open_channel(self, prefetch: int) -> None:
        session, on_closed = self._session, self._on_closed
        if session is None or on_closed is None:
            return
        channel = TaskChannel(self._loop, prefetch)

        def on_delivery(delivery: Delivery) -> None:
            channel.delivered += 1
            self._dispatcher.on_task(delivery, channel.acknowledgements)

        channel.consumer = await session.open_consumer(
            self.queue, prefetch=prefetch, on_delivery=on_delivery, on_closed=on_closed
        )
        channel.acknowledgements.bind(channel.consumer)
        self._channels.append(channel)
