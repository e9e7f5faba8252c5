"""The order example, to each of its ends, by its own processes and with its own ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from dalsegno import (
    ActivityError,
    ApplicationError,
    CanceledError,
    Client,
    TerminatedError,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowIDReusePolicy,
    WorkflowStatus,
)
from dalsegno.broker.protocol.messages import PendingActivity
from dalsegno.client import WorkflowHandle
from examples.orders import OrderWorkflow
from examples.orders.models import Approval, Line, Order, OrderResult, OrderStatus
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.shop import booked, large, order
from tests.system.stack import Stack, until

SLOW = "slow"
"""A task queue whose worker takes its time, so that an order can be met at each of its stages."""
SOON = timedelta(seconds=0.5)

FULFILLED = ["payment", "reservation", "shipment", "mail"]


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["examples.orders"]) as stack:
        stack.worker(task_queue=SLOW, env={"ORDERS_PACE": "0.8"}).wait_ready()
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


async def begin(client: Client, order: Order, **options: Any) -> WorkflowHandle[OrderResult]:
    return await client.start(OrderWorkflow.run, order, id=order.order_id, **options)


async def reached(handle: WorkflowHandle[OrderResult], status: OrderStatus) -> None:
    """Until the order says so of itself."""

    async def is_there() -> bool:
        return await handle.query(OrderWorkflow.order_status) is status

    await until(is_there, f"{handle.id} is {status}")


async def cause_of(handle: WorkflowHandle[OrderResult]) -> BaseException | None:
    """Why the workflow did not complete."""
    with pytest.raises(WorkflowFailedError) as failed:
        await handle.result(timeout=30)
    return failed.value.__cause__


# --- it ends by itself ---------------------------------------------------------------------------------------


async def test_an_order_is_fulfilled_step_by_step(stack: Stack, client: Client) -> None:
    result = await client.execute(OrderWorkflow.run, order("good"), id="good")
    assert result.status is OrderStatus.COMPLETED
    assert (result.payment or "").startswith("payment-")
    assert (result.tracking or "").startswith("shipment-")
    assert booked(stack.ledger, "good") == FULFILLED


async def test_fifty_orders_at_once_are_fulfilled_each_on_its_own(stack: Stack, client: Client) -> None:
    names = [f"one-of-fifty-{n}" for n in range(50)]
    results = await asyncio.gather(*(client.execute(OrderWorkflow.run, order(n), id=n) for n in names))
    assert {result.status for result in results} == {OrderStatus.COMPLETED}
    assert len({result.payment for result in results}) == 50
    for name in names:
        assert booked(stack.ledger, name) == FULFILLED


async def test_a_declined_card_ends_the_order_with_nothing_to_undo(stack: Stack, client: Client) -> None:
    result = await client.execute(OrderWorkflow.run, order("declined", card="4000-0002"), id="declined")
    assert result == OrderResult(OrderStatus.FAILED, reason="the card of ann was declined")
    assert booked(stack.ledger, "declined") == []


async def test_what_is_sold_out_is_refunded(stack: Stack, client: Client) -> None:
    sold_out = order("sold-out", lines=[Line("sold-out", 1, order("x").lines[0].unit_price)])
    result = await client.execute(OrderWorkflow.run, sold_out, id="sold-out")
    assert result == OrderResult(OrderStatus.FAILED, reason="an item is sold out", compensated=["refund"])
    assert booked(stack.ledger, "sold-out") == ["payment", "refund"]


async def test_what_cannot_be_delivered_is_undone_in_reverse_order(stack: Stack, client: Client) -> None:
    result = await client.execute(OrderWorkflow.run, order("nowhere", address="nowhere"), id="nowhere")
    assert result.status is OrderStatus.FAILED
    assert result.compensated == ["release", "refund"]
    assert booked(stack.ledger, "nowhere") == ["payment", "reservation", "release", "refund"]


async def test_what_cannot_be_refunded_waits_for_a_person_who_pays_it_back_by_hand(
    stack: Stack, client: Client
) -> None:
    handle = await begin(client, order("closed", card="4000-closed", address="nowhere"))
    (incident,) = await until(handle.incidents, "somebody is to pay it back")
    assert incident.activity_type == "refund"
    assert (await handle.query(OrderWorkflow.order_status)) is OrderStatus.COMPENSATING
    await handle.complete_incident(incident.number, "refund-by-hand")
    result = await handle.result(timeout=30)
    assert (result.status, result.compensated) == (OrderStatus.FAILED, ["release", "refund"])
    assert booked(stack.ledger, "closed") == ["payment", "reservation", "release"]


async def test_a_provider_that_is_down_for_a_while_is_asked_again(stack: Stack, client: Client) -> None:
    handle = await begin(client, order("flaky", card="4000-flaky"))

    async def failing() -> list[PendingActivity]:
        pending = (await handle.describe()).pending_activities
        return [activity for activity in pending if activity.last_failure is not None]

    (charge,) = await until(failing, "a payment failed")
    assert (charge.activity_type, charge.state) == ("charge", "backing_off")
    assert charge.last_failure is not None
    assert charge.last_failure.message == "the payment provider does not answer"
    assert (await handle.result(timeout=30)).status is OrderStatus.COMPLETED
    assert booked(stack.ledger, "flaky") == FULFILLED


async def test_an_invalid_order_fails_the_workflow(stack: Stack, client: Client) -> None:
    error = await cause_of(await begin(client, order("invalid", lines=[])))
    assert isinstance(error, ActivityError)
    assert (error.activity_type, error.attempt) == ("validate", 1)
    assert isinstance(error.__cause__, ApplicationError)
    assert (error.__cause__.type, str(error.__cause__)) == ("InvalidOrder", "the order has no lines")
    assert booked(stack.ledger, "invalid") == []


# --- a person decides ----------------------------------------------------------------------------------------


async def test_an_approved_order_is_fulfilled(stack: Stack, client: Client) -> None:
    handle = await begin(client, large("approved"))
    await reached(handle, OrderStatus.AWAITING_APPROVAL)
    assert booked(stack.ledger, "approved") == []
    await handle.signal(OrderWorkflow.approve, Approval(True, "bob"))
    await handle.signal(OrderWorkflow.approve, Approval(False, "carol", "the first word counts"))
    assert (await handle.result(timeout=30)).status is OrderStatus.COMPLETED
    assert booked(stack.ledger, "approved") == FULFILLED


async def test_an_order_that_is_not_approved_is_rejected(stack: Stack, client: Client) -> None:
    handle = await begin(client, large("refused"))
    await handle.signal(OrderWorkflow.approve, Approval(False, "bob", "too much"))
    result = await handle.result(timeout=30)
    assert result == OrderResult(OrderStatus.REJECTED, reason="bob said no: too much")
    assert booked(stack.ledger, "refused") == []


async def test_an_order_whose_approver_sleeps_is_escalated_and_may_still_be_approved(
    stack: Stack, client: Client
) -> None:
    # The second deadline is as short as the first, so the answer is ready when the first one passes.
    handle = await begin(client, large("escalated", approval_deadline=timedelta(seconds=3)))
    await reached(handle, OrderStatus.ESCALATED)
    await handle.signal(OrderWorkflow.approve, Approval(True, "carol"))
    assert (await handle.result(timeout=30)).status is OrderStatus.COMPLETED
    assert booked(stack.ledger, "escalated") == ["escalation", *FULFILLED]


async def test_an_order_that_nobody_decides_on_lapses(stack: Stack, client: Client) -> None:
    handle = await begin(client, large("lapsed", approval_deadline=SOON))
    result = await handle.result(timeout=30)
    assert result == OrderResult(OrderStatus.REJECTED, reason="nobody decided in time")
    assert booked(stack.ledger, "lapsed") == ["escalation"]


# --- it is stopped -------------------------------------------------------------------------------------------


async def test_an_order_cancelled_before_it_is_charged_costs_nothing(stack: Stack, client: Client) -> None:
    handle = await begin(client, large("second-thoughts"))
    await reached(handle, OrderStatus.AWAITING_APPROVAL)
    await handle.signal(OrderWorkflow.cancel, "second thoughts")
    assert await handle.result(timeout=30) == OrderResult(OrderStatus.CANCELLED, reason="second thoughts")
    assert booked(stack.ledger, "second-thoughts") == []


async def test_an_order_cancelled_after_it_was_charged_is_refunded(stack: Stack, client: Client) -> None:
    handle = await begin(client, order("too-late"), task_queue=SLOW)
    await reached(handle, OrderStatus.RESERVING)
    await handle.signal(OrderWorkflow.cancel, "found it cheaper")
    result = await handle.result(timeout=30)
    assert (result.status, result.reason) == (OrderStatus.CANCELLED, "found it cheaper")
    assert "refund" in result.compensated
    kinds = booked(stack.ledger, "too-late")
    assert (kinds.count("payment"), kinds.count("refund"), kinds.count("shipment")) == (1, 1, 0)


async def test_a_cancelled_workflow_cleans_up_and_ends_as_cancelled(stack: Stack, client: Client) -> None:
    handle = await begin(client, order("stopped"), task_queue=SLOW)
    await reached(handle, OrderStatus.RESERVING)
    await handle.cancel("the shop closes")
    assert isinstance(await cause_of(handle), CanceledError)
    description = await handle.describe()
    assert description.status is WorkflowStatus.CANCELED
    assert description.cancel_requested
    kinds = booked(stack.ledger, "stopped")
    assert (kinds.count("payment"), kinds.count("refund"), kinds.count("shipment")) == (1, 1, 0)


async def test_a_terminated_workflow_is_asked_nothing(stack: Stack, client: Client) -> None:
    handle = await begin(client, large("terminated"))
    await handle.terminate("fraud")
    error = await cause_of(handle)
    assert isinstance(error, TerminatedError)
    assert "fraud" in str(error)
    with pytest.raises(WorkflowClosedError):
        await handle.signal(OrderWorkflow.approve, Approval(True, "bob"))
    assert booked(stack.ledger, "terminated") == []


# --- it is looked at -----------------------------------------------------------------------------------------


async def test_an_order_tells_its_status_at_each_stage_and_after_its_end(stack: Stack, client: Client) -> None:
    handle = await begin(client, large("watched"), task_queue=SLOW)
    seen = [await handle.query(OrderWorkflow.order_status)]
    await handle.signal(OrderWorkflow.approve, Approval(True, "bob"))
    async with asyncio.timeout(30):
        while seen[-1] is not OrderStatus.COMPLETED:
            seen.append(await handle.query(OrderWorkflow.order_status))
            await asyncio.sleep(0.02)
    stages = [seen[0], *(after for before, after in pairwise(seen) if after is not before)]
    assert stages[-5:] == [
        OrderStatus.CHARGING,
        OrderStatus.RESERVING,
        OrderStatus.SHIPPING,
        OrderStatus.CONFIRMING,
        OrderStatus.COMPLETED,
    ]
    assert set(stages[:-5]) <= {OrderStatus.VALIDATING, OrderStatus.AWAITING_APPROVAL}
    assert (await handle.describe()).status is WorkflowStatus.COMPLETED


async def test_one_order_is_found_in_the_list_and_its_history_tells_what_happened(client: Client) -> None:
    await client.execute(OrderWorkflow.run, order("remembered"), id="remembered")
    (summary,) = [row async for row in client.list_workflows(workflow_id="remembered")]
    assert (summary.workflow_type, summary.status) == ("Order", WorkflowStatus.COMPLETED)
    told = [event["type"] async for row in client.history("remembered") for event in row.events]
    assert told[0] == "RunStarted"
    assert told[-1] == "RunClosed"
    assert told.count("ActivityCompleted") == 5


async def test_an_order_number_is_taken_while_its_order_is_open_and_free_afterwards(
    stack: Stack, client: Client
) -> None:
    first = await begin(client, large("numbered"))
    with pytest.raises(WorkflowAlreadyStartedError) as taken:
        await begin(client, large("numbered"))
    assert taken.value.run_id == first.run_id
    await first.terminate()
    with pytest.raises(WorkflowAlreadyStartedError):
        await begin(client, order("numbered"), id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE)
    second = await begin(client, order("numbered"))
    assert second.run_id != first.run_id
    assert (await second.result(timeout=30)).status is OrderStatus.COMPLETED
    assert booked(stack.ledger, "numbered") == FULFILLED
