"""examples/orders, tested as its users would: with its activities mocked, and time that is skipped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dalsegno.errors import ApplicationError
from dalsegno.testing import WorkflowEnvironment, mocked
from examples.orders import activities
from examples.orders.models import Approval, Line, Order, OrderStatus
from examples.orders.workflow import OrderWorkflow


@pytest.fixture
async def env() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping() as environment:
        yield environment


BOOKING = ("charge", "refund", "release", "reserve", "ship")
OTHERS = ("apologise", "confirm", "escalate", "validate")


class Services:
    """What the mocks were asked to do."""

    def __init__(self, **instead: Callable[..., Any]) -> None:
        self.asked: list[str] = []
        self._instead = instead

    def mocks(self) -> list[Callable[..., Any]]:
        return [mocked(getattr(activities, name), self._answer(name)) for name in (*BOOKING, *OTHERS)]

    def _answer(self, name: str) -> Callable[..., Any]:
        def answer(*args: Any) -> Any:
            self.asked.append(name)
            if name in self._instead:
                return self._instead[name](*args)
            return f"{name}-1" if name in BOOKING else None

        return answer


def an_order(cents: int) -> Order:
    return Order("o-1", "alice", "4242", "here", [Line("pen", 1, Decimal(cents) / 100)])


async def test_an_order_is_fulfilled(env: WorkflowEnvironment) -> None:
    services = Services()
    async with env.worker(workflows=[OrderWorkflow], activities=services.mocks()):
        result = await env.client.execute_workflow(OrderWorkflow.run, an_order(100), id="o-1")
    assert (result.status, result.payment, result.tracking) == (OrderStatus.COMPLETED, "charge-1", "ship-1")
    assert services.asked == ["validate", "charge", "reserve", "ship", "confirm"]


async def test_what_was_done_is_undone_when_nobody_delivers(env: WorkflowEnvironment) -> None:
    def fails(order: Order) -> str:
        raise ApplicationError("no carrier", type="Undeliverable")

    services = Services(ship=fails)
    async with env.worker(workflows=[OrderWorkflow], activities=services.mocks()):
        result = await env.client.execute_workflow(OrderWorkflow.run, an_order(100), id="o-1")
    assert (result.status, result.compensated) == (OrderStatus.FAILED, ["release", "refund"])


async def test_a_large_order_is_rejected_when_nobody_decides_for_two_days(env: WorkflowEnvironment) -> None:
    services = Services()
    async with env.worker(workflows=[OrderWorkflow], activities=services.mocks()):
        begun = await env.get_current_time()
        result = await env.client.execute_workflow(OrderWorkflow.run, an_order(200_000), id="o-1")
    assert result.status == OrderStatus.REJECTED
    assert services.asked == ["validate", "escalate"]
    assert timedelta(hours=48) <= await env.get_current_time() - begun < timedelta(hours=49)


async def test_who_is_asked_second_may_approve(env: WorkflowEnvironment) -> None:
    services = Services()
    async with env.worker(workflows=[OrderWorkflow], activities=services.mocks()):
        order = await env.client.start(OrderWorkflow.run, an_order(200_000), id="o-1")
        await env.sleep(timedelta(hours=30))
        assert services.asked == ["validate", "escalate"]
        await order.signal(OrderWorkflow.approve, Approval(True, by="bob"))
        assert (await order.result()).status == OrderStatus.COMPLETED
