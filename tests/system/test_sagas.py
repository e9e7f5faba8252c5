"""Sagas and deadlines as clients see them, on servers and embedded, across the death of their host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from dalsegno import Client, Description, WorkflowFailedError, WorkflowStatus
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.journeys import Journey, Promised
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.journeys"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


async def test_a_run_is_seen_to_be_undone_and_goes_on_with_that_when_its_host_dies(
    stack: Stack, client: Client
) -> None:
    handle = await client.start(Journey.run, id=f"journey-{uuid4()}")

    async def compensating() -> Description | None:
        shown = await handle.describe()
        return shown if shown.status is WorkflowStatus.COMPENSATING else None

    shown = await until(compensating, "it is being undone")
    assert [(one.name, one.step, one.phase, one.saga) for one in shown.compensations] == [
        ("when_told", "book", "due", "journey"),
        ("unbook", "book", "due", "journey"),
    ]
    listed = [run async for run in client.list_workflows("Status = 'compensating'")]
    assert [run.workflow_id for run in listed] == [handle.id]

    (host,) = stack.hosts
    host.kill_child()
    await host.until_ready()
    await handle.signal(Journey.go_on, timeout=60)
    with pytest.raises(WorkflowFailedError) as failed:
        await handle.result(timeout=60)
    assert str(failed.value.__cause__) == "no time"
    ended = await handle.describe()
    assert (ended.status, ended.compensations_count) == (WorkflowStatus.FAILED, 0)


async def test_what_is_overdue_is_listed_until_it_is_met_though_its_host_dies(
    stack: Stack, client: Client
) -> None:
    handle = await client.start(Promised.run, id=f"promise-{uuid4()}")

    async def at_risk() -> list[tuple[str, str, str]]:
        return [(one.workflow_id, one.name, one.status) async for one in client.deadlines(at_risk=True)]

    assert await until(at_risk, "it is at risk") == [(handle.id, "kept", "overdue")]
    assert {one.name async for one in client.deadlines()} == {"kept", "later"}
    (host,) = stack.hosts
    host.kill_child()
    await host.until_ready()
    shown = await handle.describe()
    assert [(one.name, one.status) for one in shown.deadlines] == [("kept", "overdue"), ("later", "on_time")]
    await handle.signal(Promised.keep, timeout=60)
    assert await handle.result(timeout=60) == ["overdue", "met_late", "met"]
    assert await at_risk() == []
    ended = await handle.describe()
    assert {(one.name, one.status) for one in ended.deadlines} == {("kept", "met_late"), ("later", "met")}
