"""Broker and database are stopped, or die, while orders run: that delays them, and loses none."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.servers import PostgresServer, RabbitMQServer, fresh_database
from tests.system.conftest import SERVERS, StackFactory
from tests.system.load import orders_going_on
from tests.system.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]

AT_ONCE = 50
PACE = {"ORDERS_PACE": "0.05"}
AFTER_SECONDS = 90.0
"""For hosts, workers and clients to be back at work, on a busy machine."""


@pytest.fixture(scope="module")
def stack(
    private_rabbitmq: RabbitMQServer, private_postgres: PostgresServer, stack_on: StackFactory
) -> Iterator[Stack]:
    with fresh_database(private_postgres.url) as database:
        servers = {"broker": private_rabbitmq.url, "database": database}
        with stack_on(SERVERS, modules=["examples.orders"], hosts=2, workers=0, **servers) as stack:
            stack.worker(env=PACE).wait_ready()
            yield stack


async def go_on_over(stack: Stack, *outages: Callable[[], object]) -> None:
    """Fifty orders are under way when it happens, and many more complete afterwards."""
    async with orders_going_on(stack, at_once=AT_ONCE) as (_, load):
        await load.more(AT_ONCE // 2)
        for outage in outages:
            await asyncio.to_thread(outage)
        await load.more(2 * AT_ONCE, seconds=AFTER_SECONDS)


async def test_orders_go_on_when_the_broker_was_restarted(
    stack: Stack, private_rabbitmq: RabbitMQServer
) -> None:
    await go_on_over(stack, private_rabbitmq.stop, private_rabbitmq.start)


async def test_orders_go_on_when_the_broker_had_an_alarm(
    stack: Stack, private_rabbitmq: RabbitMQServer
) -> None:
    """Its publishers are blocked for longer than a lease lasts."""
    async with orders_going_on(stack, at_once=AT_ONCE) as (_, load):
        await load.more(AT_ONCE // 2)
        alarm = private_rabbitmq.memory_alarm()
        await asyncio.to_thread(alarm.__enter__)
        try:
            await asyncio.sleep(5)  # the length of the alarm
        finally:
            await asyncio.to_thread(alarm.__exit__, None, None, None)
        await load.more(2 * AT_ONCE, seconds=AFTER_SECONDS)


async def test_orders_go_on_when_the_database_was_restarted(
    stack: Stack, private_postgres: PostgresServer
) -> None:
    await go_on_over(stack, private_postgres.restart)


async def test_orders_go_on_when_every_connection_to_the_database_was_cut_again_and_again(
    stack: Stack, private_postgres: PostgresServer
) -> None:
    async with orders_going_on(stack, at_once=AT_ONCE) as (_, load):
        for _ in range(5):
            await load.more(10)
            await asyncio.to_thread(private_postgres.terminate_backends, stack.database)
        await load.more(2 * AT_ONCE, seconds=AFTER_SECONDS)


async def test_orders_go_on_when_broker_and_database_died_together(
    stack: Stack, private_rabbitmq: RabbitMQServer, private_postgres: PostgresServer
) -> None:
    def database_dies() -> None:
        private_postgres.stop(signal.SIGQUIT)

    await go_on_over(
        stack, database_dies, private_rabbitmq.kill, private_rabbitmq.start, private_postgres.start
    )
