"""Bad input into every queue of a running namespace, while ordinary work goes on.

Each message is refused and, where the queue is ours to tidy, kept among the dead letters with a reason. Nothing
is printed of it, and nothing of the ordinary work is lost.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest
import sqlalchemy as sa

from dalsegno.broker import topology
from dalsegno.broker.port import Outcome
from dalsegno.client import Client
from dalsegno.persistence.tables import strikes
from dalsegno.persistence.url import parse_url
from examples.orders import OrderWorkflow
from tests.bad_input.bounded import fault_of_reason
from tests.bad_input.corpus import CANARY
from tests.bad_input.flood import (
    Flood,
    into_each,
    into_partitions,
    queue_of_client,
    queue_of_host,
    queue_of_worker,
)
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.shop import booked, order
from tests.system.stack import ROOT, Stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

REASON = "x-dalsegno-reason"
SIDE_BY_SIDE = 4
"""Orders that are under way at any time."""
KINDS = [
    EMBEDDED,
    pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres]),
]


@pytest.fixture(params=KINDS)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["examples.orders"]) as stack:
        yield stack


class Shop:
    """Ordinary work: orders, one after the other, until it is closed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = count(1)
        self._is_open = True
        self.done: list[str] = []

    async def trade(self) -> None:
        while self._is_open:
            order_id = f"order-{next(self._numbers)}"
            await self._client.execute(OrderWorkflow.run, order(order_id), id=order_id)
            self.done.append(order_id)

    def close(self) -> None:
        self._is_open = False


def processes(stack: Stack) -> list[int]:
    return [pid for program in stack.programs for pid in (program.pid, *(p.pid for p in program.children()))]


def count_of_strikes(stack: Stack) -> int:
    engine = sa.create_engine(parse_url(stack.database).address, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(strikes)) or 0


def said_by(stack: Stack, *arguments: str) -> str:
    """What the command line prints; it must succeed."""
    command = [sys.executable, "-m", "dalsegno.cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_the_corpus_in_every_queue_is_refused_and_harms_nothing(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    before = processes(stack)
    async with stack.client() as client, Flood(stack) as flood, asyncio.TaskGroup() as work:
        shop = Shop(client)
        for _ in range(SIDE_BY_SIDE):
            work.create_task(shop.trade())
        await until(lambda: shop.done, "the first order is done")

        kept = [topology.CONTROL_QUEUE, topology.DEAD_TASKS_QUEUE, topology.task_queue("default")]
        dropped = [queue_of_worker(stack), queue_of_host(stack), queue_of_client(client)]
        in_partitions = await flood.send(into_partitions(stack))
        elsewhere = await flood.send(into_each([*kept, *dropped], stack))
        sent = in_partitions + elsewhere
        expected = in_partitions.total() + sum(elsewhere[queue] for queue in kept)
        await flood.until_dead(expected)

        behind = len(shop.done) + SIDE_BY_SIDE  # begun after the last bad message was in its queue
        await until(lambda: len(shop.done) > behind, "orders are done behind the flood")
        shop.close()

    assert flood.outcomes == {Outcome.CONFIRMED: sent.total()}
    assert all(sent[queue] for queue in [*kept, *dropped])
    assert len(in_partitions) == 16
    assert len(flood.dead) == expected
    assert not [
        fault for letter in flood.dead if (fault := fault_of_reason(str(letter.headers.get(REASON, ""))))
    ]
    (host,), (worker,) = stack.hosts, stack.workers
    assert refusals(host.log, "host_message_invalid") == sent[queue_of_host(stack)]
    assert refusals(worker.log, "directive_invalid") == sent[queue_of_worker(stack)]

    assert processes(stack) == before
    assert count_of_strikes(stack) == 0
    for order_id in shop.done:
        assert max(Counter(booked(stack.ledger, order_id)).values()) == 1
    told = [
        said_by(stack, "verify", "--database", stack.database),
        said_by(stack, "workflow", "list", "--broker", stack.broker),
        said_by(stack, "hosts", "--broker", stack.broker),
    ]
    printed = capfd.readouterr()
    for text in (*told, printed.out, printed.err, *(program.log for program in stack.programs)):
        assert CANARY not in text


def refusals(log: str, event: str) -> int:
    return log.count(f'"event": "{event}"')
