"""The hot path's publisher beside what both brokers promise."""

from __future__ import annotations

import gc
import sys

import pytest

from dalsegno.broker.port import Message, Outcome, Queue, Topology
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Sender

pytestmark = pytest.mark.rabbitmq


async def test_what_is_not_answered_yet_is_not_held_with_its_body(
    rabbitmq_url: str, connect_to: Connect
) -> None:
    """A queue without a leader answers when it has one; what may have to be sent again, its sender has."""
    session = await connect_to(rabbitmq_url)
    queue = "test.unanswered"
    await session.declare(Topology(queues=[Queue(queue)]))
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    body = bytes(100_000)
    before = sys.getrefcount(body)
    sender.send("", queue, Message(body=body, message_id="large"), Message(body=body))
    gc.collect()
    assert sys.getrefcount(body) == before
    assert await sender.settled() == [Outcome.CONFIRMED] * 2
    await session.delete_queue(queue)
