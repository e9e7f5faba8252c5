"""Where messages go that nobody can use."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from dalsegno.broker.port import Queue, Session, Topology
from tests.broker.witness import Inbox, consume, fill, numbered


@pytest.fixture
async def queues(session: Session) -> AsyncIterator[tuple[str, str]]:
    """A queue whose messages may come back twice, and the queue of its dead letters."""
    name = f"test.{secrets.token_hex(6)}"
    grave = f"{name}.dead"
    await session.declare(
        Topology(
            queues=[
                Queue(grave),
                Queue(name, delivery_limit=2, dead_letter_exchange="", dead_letter_routing_key=grave),
            ]
        )
    )
    yield name, grave
    for queue in (name, grave):
        await session.delete_queue(queue)


async def test_a_rejected_message_moves_to_the_dead_letters_and_the_rest_stays(
    session: Session, queues: tuple[str, str]
) -> None:
    queue, grave = queues
    await fill(session, queue, numbered(3))
    inbox, dead = Inbox(), Inbox()
    consumer = await consume(session, queue, inbox)
    await inbox.receive(3)
    consumer.dead_letter(2)
    await consume(session, grave, dead)
    (letter,) = await dead.receive(1)
    assert letter.message.body == b"1"
    assert letter.message.message_id == "message-1"
    await consumer.close()
    again = Inbox()
    await consume(session, queue, again)
    await again.receive(2)
    assert again.bodies == [b"0", b"2"]


async def test_a_message_that_came_back_too_often_moves_to_the_dead_letters(
    session: Session, queues: tuple[str, str]
) -> None:
    queue, grave = queues
    await fill(session, queue, numbered(1))
    for expected_count in range(3):
        inbox = Inbox()
        consumer = await consume(session, queue, inbox)
        (delivery,) = await inbox.receive(1)
        assert delivery.delivery_count == expected_count
        await consumer.close()
    dead = Inbox()
    await consume(session, grave, dead)
    (letter,) = await dead.receive(1)
    assert letter.message.body == b"0"
    assert letter.message.message_id == "message-0"
    assert await session.queue_depth(queue) == 0


async def test_a_message_acknowledged_in_time_does_not_die(session: Session, queues: tuple[str, str]) -> None:
    queue, grave = queues
    await fill(session, queue, numbered(2))
    for _ in range(2):
        inbox = Inbox()
        consumer = await consume(session, queue, inbox)
        await inbox.receive(2)
        await consumer.close()
    inbox = Inbox()
    consumer = await consume(session, queue, inbox)
    await inbox.receive(2)
    consumer.acknowledge(1)
    await consumer.close()
    dead = Inbox()
    await consume(session, grave, dead)
    await dead.receive(1)
    assert dead.bodies == [b"1"]
    assert await session.queue_depth(queue) == 0
