"""What RabbitMQ closes a publisher over: a message that it never takes, or a place where none may go now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dalsegno.broker.port import Exchange, Fault, Message, Outcome, Topology
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Sender, numbered
from tests.servers import RabbitMQServer

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]

BOTH_PATHS = pytest.mark.parametrize("hot_path", [True, False], ids=["hot path", "plain"])


@pytest.fixture
def url(private_rabbitmq: RabbitMQServer) -> Iterator[str]:
    with private_rabbitmq.virtual_host() as url:
        yield url


@BOTH_PATHS
async def test_a_message_beyond_the_brokers_limit_is_at_fault_itself(
    private_rabbitmq: RabbitMQServer, url: str, connect_to: Connect, hot_path: bool
) -> None:
    private_rabbitmq.evaluate("application:set_env(rabbit, max_message_size, 1000)")
    try:
        ends = Ends()
        session = await connect_to(url, hot_path=hot_path)
        sender = Sender(await session.open_publisher(on_closed=ends))
        sender.send("", "nowhere", Message(body=bytes(2000), message_id="large"))
        assert "PRECONDITION_FAILED" in await ends.announced()
        assert sender.publisher.fault is Fault.MESSAGE
        assert session.is_open
    finally:
        private_rabbitmq.evaluate("application:set_env(rabbit, max_message_size, 134217728)")


@BOTH_PATHS
@pytest.mark.parametrize("exchange", ["", "orders"], ids=["default exchange", "named exchange"])
async def test_a_missing_right_is_no_messages_fault_and_the_next_publisher_has_it_when_it_is_granted(
    private_rabbitmq: RabbitMQServer, url: str, connect_to: Connect, hot_path: bool, exchange: str
) -> None:
    session = await connect_to(url, hot_path=hot_path)
    await session.declare(Topology(exchanges=[Exchange("orders")]))
    with private_rabbitmq.rights(url, write="^somewhere else$"):
        ends = Ends()
        session = await connect_to(url, hot_path=hot_path)
        sender = Sender(await session.open_publisher(on_closed=ends))
        sender.send(exchange, "nowhere", *numbered(3))
        assert "ACCESS_REFUSED" in await ends.announced()
        assert await sender.settled() == [Outcome.LOST] * 3
        assert sender.publisher.fault is Fault.TARGET
        assert session.is_open
    sender = Sender(await session.open_publisher(on_closed=Ends()))
    sender.send(exchange, "nowhere", *numbered(1))
    assert await sender.settled() == [Outcome.RETURNED]


@BOTH_PATHS
async def test_a_connection_that_is_closed_for_any_other_reason_blames_nothing(
    private_rabbitmq: RabbitMQServer, url: str, connect_to: Connect, hot_path: bool
) -> None:
    session_ends, ends = Ends(), Ends()
    session = await connect_to(url, session_ends, hot_path=hot_path)
    sender = Sender(await session.open_publisher(on_closed=ends))
    private_rabbitmq.close_connections()
    await ends.announced()
    assert "closed by a test" in await session_ends.announced()
    assert sender.publisher.fault is Fault.NONE
