"""What the link says of the broker, told to the engine. What escapes from that ends the process."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.actors.supervisor.deliveries.channel import Channel
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.supervisor.failing.fail_stop import Escaped, contained
from dalsegno.broker.port import Delivery, Fault
from dalsegno.partition_id import PartitionID


class BrokerEvents:
    """Implements broker_link.LinkListener. `channel_opened` and `namespace_declared` tell the host, once the
    engine knows."""

    def __init__(
        self,
        engine: Engine,
        escaped: Escaped,
        *,
        channel_opened: Callable[[], None],
        namespace_declared: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._escaped = escaped
        self._channel_opened = channel_opened
        self._namespace_declared = namespace_declared

    def publisher_opened(self) -> None:
        contained(self._escaped, self._engine.outbox.publisher_opened)

    def publisher_closed(self, fault: Fault, reason: str) -> None:
        contained(self._escaped, self._engine.outbox.publisher_closed, fault, reason)

    def namespace_declared(self) -> None:
        contained(self._escaped, self._engine.outbox.namespace_declared)
        self._namespace_declared()

    def channel_opened(self, channel: Channel) -> None:
        contained(self._escaped, self._engine.channel_opened, channel)
        self._channel_opened()

    def channel_lost(self, partition: PartitionID) -> None:
        contained(self._escaped, self._engine.channel_lost, partition)

    def delivered(self, channel: Channel, delivery: Delivery) -> None:
        try:  # as `contained`, without one call more for each message
            self._engine.delivered(channel, delivery)
        except BaseException as error:
            self._escaped(error)
            raise

    def flush_soon(self, channel: Channel) -> None:
        contained(self._escaped, self._engine.flush_soon, channel)

    def failed(self, error: BaseException) -> None:
        self._escaped(error)
