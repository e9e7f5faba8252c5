"""How many channels a connection of RabbitMQ may have, and how few of them are used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno.broker.port import Queue, Topology
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Inbox, consume
from tests.servers import RabbitMQServer

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]


@pytest.fixture
def narrow(private_rabbitmq: RabbitMQServer) -> Iterator[str]:
    """A virtual host of a node that allows ten channels a connection."""
    before = private_rabbitmq.evaluate("element(2, application:get_env(rabbit, channel_max))")
    private_rabbitmq.evaluate("application:set_env(rabbit, channel_max, 10)")
    try:
        with private_rabbitmq.virtual_host() as url:
            yield url
    finally:
        usual = before.strip().removeprefix("{ok,").removesuffix("}").strip()
        private_rabbitmq.evaluate(f"application:set_env(rabbit, channel_max, {usual})")


async def test_a_session_tells_the_limit_and_uses_the_numbers_of_closed_channels_again(
    narrow: str, connect_to: Connect
) -> None:
    ends = Ends()
    session = await connect_to(narrow, ends)
    assert session.channel_max == 10
    await session.declare(Topology(queues=[Queue("orders")]))
    await consume(session, "orders", Inbox())
    for _ in range(30):
        kept = await consume(session, "orders", Inbox())
        await (await consume(session, "orders", Inbox())).close()
        await kept.close()
    assert session.is_open
    assert not ends.reasons


async def test_questions_share_one_channel(private_rabbitmq: RabbitMQServer, connect_to: Connect) -> None:
    with private_rabbitmq.virtual_host() as url:
        session = await connect_to(url)
        await session.declare(Topology(queues=[Queue(f"orders.{n}") for n in range(5)]))
        assert await session.queue_depth("orders.0") == 0
        before = private_rabbitmq.evaluate("length(rabbit_channel:list())")
        for n in range(5):
            assert await session.queue_depth(f"orders.{n}") == 0
        assert private_rabbitmq.evaluate("length(rabbit_channel:list())") == before
        assert await session.queue_depth("nobody") is None
        assert await session.queue_depth("orders.1") == 0


@pytest.mark.postgres
def test_a_host_says_how_many_channels_it_needs_and_ends(narrow: str, postgres_url: str) -> None:
    where = ["--broker", narrow, "--database", postgres_url]
    command = [sys.executable, "-m", "dalsegno.cli"]
    root = Path(__file__).parents[3]
    subprocess.run([*command, "init", *where], check=True, cwd=root, capture_output=True)
    host = subprocess.run(
        [*command, "host", "examples.orders", *where],
        cwd=root,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert host.returncode == 2, host.stderr
    assert "10 channels" in host.stderr
    assert "channel_max" in host.stderr
