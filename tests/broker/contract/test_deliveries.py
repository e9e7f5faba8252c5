"""What a consumer gets, in which order, and what becomes of it."""

from __future__ import annotations

import secrets

from dalsegno.broker.port import Message, Queue, Session, Topology
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Inbox, bodies, consume, depth_reached, eventually, fill, numbered


async def test_a_message_arrives_as_it_was_sent(session: Session, queue: str) -> None:
    sent = Message(
        body=b"\x00payload\xff",
        message_id="id-1",
        type="workflow.start",
        correlation_id="correlation-1",
        reply_to="reply.here",
        content_type="application/cbor",
        timestamp=1_790_000_000,
        headers={
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "größe": "ß",
            "count": -(2**62),
            "ratio": 0.25,
            "yes": True,
            "raw": b"\xff\x00",
            "nothing": None,
        },
    )
    await fill(session, queue, [sent])
    inbox = Inbox()
    await consume(session, queue, inbox)
    (delivery,) = await inbox.receive(1)
    assert delivery.message == sent
    assert delivery.tag == 1
    assert not delivery.redelivered
    assert delivery.delivery_count == 0
    assert (delivery.exchange, delivery.routing_key) == ("", queue)


async def test_an_empty_body_and_no_properties_are_a_message_too(session: Session, queue: str) -> None:
    await fill(session, queue, [Message(body=b"", message_id="empty"), Message(body=b"", type="t")])
    inbox = Inbox()
    await consume(session, queue, inbox)
    first, second = await inbox.receive(2)
    assert first.message == Message(body=b"", message_id="empty")
    assert (second.message.body, second.message.type) == (b"", "t")


async def test_messages_arrive_in_the_order_of_their_publishing(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(50))
    await fill(session, queue, numbered(50, start=50))
    inbox = Inbox()
    await consume(session, queue, inbox)
    deliveries = await inbox.receive(100)
    assert inbox.bodies == bodies(numbered(100))
    assert [delivery.tag for delivery in deliveries] == list(range(1, 101))


async def test_a_message_of_several_megabytes_arrives_whole(session: Session, queue: str) -> None:
    body = secrets.token_bytes(1 << 20) * 5
    await fill(session, queue, [Message(body=body, message_id="large"), *numbered(1)])
    inbox = Inbox()
    await consume(session, queue, inbox)
    await inbox.receive(2)
    assert inbox.bodies == [body, b"0"]


async def test_no_delivery_comes_before_the_consumer_is_known(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(20))
    inbox = Inbox()
    consumer = await consume(session, queue, inbox)
    assert not inbox.deliveries
    await inbox.receive(20)
    assert consumer.is_open


async def test_no_more_than_the_prefetch_is_unacknowledged(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(10))
    inbox = Inbox()
    consumer = await consume(session, queue, inbox, prefetch=3)
    await inbox.receive(3)
    assert await session.queue_depth(queue) == 7
    consumer.acknowledge(2, multiple=True)
    await inbox.receive(5)
    assert await session.queue_depth(queue) == 5
    assert inbox.bodies == bodies(numbered(5))


async def test_acknowledging_one_of_many_removes_that_one_alone(connect: Connect, queue: str) -> None:
    session = await connect()
    await fill(session, queue, numbered(5))
    inbox = Inbox()
    consumer = await consume(session, queue, inbox)
    await inbox.receive(5)
    consumer.acknowledge(3)
    await consumer.close()
    again = Inbox()
    await consume(session, queue, again)
    await again.receive(4)
    assert again.bodies == [b"0", b"1", b"3", b"4"]


async def test_acknowledging_many_removes_everything_up_to_there(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(5))
    inbox = Inbox()
    consumer = await consume(session, queue, inbox)
    await inbox.receive(5)
    consumer.acknowledge(4, multiple=True)
    await consumer.close()
    again = Inbox()
    await consume(session, queue, again)
    await again.receive(1)
    assert again.bodies == [b"4"]


async def test_what_is_acknowledged_makes_room_for_more_though_nothing_follows_it(
    session: Session, queue: str
) -> None:
    await fill(session, queue, numbered(10))
    inbox = Inbox()
    consumer = await consume(session, queue, inbox, prefetch=8, gathers=True)
    await inbox.receive(8)
    consumer.acknowledge(1, multiple=True)
    await inbox.receive(9)
    consumer.acknowledge(2)
    await inbox.receive(10)
    assert inbox.bodies == bodies(numbered(10))


async def test_many_acknowledged_at_the_last_moment_do_not_come_again(connect: Connect, queue: str) -> None:
    session = await connect()
    await fill(session, queue, numbered(10))
    inbox = Inbox()
    consumer = await consume(session, queue, inbox, gathers=True)
    await inbox.receive(10)
    consumer.acknowledge(6)
    consumer.acknowledge(2, multiple=True)
    consumer.acknowledge(4, multiple=True)
    await session.close()
    again = Inbox()
    await consume(await connect(), queue, again)
    await again.receive(5)
    assert again.bodies == [b"4", b"6", b"7", b"8", b"9"]


async def test_what_a_closed_consumer_held_returns_to_the_front_in_order(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(10))
    inbox = Inbox()
    consumer = await consume(session, queue, inbox, prefetch=4)
    await inbox.receive(4)
    await consumer.close()
    again = Inbox()
    await consume(session, queue, again)
    deliveries = await again.receive(10)
    assert again.bodies == bodies(numbered(10))
    assert [delivery.redelivered for delivery in deliveries] == [True] * 4 + [False] * 6
    assert [delivery.delivery_count for delivery in deliveries] == [1] * 4 + [0] * 6


async def test_what_a_lost_session_held_returns_to_the_front_in_order(connect: Connect, queue: str) -> None:
    doomed, witness = await connect(), await connect()
    await fill(witness, queue, numbered(10))
    inbox = Inbox()
    await consume(doomed, queue, inbox, prefetch=5)
    await inbox.receive(5)
    await doomed.close()
    again = Inbox()
    await consume(witness, queue, again)
    await again.receive(10)
    assert again.bodies == bodies(numbered(10))


async def test_the_delivery_count_grows_with_every_return(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(1))
    counts = []
    for _ in range(4):
        inbox = Inbox()
        consumer = await consume(session, queue, inbox)
        (delivery,) = await inbox.receive(1)
        counts.append(delivery.delivery_count)
        await consumer.close()
    assert counts == [0, 1, 2, 3]


async def test_a_cancelled_consumer_gets_nothing_new_and_keeps_what_it_has(
    session: Session, queue: str
) -> None:
    await fill(session, queue, numbered(2))
    inbox, ends = Inbox(), Ends()
    consumer = await consume(session, queue, inbox, ends=ends)
    await inbox.receive(2)
    await consumer.cancel()
    await fill(session, queue, numbered(1, start=2))
    assert await session.queue_depth(queue) == 1
    consumer.acknowledge(2, multiple=True)
    await consumer.close()
    again = Inbox()
    await consume(session, queue, again)
    await again.receive(1)
    assert again.bodies == [b"2"]
    assert len(inbox.deliveries) == 2
    assert not ends.reasons


async def test_the_next_consumer_takes_over_when_the_active_one_closes(connect: Connect) -> None:
    active_session, idle_session = await connect(), await connect()
    queue = f"test.{secrets.token_hex(6)}"
    await active_session.declare(Topology(queues=[Queue(queue, single_active_consumer=True)]))
    active, idle = Inbox(), Inbox()
    consumer = await consume(active_session, queue, active, prefetch=5)
    await consume(idle_session, queue, idle, prefetch=100)
    await fill(active_session, queue, numbered(10))
    await active.receive(5)
    consumer.acknowledge(2, multiple=True)
    await active.receive(7)
    assert not idle.deliveries
    await consumer.close()
    await idle.receive(8)
    assert idle.bodies == bodies(numbered(8, start=2))
    assert [delivery.redelivered for delivery in idle.deliveries] == [True] * 5 + [False] * 3
    await idle_session.delete_queue(queue)


async def test_the_consumer_of_a_deleted_queue_is_told(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(1))
    inbox, ends = Inbox(), Ends()
    consumer = await consume(session, queue, inbox, ends=ends)
    await inbox.receive(1)
    await session.delete_queue(queue)
    assert queue in await ends.announced()
    assert not consumer.is_open
    consumer.acknowledge(1)
    await consumer.close()
    assert session.is_open


async def test_closing_twice_and_settling_afterwards_are_ordinary(session: Session, queue: str) -> None:
    await fill(session, queue, numbered(2))
    inbox, ends = Inbox(), Ends()
    consumer = await consume(session, queue, inbox, ends=ends)
    await inbox.receive(2)
    await consumer.close()
    await consumer.close()
    await consumer.cancel()
    consumer.acknowledge(1)
    consumer.dead_letter(2)
    await depth_reached(session, queue, 2)
    assert not consumer.is_open
    assert not ends.reasons
    assert session.is_open


async def test_two_consumers_share_an_ordinary_queue(session: Session, queue: str) -> None:
    first, second = Inbox(), Inbox()
    await consume(session, queue, first, prefetch=1)
    await consume(session, queue, second, prefetch=1)
    await fill(session, queue, numbered(2))
    await eventually(lambda: len(first.deliveries) == len(second.deliveries) == 1, "one message each")
    assert sorted(first.bodies + second.bodies) == [b"0", b"1"]
