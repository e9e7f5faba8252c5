"""The embedded broker in memory: the same model and sessions, without a file; and whether it is at rest."""

from __future__ import annotations

import pytest

from dalsegno.broker.embedded.memory import MemoryBroker
from dalsegno.broker.embedded.ready_line import MAX_ITEMS_IN_MEMORY
from dalsegno.broker.port import Delivery, Message, Outcome, Outgoing, Queue, Topology
from dalsegno.errors import BrokerUnavailableError
from tests.broker.witness import eventually


async def test_messages_go_through_it_and_it_says_when_it_is_at_rest() -> None:
    broker = MemoryBroker()
    await broker.start()
    session = await broker.connect(on_closed=lambda reason: None)
    await session.declare(Topology(queues=[Queue("q")]))
    publisher = await session.open_publisher(on_closed=lambda reason: None)
    count = MAX_ITEMS_IN_MEMORY + 500  # the rest is not kept in line, and read again
    outcomes: list[Outcome] = []
    messages = [Message(body=b"%d" % number, message_id=str(number)) for number in range(count)]
    publisher.publish([Outgoing("", "q", message, outcomes.append) for message in messages])
    await eventually(lambda: len(outcomes) == count, "outcomes")
    assert set(outcomes) == {Outcome.CONFIRMED}
    assert broker.is_at_rest, "nobody is there to take them"

    got: list[bytes] = []

    def take(delivery: Delivery) -> None:
        got.append(delivery.message.body)
        if len(got) > 10:
            consumer.acknowledge(delivery.tag, multiple=True)

    consumer = await session.open_consumer("q", prefetch=20, on_delivery=take, on_closed=lambda reason: None)
    assert not broker.is_at_rest
    await eventually(lambda: len(got) >= count, "deliveries")
    assert got == [str(number).encode() for number in range(count)]
    assert broker.is_at_rest
    await broker.close()
    await broker.close()
    assert not session.is_open
    with pytest.raises(BrokerUnavailableError, match="closed"):
        await broker.connect(on_closed=lambda reason: None)
