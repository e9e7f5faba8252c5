"""Sessions with a RabbitMQ.

Two connections each: one consumes, acknowledges and asks, one publishes. A broker under a memory or disk alarm
does not read the publishing one at all, and acknowledgements on it would drown with the publishes.

Nothing is repaired. When either connection ends, both are dropped with all channels, and the owner opens a new
session; the library's robust classes bring channels back without telling that deliveries were lost with them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence

from aiormq.exceptions import AMQPChannelError

from dalsegno._log import get_logger
from dalsegno.broker.port import Binding, OnClosed, OnDelivery, Topology
from dalsegno.broker.rabbitmq.address import parse_address
from dalsegno.broker.rabbitmq.batch import BatchConsumer, BatchPublisher
from dalsegno.broker.rabbitmq.channel_life import ChannelLife
from dalsegno.broker.rabbitmq.declare import Declarations
from dalsegno.broker.rabbitmq.failures import topology_failure
from dalsegno.broker.rabbitmq.holding import Holding, Rations
from dalsegno.broker.rabbitmq.link import Link, Timings
from dalsegno.broker.rabbitmq.plain import PlainConsumer, PlainPublisher
from dalsegno.errors import BrokerUnavailableError

log = get_logger("dalsegno.broker.rabbitmq")


class RabbitMQBroker:
    """Port: `Broker`. `hot_path=False` takes the library's own way for publishes and deliveries, on which
    `held_bytes` bounds nothing."""

    def __init__(
        self,
        url: str,
        *,
        allow_unverified_tls: bool = False,
        timings: Timings | None = None,
        hot_path: bool = True,
        held_bytes: int | None = None,
    ) -> None:
        self._address = parse_address(url, allow_unverified_tls=allow_unverified_tls)
        self._timings = timings or Timings()
        self._hot_path = hot_path
        self._held_bytes = held_bytes
        _mute_library()

    async def connect(self, *, on_closed: OnClosed, name: str = "dalsegno") -> RabbitMQSession:
        consuming = await Link.open(self._address, f"{name} (consumes)", self._timings)
        try:
            publishing = await Link.open(self._address, f"{name} (publishes)", self._timings)
        except BaseException:
            await consuming.discard()
            raise
        session = RabbitMQSession(
            consuming, publishing, self._timings, hot_path=self._hot_path, held_bytes=self._held_bytes
        )
        await session.start(on_closed)
        return session


def _mute_library() -> None:
    """Every lost connection is a traceback in the library's log, and one sentence in `on_closed`."""
    for name in ("aiormq", "aio_pika"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)


class RabbitMQSession:
    """Port: `Session`."""

    def __init__(
        self, consuming: Link, publishing: Link, timings: Timings, *, hot_path: bool, held_bytes: int | None
    ) -> None:
        self._rations = Rations(held_bytes)
        self._consuming = consuming
        self._publishing = publishing
        self._on_closed: OnClosed | None = None
        self._hot_path = hot_path
        self._declarations = Declarations(consuming, seconds=timings.topology)
        self._channels: set[ChannelLife] = set()
        self._ending: asyncio.Task[None] | None = None
        self._end_reason = "the session was closed"
        self._is_open = True

    async def start(self, on_closed: OnClosed) -> None:
        """Watch both connections; BrokerUnavailableError if one has ended already."""
        try:
            for link in (self._consuming, self._publishing):
                await link.watch(self._lose)
            self._check_open()
        except BaseException:
            await self.close()
            raise
        self._on_closed = on_closed
        if self._hot_path and not (self._consuming.is_tapped and self._publishing.is_tapped):
            self._hot_path = False
            log.warning("broker.slow_path", reason="the AMQP library does not work as the tested version did")

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def is_blocked(self) -> bool:
        return self._publishing.tap.is_blocked

    @property
    def channel_max(self) -> int | None:
        return self._consuming.channel_max

    async def declare(self, topology: Topology) -> None:
        self._check_open()
        await self._declarations.declare(topology)

    async def unbind(self, bindings: Sequence[Binding]) -> None:
        self._check_open()
        await self._declarations.unbind(bindings)

    async def delete_queue(self, name: str) -> None:
        self._check_open()
        await self._declarations.delete_queue(name)

    async def purge_queue(self, name: str) -> int:
        self._check_open()
        return await self._declarations.purge_queue(name)

    async def queue_depth(self, name: str) -> int | None:
        self._check_open()
        return await self._declarations.queue_depth(name)

    async def has_consumers(self, name: str) -> bool:
        self._check_open()
        return await self._declarations.has_consumers(name)

    async def mark_queue(self, name: str) -> None:
        self._check_open()
        await self._declarations.mark_queue(name)

    async def has_mark(self, name: str) -> bool:
        self._check_open()
        return await self._declarations.has_mark(name)

    async def open_publisher(self, *, on_closed: OnClosed) -> BatchPublisher | PlainPublisher:
        self._check_open()
        link = self._publishing
        channel = await link.channel(confirms=True)
        underlay = await link.underlay(channel)
        publisher: BatchPublisher | PlainPublisher
        if self._hot_path:
            publisher = BatchPublisher(link, channel, underlay, self._channels)
        else:
            publisher = PlainPublisher(link, channel, underlay, self._channels)
        _check_alive(publisher)
        publisher.announce_end_to(on_closed)
        return publisher

    async def open_consumer(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: OnDelivery,
        on_closed: OnClosed,
        gathers: bool = False,
    ) -> BatchConsumer | PlainConsumer:
        self._check_open()
        link = self._consuming
        channel = await link.channel(confirms=False)
        underlay = await link.underlay(channel)
        consumer: BatchConsumer | PlainConsumer
        if self._hot_path:
            holding = Holding(self._rations, queue, prefetch)
            consumer = BatchConsumer(
                link, channel, underlay, self._channels, queue=queue, holding=holding, gathers=gathers
            )
            consumes = consumer.consume()
        else:
            consumer = PlainConsumer(link, channel, underlay, self._channels, queue=queue)
            consumes = consumer.consume(prefetch)
        try:
            await link.answer(consumes)
            _check_alive(consumer)
        except AMQPChannelError as error:
            raise topology_failure(f"queue {queue!r}", error) from error
        except BaseException:
            await link.shut(channel)
            raise
        consumer.announce_end_to(on_closed)
        # Behind the return of this method: no callback comes before its owner knows the consumer.
        asyncio.get_running_loop().call_soon(consumer.release, on_delivery)
        return consumer

    async def close(self) -> None:
        """Close everything; what is in flight is LOST. Closing twice is ordinary."""
        if self._is_open:
            self._is_open = False
            for channel in tuple(self._channels):
                channel.end()
            self._ending = asyncio.create_task(_both(self._consuming.close(), self._publishing.close()))
        if self._ending is not None:
            await asyncio.shield(self._ending)

    def _lose(self, reason: str) -> None:
        """Either connection ended: drop all, tell each owner once, the session's last."""
        if not self._is_open:
            return
        self._is_open = False
        self._end_reason = reason
        for channel in tuple(self._channels):
            channel.lose(reason)
        self._ending = asyncio.create_task(_both(self._consuming.discard(), self._publishing.discard()))
        if self._on_closed is not None:
            asyncio.get_running_loop().call_soon(self._on_closed, reason)

    def _check_open(self) -> None:
        if not self._is_open:
            raise BrokerUnavailableError(self._end_reason)


def _check_alive(channel: ChannelLife) -> None:
    """A channel may end between the broker's answer and the one who waits for it."""
    if not channel.is_open:
        raise BrokerUnavailableError(channel.end_reason or "the session was closed")


async def _both(first: Awaitable[None], second: Awaitable[None]) -> None:
    await asyncio.gather(first, second)
