"""A simulated host's connection to the broker: what supervisor.connection.broker_link does, in callbacks.

Its publisher may be open late, when the session has proved itself and others have their turns, and its
consumers may be there before it: the engine is not promised which of them comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from dalsegno.actors.supervisor.connection.broker_link import LinkListener
from dalsegno.actors.supervisor.deliveries.channel import Channel
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Fault, Outcome, Outgoing, Queue
from dalsegno.partition_id import PartitionID
from tests.simulation.broker_model import BrokerModel
from tests.simulation.connection import Connection
from tests.simulation.consumers import ModelConsumer
from tests.simulation.hearing import Hearing
from tests.simulation.publishers import ModelPublisher
from tests.simulation.scheduler import SECOND, Process

RETRY = (SECOND // 5, 5 * SECOND)
LATE = 3 * SECOND
"""Until a publisher is open, at most, where that takes long."""


OnService = Callable[[Delivery, ModelConsumer], None]


class Link:
    """`on_ready` is called once, when there is a session for the first time."""

    def __init__(
        self,
        broker: BrokerModel,
        process: Process,
        listener: LinkListener,
        *,
        prefetch: int,
        held_bytes: int,
        hearing: Hearing,
        on_ready: Callable[[], None],
    ) -> None:
        self.connection: Connection | None = None
        self.publisher_opened_at: int | None = None
        """None while there is none."""
        self._broker = broker
        self._process = process
        self._listener = listener
        self._prefetch = prefetch
        self._held_bytes = held_bytes
        self._hearing = hearing
        self._on_ready = on_ready
        self._was_ready = False
        self._publisher: ModelPublisher | None = None
        self._wanted: set[int] = set()
        self._opening: set[int] = set()
        self._consumers: dict[int, tuple[Channel, ModelConsumer]] = {}
        self._services: dict[str, tuple[Queue, OnService]] = {}
        self._delay = RETRY[0]

    # --- the session -----------------------------------------------------------------------------------------

    def connect(self) -> None:
        self._broker.connect(
            self._process,
            opened=self._connected,
            refused=self._refused,
            on_closed=self._session_lost,
            held_bytes=self._held_bytes,
        )

    def _refused(self) -> None:
        self._process.after(self._delay, self.connect)
        self._delay = min(self._delay * 2, RETRY[1])

    def _connected(self, connection: Connection) -> None:
        self._delay = RETRY[0]
        self._hearing.prove(
            connection, proved=partial(self._proved, connection), failed=partial(self._unproved, connection)
        )

    def _unproved(self, connection: Connection) -> None:
        connection.close()
        self._process.after(self._delay, self.connect)

    def _proved(self, connection: Connection) -> None:
        if self._broker.faults.happens("consumers before their publisher"):
            self._ready(connection)
        self._open_publisher(connection)

    def _open_publisher(self, connection: Connection) -> None:
        def opened(publisher: ModelPublisher) -> None:
            self._publisher = publisher
            self.publisher_opened_at = self._process.scheduler.now
            self._listener.publisher_opened()
            if self.connection is None:
                self._ready(connection)

        late = self._broker.faults.happens("publisher opened late")
        self._process.after(
            self._broker.random.randrange(LATE) if late else 0,
            lambda: self._broker.open_publisher(connection, opened=opened, on_closed=self._publisher_closed),
        )

    def _ready(self, connection: Connection) -> None:
        self.connection = connection
        for name in list(self._services):
            self._open_service(connection, name)
        for partition in sorted(self._wanted):
            self.open_channel(partition)
        if not self._was_ready:
            self._was_ready = True
            self._on_ready()

    def _session_lost(self, reason: str) -> None:
        if self.connection is not None:
            self._listener.publisher_closed(Fault.NONE, reason)
        self.connection = None
        self._no_publisher()
        self._opening.clear()
        for partition in list(self._consumers):
            self._channel_gone(partition)
        self._process.after(RETRY[0], self.connect)

    def _no_publisher(self) -> None:
        self._publisher = self.publisher_opened_at = None

    # --- publishing ------------------------------------------------------------------------------------------

    def publish(self, batch: Sequence[Outgoing]) -> None:
        if self._publisher is not None:
            self._publisher.publish(batch)
            return
        for outgoing in batch:
            self._process.after(0, partial(outgoing.on_outcome, Outcome.LOST))

    def _publisher_closed(self, reason: str) -> None:
        connection, publisher = self.connection, self._publisher
        self._no_publisher()
        if connection is None:
            return
        fault = Fault.TARGET if publisher is None else publisher.fault
        self._listener.publisher_closed(fault, reason)
        self._process.after(SECOND // 20, lambda: self._reopen_publisher(connection))

    def _reopen_publisher(self, connection: Connection) -> None:
        if self.connection is connection:
            self._open_publisher(connection)

    # --- partitions ------------------------------------------------------------------------------------------

    def open_channel(self, partition: PartitionID) -> None:
        self._wanted.add(partition)
        connection = self.connection
        if connection is None or partition in self._opening or partition in self._consumers:
            return
        self._opening.add(partition)
        channel = Channel(partition, self._listener.flush_soon)
        self._broker.open_consumer(
            connection,
            topology.partition_queue(partition),
            prefetch=self._prefetch,
            on_delivery=partial(self._listener.delivered, channel),
            on_closed=partial(self._consumer_closed, channel),
            opened=partial(self._channel_opened, connection, channel),
        )

    def _channel_opened(self, connection: Connection, channel: Channel, consumer: ModelConsumer | None) -> None:
        partition = channel.partition
        assert consumer is not None
        if self.connection is not connection or partition not in self._opening or partition in self._consumers:
            channel.close()
            consumer.close()
            return
        self._opening.discard(partition)
        if not consumer.is_open:
            channel.close()
            self.open_channel(partition)
            return
        self._consumers[partition] = (channel, consumer)
        channel.attach(consumer)
        self._listener.channel_opened(channel)

    def _consumer_closed(self, channel: Channel, reason: str) -> None:
        known = self._consumers.get(channel.partition)
        if known is not None and known[0] is channel:
            self._process.trace(f"loses its channel of partition {channel.partition.number}: {reason}")
            self._channel_gone(channel.partition)
        channel.close()

    def _channel_gone(self, partition: PartitionID) -> None:
        channel, _ = self._consumers.pop(partition)
        channel.close()
        self._listener.channel_lost(partition)

    def close_channel(self, partition: PartitionID) -> None:
        self._wanted.discard(partition)
        self._opening.discard(partition)
        known = self._consumers.pop(partition, None)
        if known is not None:
            known[0].close()
            known[1].close()

    # --- other queues ----------------------------------------------------------------------------------------

    def serve(self, queue: Queue, on_delivery: OnService) -> None:
        self._services[queue.name] = (queue, on_delivery)
        if self.connection is not None:
            self._open_service(self.connection, queue.name)

    def stop_serving(self, name: str) -> None:
        self._services.pop(name, None)

    def _open_service(self, connection: Connection, name: str) -> None:
        if name not in self._services:
            return
        queue, on_delivery = self._services[name]
        opened: list[ModelConsumer] = []

        def again(_: str) -> None:
            self._process.after(SECOND, lambda: self._open_service(connection, name))

        self.declare(connection, queue)
        self._broker.open_consumer(
            connection,
            name,
            prefetch=20,
            on_delivery=lambda delivery: on_delivery(delivery, opened[0]),
            on_closed=again,
            opened=lambda consumer: opened.append(consumer) if consumer is not None else again(""),
        )

    def declare(self, connection: Connection, *queues: Queue) -> None:
        connection.to_broker(lambda: self._broker.declare(queues, connection))
