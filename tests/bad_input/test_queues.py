"""Bad input into every queue of a running namespace, while ordinary work goes on.

Each message is refused and, where the queue is ours to tidy, kept among the dead letters with a reason. Nothing
is printed of it, and nothing of the ordinary work is lost.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, product
from typing import Any

import pytest
import sqlalchemy as sa

from dalsegno.broker import topology
from dalsegno.broker.port import Message
from dalsegno.client import Client
from dalsegno.payload import Payload
from dalsegno.persistence import open_database
from dalsegno.persistence.database import Role
from dalsegno.persistence.tables import strikes
from dalsegno.policies import WorkflowStatus
from examples.orders import OrderWorkflow
from tests.bad_input.bounded import fault_of_reason
from tests.bad_input.corpus import CANARY
from tests.bad_input.flood import (
    PARTITIONS,
    Flood,
    into_each,
    into_partitions,
    queue_of_client,
    queue_of_host,
    queue_of_worker,
)
from tests.bad_input.strangers import AMQP_PROPERTIES, POISONS, misdirected, odd_properties, poisoned_tasks
from tests.bad_input.test_corpus import CASES_MIN
from tests.partition_ids import nth, nths
from tests.system.bare import Bare
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.shop import booked, order
from tests.system.stack import ROOT, Stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

REASON = "x-dalsegno-reason"
SIDE_BY_SIDE = 4
"""Orders that are under way at any time."""
ON_SERVERS = pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])
KINDS = [EMBEDDED, ON_SERVERS]


@pytest.fixture(params=KINDS, scope="module")
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["examples.orders"]) as stack:
        yield stack
        for told in (
            said_by("verify", "--database", stack.database),
            said_by("workflow", "list", "--broker", stack.broker),
            said_by("hosts", "--broker", stack.broker),
        ):
            assert CANARY not in told


@pytest.fixture(autouse=True)
def unharmed(stack: Stack, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """What holds after each test: the same processes, no strikes, and nothing printed."""
    before = processes(stack)
    yield
    assert processes(stack) == before
    assert count_of_strikes(stack) == 0
    printed = capfd.readouterr()
    for text in (printed.out, printed.err, *(program.log for program in stack.programs)):
        assert CANARY not in text
        assert "Traceback" not in text


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
    engine = open_database(stack.database).engine(Role.READER)
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(strikes)) or 0


def said_by(*arguments: str) -> str:
    """What the command line prints; it must succeed."""
    command = [sys.executable, "-m", "dalsegno.cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def refusals(stack: Stack, event: str) -> int:
    """How often a process has said that it refused something in its own queue."""
    return sum(program.log.count(f'"event": "{event}"') for program in stack.programs)


def _has_said(stack: Stack, event: str, times: int) -> bool:
    return refusals(stack, event) == times


def assert_each_has_a_reason(letters: Sequence[Message]) -> None:
    faults = [fault_of_reason(str(letter.headers.get(REASON, ""))) for letter in letters]
    assert not [fault for fault in faults if fault is not None]


async def test_the_corpus_in_every_queue_is_refused_while_orders_are_done(stack: Stack) -> None:
    async with stack.client() as client, Flood(stack) as flood, asyncio.TaskGroup() as work:
        shop = Shop(client)
        for _ in range(SIDE_BY_SIDE):
            work.create_task(shop.trade())
        await until(lambda: shop.done, "the first order is done")

        kept = [topology.CONTROL_QUEUE, topology.DEAD_TASKS_QUEUE, topology.task_queue("default")]
        dropped = [queue_of_worker(stack), queue_of_host(stack), queue_of_client(client)]
        in_partitions = await flood.send(into_partitions(stack))
        elsewhere = await flood.send(into_each([*kept, *dropped], stack))
        await flood.until_dead(in_partitions.total() + sum(elsewhere[queue] for queue in kept))

        behind = len(shop.done) + SIDE_BY_SIDE  # begun after the last bad message was in its queue
        await until(lambda: len(shop.done) > behind, "orders are done behind the flood")
        shop.close()

    assert len(in_partitions) == PARTITIONS
    assert all(elsewhere[queue] >= CASES_MIN for queue in [*kept, *dropped])
    assert_each_has_a_reason(flood.dead)
    assert refusals(stack, "host_message_invalid") == elsewhere[queue_of_host(stack)]
    assert refusals(stack, "directive_invalid") == elsewhere[queue_of_worker(stack)]
    for order_id in shop.done:
        assert max(Counter(booked(stack.ledger, order_id)).values()) == 1


async def test_sound_messages_in_the_wrong_queue_are_refused(stack: Stack) -> None:
    kept = [topology.CONTROL_QUEUE, topology.DEAD_TASKS_QUEUE, topology.task_queue("default")]
    partitions = [topology.partition_queue(partition) for partition in nths(PARTITIONS)]
    dropped = {queue_of_host(stack): "host_message_invalid", queue_of_worker(stack): "directive_invalid"}
    before = {event: refusals(stack, event) for event in dropped.values()}
    async with Flood(stack) as flood:
        dead = [await flood.send_messages(queue, misdirected(queue)) for queue in [*kept, *partitions]]
        await flood.until_dead(sum(dead))
        assert_each_has_a_reason(flood.dead)
        for queue, event in dropped.items():
            sent = await flood.send_messages(queue, misdirected(queue))
            await until(partial(_has_said, stack, event, before[event] + sent), f"{event} is said")


async def test_arguments_that_are_none_suspend_their_own_workflow_alone(stack: Stack) -> None:
    async with stack.client() as client:

        async def reason_of(number: int, poison: Payload) -> str:
            handle = await client.start("Order", poison, id=f"poisoned-{number}")
            assert handle.status is WorkflowStatus.SUSPENDED
            reason = (await handle.describe()).suspended_reason or ""
            await handle.terminate()
            return reason

        reasons = await asyncio.gather(*(reason_of(*poison) for poison in enumerate(POISONS.values())))
        assert [fault for reason in reasons if (fault := fault_of_reason(reason)) is not None] == []
        assert await client.execute(OrderWorkflow.run, order("afterwards"), id="afterwards")


async def test_tasks_whose_arguments_are_none_fail_and_the_worker_goes_on(stack: Stack) -> None:
    async with stack.client() as client, Flood(stack) as flood:
        assert await flood.send_messages(topology.task_queue("default"), poisoned_tasks()) == len(POISONS)
        assert await client.execute(OrderWorkflow.run, order("behind"), id="behind")
        await flood.until_dead(0)


def described(bare: Bare, headers: Any) -> dict[str, Any]:
    body = {"workflow_id": "nobody"}
    return bare.ask("workflow.describe", body, exchange="", routing_key=topology.CONTROL_QUEUE, headers=headers)


@pytest.mark.parametrize("stack", [ON_SERVERS], indirect=True)
async def test_properties_that_only_amqp_has_are_borne(stack: Stack) -> None:
    queues = [
        topology.partition_queue(nth(3)),
        topology.CONTROL_QUEUE,
        topology.DEAD_TASKS_QUEUE,
        topology.task_queue("default"),
    ]
    with Bare(stack.broker) as bare:
        for queue, what in product(queues, AMQP_PROPERTIES):
            body = f"{CANARY}, {queue}, {what}".encode()
            bare.channel.basic_publish("", queue, body, odd_properties(what), mandatory=True)
        # Questions with odd headers are passed on to their partition, headers and all.
        codes = Counter(
            described(bare, odd["headers"])["error"]["code"]
            for odd in AMQP_PROPERTIES.values()
            if "headers" in odd
        )
    assert codes["invalid"] == 1, "only one has too much of them"
    assert codes.keys() == {"invalid", "not_found"}
    async with Flood(stack) as flood:
        await flood.until_dead(len(queues) * len(AMQP_PROPERTIES) + codes["invalid"])
    assert_each_has_a_reason(flood.dead)
    assert len({letter.body for letter in flood.dead}) == len(flood.dead)
    assert not refusals(stack, "broker_connection_lost")
