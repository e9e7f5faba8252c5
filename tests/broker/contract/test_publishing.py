"""Every publish has one outcome, and it is the true one."""

from __future__ import annotations

import secrets

from dalsegno.broker.port import Binding, Delivery, Exchange, Fault, Message, Outcome, Queue, Session, Topology
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Inbox, Sender, bodies, consume, fill, numbered, vanished


async def test_a_message_that_reached_its_queue_is_confirmed(session: Session, queue: str) -> None:
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send("", queue, *numbered(3))
    assert await sender.settled() == [Outcome.CONFIRMED] * 3
    assert await session.queue_depth(queue) == 3


async def test_a_message_without_a_queue_is_returned(session: Session) -> None:
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send("", f"nowhere.{secrets.token_hex(6)}", *numbered(2))
    assert await sender.settled() == [Outcome.RETURNED] * 2
    assert sender.publisher.is_open


async def test_in_a_mixed_batch_each_message_has_its_own_outcome(session: Session, queue: str) -> None:
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    expected = []
    for n in range(60):
        lost = n % 3 == 0
        sender.send("", "nowhere" if lost else queue, *numbered(1, start=n))
        expected.append(Outcome.RETURNED if lost else Outcome.CONFIRMED)
    assert await sender.settled() == expected
    inbox = Inbox()
    await consume(session, queue, inbox)
    await inbox.receive(40)
    assert inbox.bodies == [b"%d" % n for n in range(60) if n % 3]


async def test_a_message_without_an_id_has_its_own_outcome_too(session: Session, queue: str) -> None:
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    for target in ("nowhere", queue, "elsewhere", "nowhere"):
        sender.send("", target, Message(body=target.encode()))
    returned, confirmed = Outcome.RETURNED, Outcome.CONFIRMED
    assert await sender.settled() == [returned, confirmed, returned, returned]


async def test_a_large_message_without_a_queue_is_returned(session: Session, queue: str) -> None:
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send(
        "", "nowhere", Message(body=bytes(1 << 20), message_id="large"), Message(body=b"", message_id="small")
    )
    sender.send("", queue, *numbered(1))
    assert await sender.settled() == [Outcome.RETURNED, Outcome.RETURNED, Outcome.CONFIRMED]


async def test_an_id_may_be_used_again_once_its_outcome_is_known(session: Session, queue: str) -> None:
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    message = Message(body=b"again", message_id="one-id")
    for target in ("nowhere", queue, "nowhere", queue):
        sender.send("", target, message)
        await sender.settled()
    assert await sender.settled() == [Outcome.RETURNED, Outcome.CONFIRMED] * 2
    assert await session.queue_depth(queue) == 2


async def test_an_exchange_routes_by_the_whole_key(session: Session, queue: str) -> None:
    exchange = f"test.{secrets.token_hex(6)}"
    await session.declare(
        Topology(exchanges=[Exchange(exchange)], bindings=[Binding(exchange, "slot.7", queue)])
    )
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send(exchange, "slot.7", *numbered(1))
    sender.send(exchange, "slot.77", *numbered(1, start=1))
    assert await sender.settled() == [Outcome.CONFIRMED, Outcome.RETURNED]
    inbox = Inbox()
    await consume(session, queue, inbox)
    (delivery,) = await inbox.receive(1)
    assert (delivery.exchange, delivery.routing_key) == (exchange, "slot.7")


async def test_five_thousand_messages_in_batches_keep_their_order(session: Session, queue: str) -> None:
    count = 5_000
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    inbox = Inbox()

    def keep_and_acknowledge(delivery: Delivery) -> None:
        inbox(delivery)
        consumer.acknowledge(delivery.tag)

    consumer = await session.open_consumer(
        queue, prefetch=200, on_delivery=keep_and_acknowledge, on_closed=Ends()
    )
    for start in range(0, count, 250):
        sender.send("", queue, *numbered(250, start=start))
    await inbox.receive(count)
    assert inbox.bodies == bodies(numbered(count))
    assert set(await sender.settled()) == {Outcome.CONFIRMED}


async def test_two_publishers_of_a_session_do_not_mix_up_their_outcomes(session: Session, queue: str) -> None:
    good = Sender(await session.open_publisher(on_closed=Ends()))
    bad = Sender(await session.open_publisher(on_closed=Ends()))
    for n in range(20):
        good.send("", queue, *numbered(1, start=n))
        bad.send("", "nowhere", *numbered(1, start=n))
    assert set(await good.settled()) == {Outcome.CONFIRMED}
    assert set(await bad.settled()) == {Outcome.RETURNED}


async def test_a_publish_on_a_closed_publisher_is_lost_soon_but_not_at_once(
    session: Session, queue: str
) -> None:
    ends = Ends()
    sender = Sender(await session.open_publisher(on_closed=ends))
    await sender.publisher.close()
    await sender.publisher.close()
    outcomes = sender.send("", queue, *numbered(2))
    assert outcomes == [[], []]
    assert await sender.settled() == [Outcome.LOST] * 2
    assert not sender.publisher.is_open
    assert not ends.reasons
    assert await session.queue_depth(queue) == 0


async def test_closing_a_publisher_settles_what_is_in_flight(session: Session, queue: str) -> None:
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send("", queue, *numbered(500))
    await sender.publisher.close()
    assert set(await sender.settled()) <= {Outcome.LOST, Outcome.CONFIRMED}


async def test_closing_a_session_settles_what_is_in_flight(connect: Connect, queue: str) -> None:
    session_ends, publisher_ends = Ends(), Ends()
    session = await connect(session_ends)
    sender = Sender(await session.open_publisher(on_closed=publisher_ends))
    sender.send("", queue, *numbered(500))
    await session.close()
    assert set(await sender.settled()) <= {Outcome.LOST, Outcome.CONFIRMED}
    assert not sender.publisher.is_open
    assert not session_ends.reasons
    assert not publisher_ends.reasons
    assert sender.publisher.fault is Fault.NONE


async def test_a_publish_to_a_missing_exchange_ends_the_publisher_alone(session: Session, queue: str) -> None:
    ends, consumer_ends = Ends(), Ends()
    inbox = Inbox()
    await consume(session, queue, inbox, ends=consumer_ends)
    sender = Sender(await session.open_publisher(on_closed=ends))
    sender.send("no.such.exchange", "key", *numbered(2))
    sender.send("", queue, *numbered(1, start=2))
    assert "no.such.exchange" in await ends.announced()
    assert await sender.settled() == [Outcome.LOST] * 3
    assert not sender.publisher.is_open
    assert sender.publisher.fault is Fault.TARGET, "no message is to blame"
    await fill(session, queue, numbered(1, start=3))
    await inbox.receive(1)
    assert inbox.bodies[-1] == b"3"
    assert session.is_open
    assert not consumer_ends.reasons


async def test_a_message_to_an_exclusive_queue_whose_owner_is_gone_is_returned(connect: Connect) -> None:
    owner, other = await connect(), await connect()
    name = f"test.{secrets.token_hex(6)}"
    await owner.declare(Topology(queues=[Queue(name, durable=False)]))
    sender = Sender(await other.open_publisher(on_closed=Ends()))
    sender.send("", name, *numbered(1))
    assert await sender.settled() == [Outcome.CONFIRMED]
    await owner.close()
    await vanished(other, name)
    sender.send("", name, *numbered(1, start=1))
    assert await sender.settled() == [Outcome.CONFIRMED, Outcome.RETURNED]
