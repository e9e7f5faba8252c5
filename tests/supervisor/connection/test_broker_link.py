"""Consumers that the broker has forgotten are rebuilt by the host that has them, whatever their queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from dalsegno.actors.supervisor.connection import broker_link, services
from dalsegno.actors.supervisor.connection.broker_link import BrokerLink
from dalsegno.actors.supervisor.connection.services import Acknowledger
from dalsegno.actors.supervisor.deliveries.channel import Channel
from dalsegno.broker.port import Delivery, Fault, Message, Queue, Session, Topology
from dalsegno.broker.topology import namespace_topology, partition_queue
from dalsegno.partition_id import PartitionID
from tests.broker.witness import eventually
from tests.partition_ids import FIRST, nths
from tests.workers.fake_broker import FakeBroker

PARTITION = partition_queue(FIRST)
SERVICE = "dalsegno.control"


class Listener:
    """Acknowledges what comes, unless it is to keep it."""

    def __init__(self) -> None:
        self.mail: list[bytes] = []
        self.served: list[bytes] = []
        self.keeps = False
        self.namespaces_declared = 0
        self.link: BrokerLink | None = None

    def publisher_opened(self) -> None: ...

    def publisher_closed(self, fault: Fault, reason: str) -> None: ...

    def namespace_declared(self) -> None:
        self.namespaces_declared += 1

    def channel_opened(self, channel: Channel) -> None: ...

    def channel_lost(self, partition: PartitionID) -> None:
        assert self.link is not None
        self.link.open_channel(partition)

    def delivered(self, channel: Channel, delivery: Delivery) -> None:
        channel.window.delivered(delivery.tag)
        self.mail.append(delivery.message.body)
        channel.finish(delivery.tag)

    def flush_soon(self, channel: Channel) -> None:
        asyncio.get_running_loop().call_soon(channel.flush)

    def failed(self, error: BaseException) -> None:
        raise error

    def on_service(self, delivery: Delivery, acknowledger: Acknowledger) -> None:
        self.served.append(delivery.message.body)
        if not self.keeps:
            acknowledger.acknowledge(delivery.tag)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
async def link(
    broker: FakeBroker, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BrokerLink]:
    """Consumes a partition's queue and a service's."""
    monkeypatch.setattr(broker_link, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(broker_link, "REBUILD_SECONDS", 0.01)
    monkeypatch.setattr(services, "AGAIN_SECONDS", 0.01)

    async def declare(session: Session) -> None:
        await session.declare(namespace_topology(nths(1)))

    link = listener.link = BrokerLink(
        broker, listener, name="test", declare=declare, partitions=nths(1), prefetch=10
    )
    link.serve(SERVICE, Topology(queues=[Queue(SERVICE)]), listener.on_service)
    link.open_channel(FIRST)
    running = asyncio.get_running_loop().create_task(link.run(lambda: None))
    await eventually(
        lambda: all(name in broker.queues and broker.queues[name].consumers for name in (PARTITION, SERVICE)),
        "both are consumed",
    )
    yield link
    await link.close()
    running.cancel()
    await asyncio.wait({running})


def forget_consumers(broker: FakeBroker) -> None:
    """As a broker does: they are open, and are given nothing."""
    for name in (PARTITION, SERVICE):
        broker.queues[name].consumers.clear()


async def test_consumers_that_are_given_nothing_although_there_are_messages_are_rebuilt(
    link: BrokerLink, broker: FakeBroker, listener: Listener
) -> None:
    forget_consumers(broker)
    for name in (PARTITION, SERVICE):
        broker.put(name, Message(body=b"waits"))
    await eventually(lambda: b"waits" in listener.mail, "the partition's consumer is rebuilt")
    await eventually(lambda: listener.served == [b"waits"], "the service's consumer is rebuilt")


async def test_a_service_that_is_busy_is_not_taken_to_be_deaf(
    link: BrokerLink, broker: FakeBroker, listener: Listener
) -> None:
    """What it holds would come again, and count as delivered once more."""
    listener.keeps = True
    for number in range(services.PREFETCH + 1):
        broker.put(SERVICE, Message(body=b"%d" % number))
    await eventually(lambda: len(listener.served) == services.PREFETCH, "it has as many as it may")
    forget_partition = broker.queues[PARTITION].consumers
    forget_partition.clear()
    broker.put(PARTITION, Message(body=b"waits"))
    await eventually(lambda: b"waits" in listener.mail, "the watch has looked at all of them twice")
    assert len(listener.served) == services.PREFETCH


async def test_all_consumers_are_rebuilt_when_the_namespace_was_declared_anew_here_or_by_another_host(
    link: BrokerLink, broker: FakeBroker, listener: Listener
) -> None:
    for happens in (link.rebuild_consumers, link.mend_namespace):
        before = [broker.queues[name].consumers[0] for name in (PARTITION, SERVICE)]
        happens()
        happens()
        await eventually(lambda old=before: not any(consumer.is_open for consumer in old), "they are closed")  # type: ignore[misc]
        await eventually(
            lambda: all(broker.queues[name].consumers for name in (PARTITION, SERVICE)), "others are there"
        )
    assert listener.namespaces_declared == 1


async def test_what_is_declared_anew_while_consumers_are_rebuilt_has_them_rebuilt_once_more(
    link: BrokerLink, broker: FakeBroker, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of them may be deaf again by the time that the last one is rebuilt."""
    lost: list[PartitionID] = []
    reopen = listener.channel_lost

    def channel_lost(partition: PartitionID) -> None:
        lost.append(partition)
        reopen(partition)
        if len(lost) == 1:
            link.rebuild_consumers()

    monkeypatch.setattr(listener, "channel_lost", channel_lost)
    link.rebuild_consumers()
    await eventually(lambda: lost == [FIRST, FIRST], "it was rebuilt twice")
    await eventually(lambda: bool(broker.queues[PARTITION].consumers), "it is consumed")
