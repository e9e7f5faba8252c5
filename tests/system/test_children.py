"""Child workflows and workflows that speak to others, on both stacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from dalsegno import (
    ApplicationError,
    CanceledError,
    ChildWorkflowError,
    Client,
    Description,
    RetryState,
    TerminatedError,
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowStatus,
)
from dalsegno.client import WorkflowHandle
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.families import Order, Shipment
from tests.system.stack import Stack, until


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
    assert error.retry_state is RetryState.RETRY_POLICY_NOT_SET
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


async def test_a_cancelled_child_is_waited_for_to_its_end(client: Client, name: str) -> None:
    parent = await order(client, "cancel", name)
    assert await parent.result() == ["CanceledError", name, "Shipment"]
    assert (await client.get_workflow_handle(name).describe()).status is WorkflowStatus.CANCELED


async def test_a_parent_that_is_cancelled_cancels_the_child_that_it_waits_for(
    client: Client, name: str
) -> None:
    parent = await order(client, "try_cancel", name)
    child = client.get_workflow_handle(name)
    await until_is(child, WorkflowStatus.RUNNING)
    await parent.cancel()
    assert isinstance(await cause_of(parent), CanceledError)
    assert isinstance(await cause_of(child), CanceledError)


CLOSED_BY = {
    "terminate": WorkflowStatus.TERMINATED,
    "request_cancel": WorkflowStatus.CANCELED,
    "abandon": WorkflowStatus.RUNNING,
}


@pytest.mark.parametrize("how", ["complete", "cancel", "terminate", "at once"])
async def test_when_a_parent_ends_its_children_end_as_was_said(client: Client, name: str, how: str) -> None:
    parent = await order(client, "leave_at_once" if how == "at once" else "leave", name)
    children = {policy: client.get_workflow_handle(f"{name}-{policy}") for policy in CLOSED_BY}
    if how != "at once":
        for child in children.values():
            await until_is(child, WorkflowStatus.RUNNING)
        shown = await described_with(parent, 3)
        assert {child.workflow_id for child in shown.children} == {child.id for child in children.values()}
    if how == "complete":
        await parent.signal(Order.end)
    elif how == "cancel":
        await parent.cancel()
    elif how == "terminate":
        await parent.terminate()
    for policy, child in children.items():
        await until_is(child, CLOSED_BY[policy])
    terminated = await cause_of(children["terminate"])
    assert isinstance(terminated, TerminatedError)
    assert "the parent workflow has ended" in str(terminated)
    shown = await children["abandon"].describe()
    assert (shown.parent_workflow_id, shown.parent_run_id) == (parent.id, parent.run_id)
    await children["abandon"].terminate()


async def test_a_stranger_with_the_id_of_a_child_is_left_alone_when_the_parent_ends(
    client: Client, name: str
) -> None:
    stranger = await client.start(Shipment.run, "wait", id=f"{name}-terminate")
    parent = await order(client, "leave_at_once", name)
    assert await parent.result() is None
    await until_is(client.get_workflow_handle(f"{name}-request_cancel"), WorkflowStatus.CANCELED)
    await stranger.signal(Shipment.end, "end")
    assert (await stranger.result())[0] == "wait"
    await client.get_workflow_handle(f"{name}-abandon").terminate()


async def test_a_workflow_speaks_to_another_and_waits_for_its_end(client: Client, name: str) -> None:
    await client.start(Shipment.run, "wait", id=name)
    assert await (await order(client, "speak_to", name)).result() == ["wait", "from outside", "", ""]


async def test_who_waits_for_another_that_is_cancelled_is_told_so(client: Client, name: str) -> None:
    await client.start(Shipment.run, "wait", id=name)
    failed = await cause_of(await order(client, "stop", name))
    assert isinstance(failed, ApplicationError)
    assert failed.type == "WorkflowFailedError"
    assert isinstance(failed.cause, CanceledError)


async def test_the_result_of_a_workflow_that_has_ended_is_told_at_once(client: Client, name: str) -> None:
    await client.execute(Shipment.run, "at once", id=name)
    assert await (await order(client, "result_of", name)).result() == ["at once", "", ""]


@pytest.mark.parametrize("what", ["speak_to", "stop", "result_of"])
async def test_a_workflow_that_is_not_there_cannot_be_spoken_to(client: Client, name: str, what: str) -> None:
    error = await cause_of(await order(client, what, name))
    assert isinstance(error, ApplicationError)
    assert error.type == "ExternalWorkflowExecutionNotFound"


async def test_a_workflow_may_signal_itself(client: Client, name: str) -> None:
    assert await (await order(client, "speak_to_itself", name)).result() == "ended"


async def until_is(handle: WorkflowHandle[Any], status: WorkflowStatus) -> None:
    async def is_so() -> bool:
        try:
            return (await handle.describe()).status is status
        except WorkflowNotFoundError:
            return False

    await until(is_so, f"{handle.id} is {status}")


async def described_with(parent: WorkflowHandle[Any], children: int) -> Description:
    async def are_known() -> bool:
        shown = await parent.describe()
        return shown.children_open == children and all(child.run_id for child in shown.children)

    await until(are_known, f"{children} children of {parent.id} have begun")
    return await parent.describe()
