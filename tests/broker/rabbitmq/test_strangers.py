"""Messages and queues that others made."""

from __future__ import annotations

from typing import Any

import pika  # type: ignore[import-untyped]
import pytest
from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]

from dalsegno.broker.port import Message, Outcome, Outgoing, Queue, Session, Topology
from dalsegno.errors import BrokerUnavailableError
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Inbox, Sender, consume, numbered

pytestmark = pytest.mark.rabbitmq

READABLE_BY_ALL: dict[str, pika.BasicProperties] = {
    "nested headers": pika.BasicProperties(
        message_id="id", headers={"table": {"a": {"b": [1, {"c": None}]}}, "array": ["x", 2], "plain": "p"}
    ),
    "no properties": pika.BasicProperties(),
    "everything else": pika.BasicProperties(
        message_id="id", content_encoding="gzip", priority=3, expiration="60000", app_id="a", cluster_id="c"
    ),
}

FATAL_TO_THE_LIBRARY: dict[str, pika.BasicProperties] = {
    "a time in microseconds": pika.BasicProperties(message_id="id", timestamp=1_790_000_000_000_000_000),
    "a property that is not text": pika.BasicProperties(message_id="id", type=b"\xff\xfe"),
    "a header whose name is not text": pika.BasicProperties(message_id="id", headers={b"\xff": "x"}),
}


async def arrives_and_can_be_buried(
    session: Session, stranger: BlockingChannel, queue: str, properties: Any
) -> Message:
    stranger.basic_publish("", queue, b"from a stranger", properties)
    stranger.basic_publish("", queue, b"next", pika.BasicProperties(message_id="next"))
    inbox, ends = Inbox(), Ends()
    consumer = await consume(session, queue, inbox, ends=ends)
    strange, following = await inbox.receive(2)
    assert strange.message.body == b"from a stranger"
    assert following.message == Message(body=b"next", message_id="next")
    consumer.dead_letter(strange.tag)
    consumer.acknowledge(following.tag)
    await consumer.close()
    assert await session.queue_depth(queue) == 0
    assert session.is_open
    assert not ends.reasons
    return strange.message


@pytest.mark.parametrize("kind", READABLE_BY_ALL)
async def test_an_odd_message_arrives(
    session: Session, stranger: BlockingChannel, queue: str, kind: str
) -> None:
    message = await arrives_and_can_be_buried(session, stranger, queue, READABLE_BY_ALL[kind])
    assert message.headers == ({"plain": "p"} if kind == "nested headers" else {})


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
@pytest.mark.parametrize("kind", FATAL_TO_THE_LIBRARY)
async def test_a_message_that_the_library_cannot_decode_arrives(
    session: Session, stranger: BlockingChannel, queue: str, kind: str
) -> None:
    message = await arrives_and_can_be_buried(session, stranger, queue, FATAL_TO_THE_LIBRARY[kind])
    assert message.message_id == "id"
    assert message.type is None


async def test_a_full_queue_refuses_and_what_it_took_is_confirmed(
    session: Session, stranger: BlockingChannel
) -> None:
    arguments = {"x-queue-type": "classic", "x-max-length": 2, "x-overflow": "reject-publish"}
    stranger.queue_declare("small", durable=True, arguments=arguments)
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    for message in numbered(4):
        sender.send("", "small", message)
        await sender.settled()
    confirmed, refused = Outcome.CONFIRMED, Outcome.REFUSED
    assert await sender.settled() == [confirmed, confirmed, refused, refused]
    assert sender.publisher.is_open


async def test_what_amqp_cannot_carry_is_refused_and_its_neighbours_are_not(
    session: Session, queue: str
) -> None:
    publisher = await session.open_publisher(on_closed=Ends())
    outcomes: dict[str, Outcome] = {}

    def outgoing(key: str, message: Message) -> Outgoing:
        return Outgoing("", key, message, lambda outcome: outcomes.__setitem__(message.body.decode(), outcome))

    publisher.publish(
        [
            outgoing(queue, Message(body=b"before", message_id="1")),
            outgoing("k" * 256, Message(body=b"long key", message_id="2")),
            outgoing(queue, Message(body=b"long id", message_id="i" * 256)),
            outgoing(queue, Message(body=b"after", message_id="3")),
        ]
    )
    sender = Sender(publisher)
    sender.send("", queue, Message(body=b"last", message_id="4"))
    await sender.settled()
    assert outcomes == {
        "before": Outcome.CONFIRMED,
        "long key": Outcome.IMPOSSIBLE,
        "long id": Outcome.IMPOSSIBLE,
        "after": Outcome.CONFIRMED,
    }
    assert await session.queue_depth(queue) == 3


async def test_an_exclusive_queue_of_another_session_is_not_ours_to_use(connect: Connect) -> None:
    owner, other = await connect(), await connect()
    topology = Topology(queues=[Queue("mine", durable=False)])
    await owner.declare(topology)
    with pytest.raises(BrokerUnavailableError, match="still belongs to another connection"):
        await other.declare(topology)
    with pytest.raises(BrokerUnavailableError, match="still belongs to another connection"):
        await consume(other, "mine", Inbox())
    assert other.is_open
