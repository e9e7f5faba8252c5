"""Workflows that are put away when nothing happens to them, and come back for a signal, a timer, a query."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from dalsegno import Client
from examples.orders import OrderWorkflow
from examples.orders.models import Approval, OrderStatus
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.shop import booked, large
from tests.system.sleepers import LONG, Sleeper
from tests.system.stack import Stack, until

MODULES = ["examples.orders", "tests.system.sleepers"]


@pytest.fixture(
    scope="module",
    params=[
        EMBEDDED,
        pytest.param(SERVERS, marks=[pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]),
    ],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    """Whose host puts workflows away after a moment, and says so."""
    flags = ["--idle-seconds", "0.2", "--log-level", "debug"]
    with stack_on(request.param, modules=MODULES, host_flags=flags) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


async def until_put_away(stack: Stack, workflow_id: str, *, times: int = 1) -> None:
    await until(lambda: stack.times_put_away(workflow_id) >= times, f"{workflow_id} was put away {times} times")


async def test_signals_find_a_workflow_that_was_put_away_as_it_was(stack: Stack, client: Client) -> None:
    handle = await client.start(Sleeper.run, LONG, id="called")
    for number, call in enumerate(("first", "second", "wake up"), start=1):
        await until_put_away(stack, "called", times=number)
        await handle.signal(Sleeper.call, call)
    assert await handle.result(timeout=30) == ["first", "second", "wake up", "woken"]


async def test_a_timer_wakes_a_workflow_that_was_put_away(stack: Stack, client: Client) -> None:
    handle = await client.start(Sleeper.run, 3.0, id="timed")
    await handle.signal(Sleeper.call, "before")
    await until_put_away(stack, "timed")
    assert await handle.result(timeout=30) == ["before", "slept through"]


async def test_queries_see_a_workflow_that_was_put_away_as_it_was(stack: Stack, client: Client) -> None:
    handle = await client.start(Sleeper.run, LONG, id="asked")
    await handle.signal(Sleeper.call, "once")
    for times in (1, 2):
        await until_put_away(stack, "asked", times=times)
        assert await handle.query(Sleeper.called) == ["once"]
    await handle.terminate()


async def test_an_order_is_put_away_while_it_waits_for_an_approval_and_goes_on(
    stack: Stack, client: Client
) -> None:
    order = large("patient", approval_deadline=timedelta(seconds=2.5))
    handle = await client.start(OrderWorkflow.run, order, id="patient")
    await until_put_away(stack, "patient")

    async def is_escalated() -> bool:
        return await handle.query(OrderWorkflow.order_status) is OrderStatus.ESCALATED

    await until(is_escalated, "the first deadline passes")
    await handle.signal(OrderWorkflow.approve, Approval(True, "bob"))
    assert (await handle.result(timeout=30)).status is OrderStatus.COMPLETED
    assert booked(stack.ledger, "patient") == ["escalation", "payment", "reservation", "shipment", "mail"]
