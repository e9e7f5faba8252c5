"""Child workflows and workflows that speak to others, on both stacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from dalsegno import (
    ApplicationError,
    ChildWorkflowError,
    Client,
    WorkflowFailedError,
    WorkflowStatus,
)
from dalsegno.client import WorkflowHandle
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.families import Order, Shipment
from tests.system.stack import Stack


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.families"], workers=0) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"shipment-{uuid4()}"


def order(client: Client, what: str, child_id: str) -> Any:
    return client.start(Order.run, what, child_id, id=f"order-of-{child_id}")


async def cause_of(handle: WorkflowHandle[Any]) -> BaseException | None:
    with pytest.raises(WorkflowFailedError) as failed:
        await handle.result()
    return failed.value.__cause__


async def test_a_child_gives_its_result_and_knows_its_parent(client: Client, name: str) -> None:
    parent = await order(client, "execute", name)
    assert await parent.result() == ["at once", parent.id, parent.id]
    assert (await client.get_workflow_handle(name).describe()).status is WorkflowStatus.COMPLETED


async def test_a_child_that_fails_fails_the_parent_with_its_reason(client: Client, name: str) -> None:
    error = await cause_of(await order(client, "fail", name))
    assert isinstance(error, ChildWorkflowError)
    assert (error.workflow_id, error.workflow_type) == (name, "Shipment")
    assert isinstance(error.cause, ApplicationError)
    assert (error.cause.type, error.cause.message) == ("OutOfStock", "no stock")


async def test_a_child_whose_id_is_taken_is_not_started(client: Client, name: str) -> None:
    other = await client.start(Shipment.run, "wait", id=name)
    assert await (await order(client, "taken", name)).result() == [name, other.run_id]
    assert (await other.describe()).status is WorkflowStatus.RUNNING


async def test_a_child_is_sent_signals_in_their_order(client: Client, name: str) -> None:
    parent = await order(client, "talk", name)
    run_id, *told = await parent.result()
    assert told == ["wait", "one", "two", parent.id, parent.id]
    assert (await client.get_workflow_handle(name).describe()).run_id == run_id


async def test_many_children_are_waited_for_together(client: Client, name: str) -> None:
    parent = await order(client, "wait_for_all", name)
    assert await parent.result() == sorted(f"n{number}" for number in range(20))
