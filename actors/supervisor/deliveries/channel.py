"""One consumer session of a partition's queue, as the engine sees it: deliveries in, one prefix of
acknowledgements out. When it closes, whatever it delivered will come again on the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from dalsegno.actors.supervisor.deliveries.acknowledgement import AcknowledgementWindow
from dalsegno.broker.port import Delivery
from dalsegno.partition_id import PartitionID


class PrefixAcknowledger(Protocol):
    """The part of broker.port.Consumer that is used here."""

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None: ...


class Channel:
    """`flush_soon` is called when there may be something to acknowledge; it should call `flush` once, soon."""

    __slots__ = ("_consumer", "_dirty", "_flush_soon", "is_open", "partition", "window")

    def __init__(self, partition: PartitionID, flush_soon: Callable[[Channel], None]) -> None:
        self.partition = partition
        self.window = AcknowledgementWindow()
        self.is_open = True
        self._flush_soon = flush_soon
        self._consumer: PrefixAcknowledger | None = None
        self._dirty = False

    def attach(self, consumer: PrefixAcknowledger) -> None:
        self._consumer = consumer
        self._flush_soon(self)

    def finish(self, tag: int) -> None:
        self.window.finish(tag)
        if not self._dirty:
            self._dirty = True
            self._flush_soon(self)

    def flush(self) -> None:
        self._dirty = False
        if not self.is_open or self._consumer is None:
            return
        tag = self.window.take_prefix()
        if tag is not None:
            self._consumer.acknowledge(tag, multiple=True)

    def close(self) -> None:
        self.is_open = False


class Delivered(Struct, frozen=True):
    """Mail for the partition's supervisor: a message from its queue."""

    channel: Channel
    delivery: Delivery


class DeliveryOrigin(Struct, frozen=True, eq=False):
    """A cause that is a delivery (see actors.workflow_actor.cause.Origin)."""

    channel: Channel
    delivery: Delivery

    @property
    def is_void(self) -> bool:
        return not self.channel.is_open

    def remove(self) -> None:
        self.channel.finish(self.delivery.tag)
