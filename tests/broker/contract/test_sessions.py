"""Opening and closing of sessions."""

from __future__ import annotations

import pytest

from dalsegno.broker.port import Broker, Queue, Session, Topology
from dalsegno.errors import BrokerUnavailableError
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Inbox, consume, fill, numbered


async def test_closing_twice_is_ordinary_and_is_not_announced(broker: Broker) -> None:
    ends = Ends()
    session = await broker.connect(on_closed=ends)
    await session.close()
    await session.close()
    assert not session.is_open
    assert not ends.reasons


async def test_a_closed_session_refuses_everything(connect: Connect, queue: str) -> None:
    session = await connect()
    await session.close()
    with pytest.raises(BrokerUnavailableError):
        await session.declare(Topology(queues=[Queue(queue)]))
    with pytest.raises(BrokerUnavailableError):
        await session.queue_depth(queue)
    with pytest.raises(BrokerUnavailableError):
        await session.purge_queue(queue)
    with pytest.raises(BrokerUnavailableError):
        await session.delete_queue(queue)
    with pytest.raises(BrokerUnavailableError):
        await session.unbind([])
    with pytest.raises(BrokerUnavailableError):
        await session.open_publisher(on_closed=Ends())
    with pytest.raises(BrokerUnavailableError):
        await consume(session, queue, Inbox())


async def test_closing_a_session_closes_what_was_opened_from_it(connect: Connect, queue: str) -> None:
    session = await connect()
    ends = Ends()
    publisher = await session.open_publisher(on_closed=ends)
    consumer = await consume(session, queue, Inbox(), ends=ends)
    await session.close()
    assert not publisher.is_open
    assert not consumer.is_open
    await publisher.close()
    await consumer.close()
    assert not ends.reasons


async def test_sessions_do_not_share_their_fate(connect: Connect, queue: str) -> None:
    first, second = await connect(), await connect()
    inbox = Inbox()
    await consume(second, queue, inbox)
    await first.close()
    await fill(second, queue, numbered(1))
    await inbox.receive(1)
    assert second.is_open


async def test_messages_outlive_every_session(broker: Broker, session: Session, queue: str) -> None:
    await fill(session, queue, numbered(3))
    later = await broker.connect(on_closed=Ends())
    inbox = Inbox()
    await consume(later, queue, inbox)
    await inbox.receive(3)
    await later.close()
