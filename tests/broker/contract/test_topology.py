"""What is declared exists, once, and a refusal harms nothing else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from dalsegno.broker.port import Binding, Exchange, Outcome, Queue, Session, Topology
from dalsegno.broker.topology import (
    COMMANDS_EXCHANGE,
    DEAD_QUEUE,
    DEAD_TASKS_QUEUE,
    RESULTS_EXCHANGE,
    declare_task_queue,
    namespace_topology,
    partition_queue,
    routing_key_of,
    slot_of,
    task_queue,
)
from dalsegno.errors import TopologyError
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Inbox, Sender, consume, fill, numbered, vanished
from tests.partition_ids import FIRST, nth, nths


@pytest.fixture
async def name(session: Session) -> AsyncIterator[str]:
    unique = f"test.{secrets.token_hex(6)}"
    yield unique
    if session.is_open:
        await session.delete_queue(unique)


async def test_declaring_twice_changes_nothing(connect: Connect, name: str) -> None:
    topology = Topology(
        exchanges=[Exchange(name)],
        queues=[Queue(name, single_active_consumer=True, delivery_limit=7, dead_letter_exchange="")],
        bindings=[Binding(name, "key", name)],
    )
    first, second = await connect(), await connect()
    await first.declare(topology)
    await fill(first, name, numbered(3))
    await second.declare(topology)
    await first.declare(topology)
    assert await second.queue_depth(name) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"delivery_limit": 8},
        {"single_active_consumer": False},
        {"dead_letter_routing_key": "elsewhere"},
    ],
)
async def test_a_queue_with_other_arguments_is_refused_by_name_and_the_session_lives_on(
    session: Session, name: str, change: dict[str, object]
) -> None:
    queue = Queue(
        name,
        single_active_consumer=True,
        delivery_limit=7,
        dead_letter_exchange="",
        dead_letter_routing_key="dead",
    )
    await session.declare(Topology(queues=[queue]))
    inbox = Inbox()
    await consume(session, name, inbox)
    with pytest.raises(TopologyError, match=name):
        await session.declare(Topology(queues=[replace(queue, **change)]))  # type: ignore[arg-type]
    assert session.is_open
    await fill(session, name, numbered(1))
    await inbox.receive(1)


async def test_a_binding_of_a_queue_that_does_not_exist_is_refused_by_name(session: Session, name: str) -> None:
    bindings = [Binding(name, f"key.{n}", "no.such.queue") for n in range(100)]
    with pytest.raises(TopologyError, match=r"no\.such\.queue"):
        await session.declare(Topology(exchanges=[Exchange(name)], bindings=bindings))
    assert session.is_open


async def test_consuming_a_queue_that_does_not_exist_is_refused_by_name(session: Session) -> None:
    ends = Ends()
    with pytest.raises(TopologyError, match=r"no\.such\.queue"):
        await consume(session, "no.such.queue", Inbox(), ends=ends)
    assert session.is_open
    assert not ends.reasons


async def test_the_depth_counts_ready_messages_only(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(5))
    assert await session.queue_depth(queue) == 5
    inbox = Inbox()
    await consume(session, queue, inbox, prefetch=2)
    await inbox.receive(2)
    assert await session.queue_depth(queue) == 3


async def test_whether_somebody_consumes_a_queue_is_known(
    connect: Connect, session: Session, queue: str
) -> None:
    assert not await session.has_consumers("no.such.queue")
    assert not await session.has_consumers(queue)
    inbox = Inbox()
    consumer = await consume(await connect(), queue, inbox)
    assert await session.has_consumers(queue)
    await fill(session, queue, numbered(1))
    await inbox.receive(1)
    assert await session.has_consumers(queue)
    await consumer.close()
    async with asyncio.timeout(10):
        while await session.has_consumers(queue):
            continue
    assert session.is_open


async def test_a_queue_that_does_not_exist_has_no_depth_and_nothing_to_delete(session: Session) -> None:
    assert await session.queue_depth("no.such.queue") is None
    await session.delete_queue("no.such.queue")
    assert session.is_open


async def test_purging_drops_what_is_ready_and_counts_it(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(5))
    inbox = Inbox()
    consumer = await consume(session, queue, inbox, prefetch=2)
    await inbox.receive(2)
    assert await session.purge_queue(queue) == 3
    await consumer.close()
    again = Inbox()
    await consume(session, queue, again)
    await again.receive(2)
    assert again.bodies == [b"0", b"1"]


async def test_a_deleted_queue_is_gone_with_its_messages_and_bindings(session: Session, name: str) -> None:
    topology = Topology(exchanges=[Exchange(name)], queues=[Queue(name)], bindings=[Binding(name, "key", name)])
    await session.declare(topology)
    await fill(session, name, numbered(3))
    await session.delete_queue(name)
    assert await session.queue_depth(name) is None
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send(name, "key", *numbered(1))
    assert await sender.settled() == [Outcome.RETURNED]
    await session.declare(topology)
    assert await session.queue_depth(name) == 0


async def test_a_marked_queue_has_its_mark_until_it_is_deleted(session: Session, name: str) -> None:
    assert not await session.has_mark(name)
    await session.declare(Topology(queues=[Queue(name)]))
    await session.mark_queue(name)
    await session.mark_queue(name)
    assert await session.has_mark(name)
    await fill(session, name, numbered(3))
    await session.declare(Topology(queues=[Queue(name)]))
    assert await session.has_mark(name)
    await session.delete_queue(name)
    assert not await session.has_mark(name)


async def test_unbinding_stops_the_routing_and_may_be_repeated(session: Session, name: str) -> None:
    topology = Topology(
        exchanges=[Exchange(name)],
        queues=[Queue(name)],
        bindings=[Binding(name, "one", name), Binding(name, "two", name)],
    )
    await session.declare(topology)
    for _ in range(2):
        await session.unbind([Binding(name, "one", name)])
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send(name, "one", *numbered(1))
    sender.send(name, "two", *numbered(1, start=1))
    assert await sender.settled() == [Outcome.RETURNED, Outcome.CONFIRMED]


async def test_an_exclusive_queue_vanishes_with_its_session(connect: Connect) -> None:
    owner, other = await connect(), await connect()
    name = f"test.{secrets.token_hex(6)}"
    await owner.declare(Topology(queues=[Queue(name, durable=False)]))
    inbox = Inbox()
    await consume(owner, name, inbox)
    await fill(other, name, numbered(2))
    await inbox.receive(2)
    await owner.close()
    heir = await connect()
    await vanished(heir, name)
    await heir.declare(Topology(queues=[Queue(name, durable=False)]))
    assert await heir.queue_depth(name) == 0


async def test_an_exclusive_queue_outlives_its_consumer(session: Session, name: str) -> None:
    await session.declare(Topology(queues=[Queue(name, durable=False)]))
    consumer = await consume(session, name, Inbox())
    await consumer.close()
    await fill(session, name, numbered(1))
    inbox = Inbox()
    await consume(session, name, inbox)
    await inbox.receive(1)


async def test_a_whole_namespace_routes_every_workflow_to_its_partition(session: Session) -> None:
    topology = namespace_topology(nths(4))
    await session.declare(topology)
    await session.declare(topology)
    await session.declare(declare_task_queue("orders"))
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    workflow_ids = [f"order-{n}" for n in range(40)]
    for workflow_id in workflow_ids:
        sender.send(COMMANDS_EXCHANGE, routing_key_of(workflow_id), *numbered(1))
        sender.send(RESULTS_EXCHANGE, routing_key_of(workflow_id), *numbered(1, start=1))
    assert set(await sender.settled()) == {Outcome.CONFIRMED}
    for partition in range(4):
        expected = 2 * sum(slot_of(workflow_id) % 4 == partition for workflow_id in workflow_ids)
        assert await session.queue_depth(partition_queue(nth(partition))) == expected
    for queue in [*topology.queues, Queue(task_queue("orders"))]:
        await session.delete_queue(queue.name)


async def test_a_rejected_message_of_a_namespace_lands_with_the_dead(session: Session) -> None:
    topology = namespace_topology(nths(1))
    await session.declare(topology)
    await session.declare(declare_task_queue("orders"))
    for source, dead in ((partition_queue(FIRST), DEAD_QUEUE), (task_queue("orders"), DEAD_TASKS_QUEUE)):
        await fill(session, source, numbered(1))
        inbox, grave = Inbox(), Inbox()
        consumer = await consume(session, source, inbox)
        await inbox.receive(1)
        consumer.dead_letter(1)
        await consume(session, dead, grave)
        await grave.receive(1)
        await consumer.close()
        assert await session.queue_depth(source) == 0
    for queue in [*topology.queues, Queue(task_queue("orders"))]:
        await session.delete_queue(queue.name)
