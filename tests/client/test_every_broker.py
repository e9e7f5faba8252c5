"""The client over each real broker: what the doubles of the other tests take for granted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer
from dalsegno.broker.port import Binding, Broker, Message, Outcome, Outgoing, Queue, Topology
from dalsegno.broker.protocol.messages import (
    ControlReply,
    DescribeWorkflow,
    HostInfo,
    ListHosts,
    ListPartitions,
    PartitionInfo,
    Reply,
    StartWorkflow,
)
from dalsegno.broker.topology import (
    COMMANDS_EXCHANGE,
    CONTROL_QUEUE,
    partition_queue,
    routing_key_of,
    slot_of,
)
from dalsegno.client import Client, NamespaceMissingError
from dalsegno.errors import ConfigurationError
from dalsegno.policies import WorkflowStatus
from dalsegno.reasons.evidence import NO_QUEUE, QueueSeen
from tests.client.conftest import IN_HASTE
from tests.client.fake_host import PARTITIONS, FakeHost, accepted
from tests.client.flaky_broker import FlakyBroker
from tests.default_converter import to_payload
from tests.partition_ids import nth


@pytest.fixture
async def host(any_broker: Broker) -> AsyncIterator[FakeHost]:
    host = FakeHost(any_broker)
    await host.start()
    yield host
    await host.close()


async def test_workflows_are_started_and_waited_for_side_by_side(any_broker: Broker, host: FakeHost) -> None:
    done = Reply(kind="result", status=WorkflowStatus.COMPLETED, result=to_payload("done"))
    host.scripts[StartWorkflow] = lambda request: [accepted(request), done]
    async with Client(any_broker) as client:
        results = await asyncio.gather(*(client.execute("Order", id=f"order-{n}") for n in range(200)))
    assert results == ["done"] * 200
    assert len(host.of(StartWorkflow)) == 200


async def test_a_client_that_lost_its_connection_goes_on_with_another(
    any_broker: Broker, host: FakeHost
) -> None:
    broker = FlakyBroker(any_broker)
    async with Client(broker, timings=IN_HASTE) as client:
        await client.start("Order", id="order-1")
        await broker.cut()
        await client.start("Order", id="order-2")
    assert len({request.reply_to for request in host.requests}) == 2


async def test_what_cannot_be_routed_is_told(any_broker: Broker, host: FakeHost) -> None:
    session = await any_broker.connect(on_closed=lambda reason: None)
    queue = partition_queue(nth(slot_of("order-1") % PARTITIONS))
    await session.unbind([Binding(COMMANDS_EXCHANGE, routing_key_of("order-1"), queue)])
    async with Client(any_broker, timings=IN_HASTE) as client:
        with pytest.raises(NamespaceMissingError):
            await client.start("Order", id="order-1")
    await session.close()


async def test_an_empty_broker_is_told_from_a_namespace_and_left_alone(any_broker: Broker) -> None:
    broker = FlakyBroker(any_broker)
    with pytest.raises(NamespaceMissingError):
        async with Client(broker, timings=IN_HASTE):
            pass
    assert broker.sessions
    assert not any(session.is_open for session in broker.sessions)


# --- by URL ------------------------------------------------------------------------------------------------


async def test_a_client_is_connected_by_url(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    async with EmbeddedServer(path):
        host = FakeHost(EmbeddedBroker(path))
        await host.start()
        async with Client.connect(f"embedded://{path}") as client:
            await client.ping()
        client = await Client.connect(f"embedded://{path}")
        await client.ping()
        await client.close()
        await host.close()


async def test_a_url_that_names_no_broker_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="must begin with amqp://"):
        await Client.connect("http://localhost")


async def test_what_the_broker_has_in_queues_is_seen_also_in_those_of_others(
    any_broker: Broker, host: FakeHost
) -> None:
    """A worker's own queue belongs to its connection alone."""
    session = await any_broker.connect(on_closed=lambda reason: None)
    deserted = Queue(f"dalsegno.tasks.deserted-{uuid4().hex}")
    own = Queue(f"dalsegno.worker.{uuid4().hex}", durable=False)
    await session.declare(Topology(queues=[deserted, own]))
    publisher = await session.open_publisher(on_closed=lambda reason: None)
    sent: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    publisher.publish([Outgoing("", deserted.name, Message(body=b"task", message_id="m-1"), sent.set_result)])
    assert await sent is Outcome.CONFIRMED
    async with Client(any_broker, timings=IN_HASTE) as client:
        names = CONTROL_QUEUE, deserted.name, own.name, "dalsegno.worker.gone"
        seen = await client._engine.queues(names)
        again = await client._engine.queues(names)  # a refusal costs a channel, and the next one opens another
    assert seen == again
    assert (seen[CONTROL_QUEUE].exists, seen[CONTROL_QUEUE].has_consumers) == (True, True)
    assert seen[deserted.name] == QueueSeen(exists=True, has_consumers=False, waiting=1)
    assert seen[own.name].exists
    assert seen["dalsegno.worker.gone"] == NO_QUEUE
    await session.close()


async def test_without_a_host_that_is_the_reason_and_so_is_one_that_does_not_answer(
    any_broker: Broker, host: FakeHost
) -> None:
    host.scripts[DescribeWorkflow] = lambda request: []
    host.scripts[ListHosts] = lambda request: [ControlReply(hosts=(HostInfo(host_id="h-1", expires_at=1),))]
    owners = tuple(PartitionInfo(partition=number, owner="h-1") for number in range(PARTITIONS))
    host.scripts[ListPartitions] = lambda request: [ControlReply(partitions=owners)]
    async with Client(any_broker, timings=IN_HASTE) as client:
        silent = await client.why("order-1", timeout=1.0)
        assert f"Host h-1, the owner of partition {slot_of('order-1') % PARTITIONS}" in silent.sentence
        host.scripts[ListHosts] = lambda request: [ControlReply()]
        assert (await client.why("order-1", timeout=1.0)).reason.kind == "no_owner"
        await host.close()
        alone = await client.why("order-1")
    assert (alone.reason.kind, alone.is_stuck) == ("no_host", True)
