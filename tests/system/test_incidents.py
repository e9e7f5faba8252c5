"""Activities that wait for a person, from the client's side: found in all workflows, and seen to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from dalsegno import ApplicationError, Client, CommandRejectedError, OpenIncident, WorkflowFailedError
from dalsegno.client import WorkflowHandle
from tests.default_converter import from_payload
from tests.system.charges import Charged, Delivered
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.charges"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    bank = tmp_path / "closed"
    bank.touch()
    return bank


async def opened(handle: WorkflowHandle[object], number: int = 1) -> OpenIncident:
    async def found() -> list[OpenIncident]:
        return [one for one in await handle.incidents() if one.number == number]

    (incident,) = await until(found, f"incident {number} is open")
    return incident


async def test_it_is_found_among_all_workflows_tried_again_and_completed(client: Client, closed: Path) -> None:
    order = await client.start(Charged.run, str(closed), id=f"order-{uuid4()}")
    incident = await opened(order)
    assert (incident.activity_type, incident.attempts) == ("charge", 1)
    assert incident.last_failure is not None
    assert (incident.last_failure.type, incident.last_failure.message) == ("Closed", "the bank is closed")
    assert incident.args is not None
    assert from_payload(incident.args[0]) == str(closed)

    listed = [one async for one in client.list_incidents() if one.workflow_id == order.id]
    assert [(one.workflow_type, one.incident) for one in listed] == [("Charged", incident)]
    (run,) = [run async for run in client.list_workflows(f'Incidents = 1 and WorkflowID = "{order.id}"')]
    assert run.reason == "incident 1: activity charge failed after 1 attempt: the bank is closed"

    await order.retry_incident(1)  # the bank is closed still
    assert (await opened(order, 2)).attempts == 1
    with pytest.raises(CommandRejectedError, match="incident 1 of this run is not open any more"):
        await order.retry_incident(1)
    with pytest.raises(CommandRejectedError, match="The result of activity 1 charge"):
        await order.complete_incident(2, "much")
    await order.complete_incident(2, 25)
    assert await order.result() == 25
    assert [one async for one in client.list_incidents() if one.workflow_id == order.id] == []


async def test_why_says_that_a_person_is_waited_for_and_what_is_missing(client: Client, closed: Path) -> None:
    order = await client.start(Charged.run, str(closed), id=f"order-{uuid4()}")
    await opened(order)
    why = await order.why()
    assert (why.reason.kind, why.is_stuck) == ("incident", True)
    assert "activity charge (ID 1) failed after 1 attempt: Closed: the bank is closed" in why.sentence
    assert why.helps == f"dalsegno incidents retry {order.id} 1"

    unknown = await client.start("Unheard", id=f"unheard-{uuid4()}")
    why = await unknown.why()
    assert (why.reason.kind, why.helps) == ("suspended", "dalsegno host MODULES")
    query = f"WorkflowID in ('{order.id}', '{unknown.id}')"
    groups = {why.workflow_id: why.reason.group async for why in client.why_all(query)}
    assert groups == {order.id: "incident: charge", unknown.id: "suspended: unknown_type, type Unheard"}
    await order.terminate()
    await unknown.terminate()


async def test_the_workflow_goes_on_when_what_it_needs_is_there_again(client: Client, closed: Path) -> None:
    order = await client.start(Charged.run, str(closed), id=f"order-{uuid4()}")
    await opened(order)
    await asyncio.to_thread(closed.unlink)
    await order.retry_incident(1)
    assert await order.result() == 30


async def test_all_that_fit_a_filter_are_tried_again_at_once(client: Client, closed: Path) -> None:
    """And no others."""
    orders = [await client.start(Charged.run, str(closed), id=f"order-{uuid4()}") for _ in range(3)]
    for order in orders:
        await opened(order)
    query = f'WorkflowID = "{orders[0].id}" or WorkflowID = "{orders[1].id}"'
    assert {one.workflow_id async for one in client.list_incidents(query)} == {one.id for one in orders[:2]}
    await asyncio.to_thread(closed.unlink)

    ordered = [one.workflow_id async for one in client.list_incidents(f"{query} order by StartTime")]
    assert ordered == [one.id for one in orders[:2]]
    again = [one async for one in client.retry_incidents(f"{query} order by StartTime")]

    assert {(one.workflow_id, one.refused) for one in again} == {(one.id, None) for one in orders[:2]}
    assert [await order.result() for order in orders[:2]] == [30, 30]
    assert [one.number for one in await orders[2].incidents()] == [1]
    assert [one async for one in client.retry_incidents(query)] == []
    with pytest.raises(CommandRejectedError):
        _ = [one async for one in client.retry_incidents("Nothing = that is known")]


async def test_the_workflow_fails_as_a_person_says(client: Client, closed: Path) -> None:
    order = await client.start(Charged.run, str(closed), id=f"order-{uuid4()}")
    await opened(order)
    await order.fail_incident(1, ApplicationError("written off", type="Lost"))
    with pytest.raises(WorkflowFailedError) as failed:
        await order.result()
    assert failed.value.__cause__ is not None
    assert str(failed.value.__cause__.__cause__) == "written off"


async def test_an_undo_that_failed_for_good_is_skipped(client: Client, tmp_path: Path) -> None:
    order = await client.start(Delivered.run, str(tmp_path / "open"), id=f"order-{uuid4()}")
    assert (await opened(order)).activity_type == "give_back"
    told = await order.describe()
    assert told.status == "compensating"
    assert told.waiting_for[0] == "a person, for incident 1 (activity 3 give_back)"
    await order.complete_incident(1)
    with pytest.raises(WorkflowFailedError) as failed:
        await order.result()
    assert "no such street" in str(failed.value.__cause__)


async def test_what_names_no_incident_is_refused_before_it_is_sent(client: Client) -> None:
    order = client.get_workflow_handle("order")
    with pytest.raises(TypeError, match="number"):
        await order.retry_incident("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 1 on"):
        await order.complete_incident(0)
    with pytest.raises(TypeError, match="error"):
        await order.fail_incident(1, "written off")  # type: ignore[arg-type]
