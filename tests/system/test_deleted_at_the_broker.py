"""Somebody deletes what the namespace has at the broker while hosts run: they declare it anew and go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pika  # type: ignore[import-untyped]
import pika.exceptions  # type: ignore[import-untyped]
import pytest

from dalsegno import Client
from dalsegno.broker.rabbitmq.declare import queue_arguments
from dalsegno.broker.topology import control_queue
from examples.orders import OrderWorkflow
from examples.orders.models import OrderStatus
from tests.system.conftest import SERVERS, StackFactory
from tests.system.shop import order
from tests.system.stack import Stack, until

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]

PARTITIONS = 16
CONTROL_ARGUMENTS = queue_arguments(control_queue())


@pytest.fixture(scope="module")
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=["examples.orders"], hosts=2) as stack:
        yield stack


def delete(stack: Stack, *, queue: str | None = None, exchange: str | None = None) -> None:
    with pika.BlockingConnection(pika.URLParameters(stack.broker)) as connection:
        if queue is not None:
            connection.channel().queue_delete(queue)
        else:
            connection.channel().exchange_delete(exchange)


def exists(stack: Stack, *, queue: str | None = None, exchange: str | None = None) -> bool:
    with pika.BlockingConnection(pika.URLParameters(stack.broker)) as connection:
        channel = connection.channel()
        with suppress(pika.exceptions.ChannelClosedByBroker):
            if queue is not None:
                channel.queue_declare(queue, passive=True)
            else:
                channel.exchange_declare(exchange, passive=True)
            return True
        return False


def consumers(stack: Stack, queue: str) -> int:
    with pika.BlockingConnection(pika.URLParameters(stack.broker)) as connection:
        count: int = connection.channel().queue_declare(queue, passive=True).method.consumer_count
        return count


async def orders_complete(client: Client, name: str) -> None:
    """One for each partition, most likely."""
    for number in range(2 * PARTITIONS):
        given = f"{name}-{number}"
        result = await client.execute(OrderWorkflow.run, order(given), id=given)
        assert result.status is OrderStatus.COMPLETED


@pytest.mark.parametrize("exchange", ["dalsegno.commands", "dalsegno.results", "dalsegno.dead"])
async def test_a_deleted_exchange_is_declared_anew_with_all_its_bindings(stack: Stack, exchange: str) -> None:
    delete(stack, exchange=exchange)
    await until(lambda: exists(stack, exchange=exchange), f"{exchange} is there again")
    await until(
        lambda: any("namespace_declared_anew" in host.log for host in stack.hosts),
        "a host has mended all of it",
    )
    async with stack.client() as client:
        await orders_complete(client, exchange)


async def test_deleted_partition_queues_are_declared_anew_and_consumed(stack: Stack) -> None:
    for partition in range(0, PARTITIONS, 2):
        delete(stack, queue=f"dalsegno.partition.1.{partition}")
    async with stack.client() as client:
        for partition in range(0, PARTITIONS, 2):
            queue = f"dalsegno.partition.1.{partition}"
            await until(lambda queue=queue: exists(stack, queue=queue), f"{queue} is there again")
        await orders_complete(client, "partitions")


async def test_deleted_control_and_dead_letter_queues_are_declared_anew_and_consumed(stack: Stack) -> None:
    queues = ("dalsegno.control", "dalsegno.tasks.dead")
    for queue in queues:
        delete(stack, queue=queue)
    for queue in queues:
        await until(lambda queue=queue: exists(stack, queue=queue), f"{queue} is there again")
    async with stack.client() as client:
        assert {host.host_id for host in await client.hosts()} == {host.host_id for host in stack.hosts}


async def test_both_hosts_consume_a_control_queue_that_was_deleted_and_declared_again_at_once(
    stack: Stack,
) -> None:
    delete(stack, queue="dalsegno.control")
    with pika.BlockingConnection(pika.URLParameters(stack.broker)) as connection:
        connection.channel().queue_declare("dalsegno.control", durable=True, arguments=CONTROL_ARGUMENTS)
    await until(lambda: consumers(stack, "dalsegno.control") == len(stack.hosts), "both consume it")
