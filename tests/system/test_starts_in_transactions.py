"""A workflow is started if the application's own transaction commits, whichever processes die meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from dalsegno import Client
from examples.orders import OrderWorkflow
from examples.orders.models import OrderStatus
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.shop import order
from tests.system.stack import Stack, until

pytestmark = pytest.mark.slow

ON_SERVERS = pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])


@pytest.fixture(params=[EMBEDDED, ON_SERVERS])
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["examples.orders"]) as stack:
        yield stack


def application(stack: Stack) -> sa.Engine:
    return sa.create_engine(stack.database.replace("postgresql://", "postgresql+psycopg://"))


def waiting(stack: Stack) -> int:
    app = application(stack)
    with app.connect() as connection:
        count: int = connection.execute(sa.text("SELECT count(*) FROM inbox")).scalar_one()
    app.dispose()
    return count


async def test_what_is_committed_is_started_once_though_hosts_die_and_what_is_not_is_not(stack: Stack) -> None:
    (host,) = stack.hosts
    app = application(stack)
    async with stack.client() as client:
        host.kill()
        with app.begin() as connection:
            handles = [
                await client.start(OrderWorkflow.run, order(f"t-{n}"), id=f"t-{n}", connection=connection)
                for n in range(20)
            ]
        with app.connect() as connection:
            await client.start(OrderWorkflow.run, order("undone"), id="undone", connection=connection)
            connection.rollback()
        assert waiting(stack) == 20
        host.start()
        await host.until_ready()
        await until(lambda: waiting(stack) < 20, "a host has sent something on", seconds=60)
        host.kill_child()
        results = await asyncio.gather(*(handle.result(timeout=120) for handle in handles))

        assert {result.status for result in results} == {OrderStatus.COMPLETED}
        await until(lambda: waiting(stack) == 0, "all has been sent on", seconds=60)
        assert (await client.count_workflows("WorkflowID starts_with 't-'")).count == 20
        assert (await client.count_workflows("WorkflowID = 'undone'")).count == 0
    app.dispose()


@pytest.mark.rabbitmq
@pytest.mark.postgres
async def test_any_connection_to_postgresql_will_do(servers: Stack) -> None:
    async with servers.client() as client:
        begun = []
        with psycopg.connect(servers.database) as plain:
            begun.append(await start(client, "psycopg", connection=plain, schema="public"))
        async with await psycopg.AsyncConnection.connect(servers.database) as asynchronous:
            begun.append(await start(client, "async", connection=asynchronous))
        engine = create_async_engine(servers.database.replace("postgresql://", "postgresql+psycopg://"))
        async with engine.begin() as connection:
            begun.append(await start(client, "alchemy", connection=connection))
        await engine.dispose()
        for handle in begun:
            assert (await handle.result(timeout=60)).status is OrderStatus.COMPLETED
        with psycopg.connect(servers.database) as plain, pytest.raises(psycopg.errors.UndefinedTable):
            await start(client, "nowhere", connection=plain, schema="no such")


async def start(client: Client, id_: str, **where: Any) -> Any:
    return await client.start(OrderWorkflow.run, order(id_), id=id_, **where)


@pytest.fixture
def servers(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=["examples.orders"]) as stack:
        yield stack
