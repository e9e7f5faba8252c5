"""A mark tells a queue from another of its name that somebody has declared since."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dalsegno.broker.port import Outcome
from dalsegno.broker.topology import declare_task_queue, task_queue
from dalsegno.errors import TopologyError
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Inbox, Sender, consume, numbered
from tests.servers import RabbitMQServer

pytestmark = pytest.mark.rabbitmq

QUEUE = task_queue("orders")


@pytest.fixture
def url(rabbitmq_server: RabbitMQServer) -> Iterator[str]:
    with rabbitmq_server.virtual_host() as url:
        yield url


async def test_a_queue_that_was_deleted_and_declared_again_has_no_mark(url: str, connect_to: Connect) -> None:
    session, other = await connect_to(url), await connect_to(url)
    await session.declare(declare_task_queue("orders"))
    await session.mark_queue(QUEUE)
    assert await other.has_mark(QUEUE)
    await other.delete_queue(QUEUE)
    await other.declare(declare_task_queue("orders"))
    assert not await session.has_mark(QUEUE)
    await session.mark_queue(QUEUE)
    assert await other.has_mark(QUEUE)


async def test_a_mark_outlives_who_has_left_it_and_disturbs_no_delivery(url: str, connect_to: Connect) -> None:
    session = await connect_to(url)
    await session.declare(declare_task_queue("orders"))
    await session.mark_queue(QUEUE)
    await session.close()
    session = await connect_to(url)
    assert await session.has_mark(QUEUE)
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send("", QUEUE, *numbered(2))
    assert await sender.settled() == [Outcome.CONFIRMED] * 2
    inbox = Inbox()
    await consume(session, QUEUE, inbox)
    await inbox.receive(2)


async def test_a_queue_that_is_not_there_cannot_be_marked_and_the_session_lives_on(
    url: str, connect_to: Connect
) -> None:
    session = await connect_to(url)
    with pytest.raises(TopologyError, match=QUEUE):
        await session.mark_queue(QUEUE)
    assert session.is_open
    await session.declare(declare_task_queue("orders"))
    await session.mark_queue(QUEUE)
    assert await session.has_mark(QUEUE)
