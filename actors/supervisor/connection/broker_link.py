"""The host's connection to the broker: opened, watched, and rebuilt whole after any close.

It keeps a publisher and a consumer for each partition that the host wants, and tells its listener what opened
and what was lost. Nothing of an old session is ever used on a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.connection.channel_limit import require_channels
from dalsegno.actors.supervisor.connection.hearing import Hearing
from dalsegno.actors.supervisor.connection.namespace_keeper import NamespaceKeeper
from dalsegno.actors.supervisor.connection.services import OnService, Service
from dalsegno.actors.supervisor.connection.starved import STARVED, WATCH_SECONDS, StarvedWatch
from dalsegno.actors.supervisor.deliveries.channel import Channel
from dalsegno.actors.supervisor.failing.state_log import StateLog
from dalsegno.backoff import Backoff
from dalsegno.broker import topology
from dalsegno.broker.port import (
    Broker,
    Consumer,
    Delivery,
    Fault,
    Outcome,
    Outgoing,
    Publisher,
    Session,
    Topology,
)
from dalsegno.errors import ConfigurationError, DalsegnoError, TopologyError
from dalsegno.partition_id import PartitionID

log = get_logger()

RETRY_SECONDS = (0.2, 1.5)
"""The first pause and the longest. Everything waits for the broker: it is not kept waiting in its turn."""

REBUILD_SECONDS = 0.3
"""Between the news that the namespace was declared anew and the rebuilding of all consumers."""

SETTLED_SECONDS = 10.0
"""A session that lasted so long was a good one: if it is lost, the next is opened without a pause."""


class LinkListener(Protocol):
    """Called on the loop, in plain callbacks."""

    def publisher_opened(self) -> None: ...

    def publisher_closed(self, fault: Fault, reason: str) -> None: ...

    def namespace_declared(self) -> None:
        """Something of it was missing, and is there again."""

    def channel_opened(self, channel: Channel) -> None: ...

    def channel_lost(self, partition: PartitionID) -> None: ...

    def delivered(self, channel: Channel, delivery: Delivery) -> None: ...

    def flush_soon(self, channel: Channel) -> None: ...

    def failed(self, error: BaseException) -> None:
        """A task of the link met what it does not expect, and has ended: the process must end."""


class BrokerLink:
    """`declare` makes sure of the namespace on every new session. `services` are further queues that every host
    consumes (control, dead tasks, its own), each with the function that takes its deliveries."""

    def __init__(
        self,
        broker: Broker,
        listener: LinkListener,
        *,
        name: str,
        declare: Callable[[Session], Awaitable[None]],
        partitions: Sequence[PartitionID],
        prefetch: int,
    ) -> None:
        self._broker = broker
        self._listener = listener
        self._name = name
        self._said = StateLog()
        self._namespace = NamespaceKeeper(
            declare,
            session=lambda: self._session,
            declared=self._namespace_declared,
            said=self._said,
            spawn=self._spawn,
        )
        self.hearing = Hearing(
            partitions=partitions,
            name=name,
            mend=self.mend_namespace,
        )
        self._partitions = len(partitions)
        self._prefetch = prefetch
        self._session: Session | None = None
        self._unready: Session | None = None
        """One that is being opened."""
        self._publisher: Publisher | None = None
        self._publisher_end = (Fault.NONE, "the connection was lost")
        self._wanted: dict[PartitionID, int] = {}
        self._wishes = 0
        self._consumers: dict[PartitionID, tuple[Channel, Consumer]] = {}
        self._opening: dict[PartitionID, asyncio.Task[None]] = {}
        self._services: dict[str, Service] = {}
        self._rebuilding: asyncio.Task[None] | None = None
        self._is_rebuild_due = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost = asyncio.Event()
        self._stopping = False

    def serve(self, queue: str, needed: Topology, on_delivery: OnService) -> None:
        """Consume a queue beside the partitions', from the next session on, or at once if there is one.
        `needed` is declared before."""
        service = self._services[queue] = Service(queue, needed, on_delivery, self._said)
        if self._session is not None:
            self._spawn(service.serve(self._session))

    def stop_serving(self, queue: str) -> None:
        """The queue is deleted."""
        service = self._services.pop(queue, None)
        if service is not None:
            self._spawn(self._quietly(service.stop()))

    def mend_namespace(self) -> None:
        """Something of it is missing. Answered by `namespace_declared` when it is there again."""
        self._namespace.mend()

    def _namespace_declared(self) -> None:
        self.rebuild_consumers()
        self._listener.namespace_declared()

    def rebuild_consumers(self) -> None:
        """The namespace was declared anew, here or by another host. A queue that is deleted and declared again
        at once may keep a consumer that is never given anything, and never told so: all are rebuilt, once for
        all hosts that say so within a moment, and again for one that says so while they are."""
        self._is_rebuild_due = True
        if self._rebuilding is None or self._rebuilding.done():
            self._rebuilding = self._spawn(self._rebuild_all())

    async def _rebuild_all(self) -> None:
        reason = "the namespace was declared anew"
        while self._is_rebuild_due:
            await asyncio.sleep(REBUILD_SECONDS)
            self._is_rebuild_due = False
            for channel, consumer in list(self._consumers.values()):
                await self._rebuild(channel, consumer, reason)
            for service in list(self._services.values()):
                await self._quietly(service.rebuild(reason))

    async def _rebuild(self, channel: Channel, consumer: Consumer, reason: str) -> None:
        await self._quietly(consumer.close())
        self._on_consumer_closed(channel, reason)

    @property
    def session(self) -> Session | None:
        return self._session

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep a session open until `close`. Raises ConfigurationError if the very first one is refused for a
        reason that only a person can mend; later on even such a reason is waited out."""
        pauses = Backoff(*RETRY_SECONDS)
        first = True
        while not self._stopping:
            try:
                await self._open()
            except DalsegnoError as error:
                if first and isinstance(error, ConfigurationError):
                    raise
                self._said.trouble("broker_unavailable", "broker", str(error))
            else:
                self._said.well("broker_available", "broker")
                if first:
                    first = False
                    ready()
                opened_at = asyncio.get_running_loop().time()
                await self._lost.wait()
                await self._drop()
                if asyncio.get_running_loop().time() - opened_at >= SETTLED_SECONDS:
                    pauses.reset()
                    continue
            await asyncio.sleep(pauses.next_seconds())

    async def _open(self) -> None:
        self._lost.clear()
        session = await self._broker.connect(on_closed=self._on_session_closed, name=self._name)
        self._unready = session
        try:
            require_channels(session, self._partitions)
            await self._namespace.declare(session)
            await self.hearing.prove(session)
            self._publisher = await session.open_publisher(on_closed=self._on_publisher_closed)
        except BaseException:
            await session.close()
            raise
        self._unready, self._session = None, session
        self._listener.publisher_opened()
        self._spawn(self._watch_hearing(session))
        self._spawn(self._watch_deliveries(session))
        for service in list(self._services.values()):
            self._spawn(service.serve(session))
        for partition in sorted(self._wanted):
            self.open_channel(partition)

    async def _watch_hearing(self, session: Session) -> None:
        try:
            await self.hearing.keep_proving(session)
        except DalsegnoError as error:
            log.debug("probe_failed", reason=str(error))  # the session is ending
        if self._session is session and session.is_open:
            log.error(
                "cut_off",
                reason="the broker answers, but has taken no message for "
                f"{self.hearing.silent_seconds:.0f} s: its node may be cut off from its cluster",
            )
            self._lost.set()

    async def _drop(self) -> None:
        """Everything of the session is gone, whatever part of it broke first."""
        session, self._session = self._session, None
        if self._publisher is not None:
            self._publisher_end = self._publisher.fault, "the connection was lost"
        self._publisher = None
        self._listener.publisher_closed(*self._publisher_end)
        self._publisher_end = (Fault.NONE, "the connection was lost")
        for number in list(self._consumers):
            self._channel_gone(number)
        for task in self._opening.values():
            task.cancel()
        self._opening.clear()
        if session is not None:
            await session.close()

    def _on_session_closed(self, reason: str) -> None:
        if not self._stopping:
            log.warning("broker_connection_lost", reason=reason)
        self._lost.set()

    # --- publishing ---------------------------------------------------------------------------------------

    def publish(self, batch: Sequence[Outgoing]) -> None:
        if self._publisher is not None:
            self._publisher.publish(batch)
            return
        loop = asyncio.get_running_loop()
        for outgoing in batch:
            loop.call_soon(outgoing.on_outcome, Outcome.LOST)

    def _on_publisher_closed(self, reason: str) -> None:
        session, publisher = self._session, self._publisher
        self._publisher = None
        fault = Fault.TARGET if publisher is None else publisher.fault
        if session is None or not session.is_open or self._lost.is_set():
            # Some messages cost the whole connection: the next session's publisher finds out which.
            self._publisher_end = fault, reason
            self._lost.set()
            return
        log.debug("publisher_closed", reason=reason, fault=fault.value)  # the outbox says what follows
        self._listener.publisher_closed(fault, reason)
        self._spawn(self._reopen_publisher(session))

    async def _reopen_publisher(self, session: Session) -> None:
        # The broker says only afterwards whether the connection goes too; if it does, the session's end comes.
        await asyncio.sleep(0.05)
        if self._session is not session or self._lost.is_set():
            return
        try:
            self._publisher = await session.open_publisher(on_closed=self._on_publisher_closed)
        except DalsegnoError as error:
            log.warning("publisher_not_opened", reason=str(error))
            self._lost.set()
            return
        self._listener.publisher_opened()

    # --- partitions ---------------------------------------------------------------------------------------

    def open_channel(self, partition: PartitionID) -> None:
        """Consume the partition's queue, now and on every later session, until it is closed."""
        if partition not in self._wanted:
            self._wishes += 1
            self._wanted[partition] = self._wishes
        session = self._session
        if session is None or partition in self._opening or partition in self._consumers:
            return
        task = self._spawn(self._open_partition(session, partition))
        self._opening[partition] = task
        task.add_done_callback(
            lambda t: self._opening.pop(partition, None) if self._opening.get(partition) is t else None
        )

    async def _open_partition(self, session: Session, partition: PartitionID) -> None:
        wish = self._wanted.get(partition)
        channel = Channel(partition, self._listener.flush_soon)
        try:
            consumer = await session.open_consumer(
                topology.partition_queue(partition),
                prefetch=self._prefetch,
                on_delivery=partial(self._listener.delivered, channel),
                on_closed=partial(self._on_consumer_closed, channel),
                gathers=True,
            )
        except DalsegnoError as error:
            self._said.trouble("partition_not_consumed", f"partition {partition.number}", str(error))
            if isinstance(error, TopologyError):
                self._namespace.mend()  # somebody has deleted its queue
            await asyncio.sleep(1.0)
            self._open_again(session, partition)
            return
        if self._session is not session or wish != self._wanted.get(partition) or not consumer.is_open:
            # Given up meanwhile, and perhaps wanted again: what this channel was delivered is nobody's.
            channel.close()
            await self._quietly(consumer.close())
            self._open_again(session, partition)
            return
        self._said.well("partition_consumed_again", f"partition {partition.number}")
        self._consumers[partition] = (channel, consumer)
        channel.attach(consumer)
        self._listener.channel_opened(channel)

    def _open_again(self, session: Session, partition: PartitionID) -> None:
        self._opening.pop(partition, None)  # else it would seem to be under way still
        if self._session is session and partition in self._wanted:
            self.open_channel(partition)

    def _on_consumer_closed(self, channel: Channel, reason: str) -> None:
        known = self._consumers.get(channel.partition)
        if known is not None and known[0] is channel:
            log.warning("partition_channel_lost", partition=channel.partition.number, reason=reason)
            self._channel_gone(channel.partition)
        channel.close()

    def _channel_gone(self, partition: PartitionID) -> None:
        channel, _ = self._consumers.pop(partition)
        channel.close()
        self._listener.channel_lost(partition)

    def close_channel(self, partition: PartitionID) -> None:
        """An opening that is under way is not cut off, because its consumer might stay behind at the broker:
        it sees at its end that it is not wanted any more."""
        self._wanted.pop(partition, None)
        known = self._consumers.pop(partition, None)
        if known is not None:
            known[0].close()
            self._spawn(self._quietly(known[1].close()))

    async def _watch_deliveries(self, session: Session) -> None:
        """Rebuild consumers that are starved."""
        watch = StarvedWatch(session)
        while self._session is session:
            await asyncio.sleep(WATCH_SECONDS)
            watch.look_again()
            for channel, consumer in list(self._consumers.values()):
                if await watch.is_starved(channel):
                    await self._rebuild(channel, consumer, STARVED)
            for service in list(self._services.values()):
                if await watch.is_starved(service):
                    await self._quietly(service.rebuild(STARVED))

    # --- lifecycle ------------------------------------------------------------------------------------------

    async def _quietly(self, closing: object) -> None:
        try:
            await closing  # type: ignore[misc]
        except DalsegnoError as error:
            log.debug("close_failed", reason=str(error))

    def _spawn(self, coroutine: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._listener.failed(error)

    async def close(self) -> None:
        """End the session; what is unacknowledged returns to its queues."""
        self._stopping = True
        self._lost.set()
        session, self._session = self._session or self._unready, None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Also one that is just being opened, or given up: the library's tasks do not end when they are
        # cancelled in the middle of a goodbye.
        if session is not None:
            await session.close()
