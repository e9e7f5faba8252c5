"""Rights at the broker are taken away for a while: that delays orders, and fails none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.servers import PostgresServer, RabbitMQServer, fresh_database
from tests.system.conftest import SERVERS, StackFactory
from tests.system.load import orders_going_on
from tests.system.stack import Stack, until

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]

AT_ONCE = 20
AFTER_SECONDS = 90.0
"""For hosts, workers and clients to be back at work, on a busy machine."""


@pytest.fixture(scope="module")
def stack(
    private_rabbitmq: RabbitMQServer, postgres_server: PostgresServer, stack_on: StackFactory
) -> Iterator[Stack]:
    with private_rabbitmq.virtual_host() as broker, fresh_database(postgres_server.url) as database:
        servers = {"broker": broker, "database": database}
        with stack_on(SERVERS, modules=["examples.orders"], **servers) as stack:
            yield stack


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(r"^dalsegno\..*", id="only to named exchanges, so neither tasks nor replies"),
        pytest.param("^nowhere$", id="nowhere"),
    ],
)
async def test_orders_go_on_when_the_host_might_not_publish_for_a_while(
    stack: Stack, private_rabbitmq: RabbitMQServer, write: str
) -> None:
    (host,) = stack.hosts
    before = host.log.count("ACCESS_REFUSED")
    async with orders_going_on(stack, at_once=AT_ONCE) as (_, load):
        await load.more(AT_ONCE // 2)
        taken_away = private_rabbitmq.rights(stack.broker, write=write)
        await asyncio.to_thread(taken_away.__enter__)
        try:
            await until(lambda: host.log.count("ACCESS_REFUSED") > before, "the host says that it is refused")
        finally:
            await asyncio.to_thread(taken_away.__exit__, None, None, None)
        await load.more(2 * AT_ONCE, seconds=AFTER_SECONDS)
    assert "TooLarge" not in host.log
