"""Runs that go on as others: by the client, with what is sent meanwhile, across a host's death."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from dalsegno import (
    Client,
    RetryPolicy,
    WorkflowContinuedAsNewError,
    WorkflowFailedError,
    WorkflowStatus,
)
from dalsegno.client import WorkflowHandle
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.relays import Countdown, Relay, Stubborn
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.relays"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


@pytest.fixture
async def relay(client: Client) -> WorkflowHandle[list[str]]:
    return await client.start(Relay.run, [], id=f"relay-{uuid4()}")


async def gone_on(client: Client, relay: WorkflowHandle[list[str]], before: str | None) -> str:
    """The run that is there now, which is another."""
    current = client.get_workflow_handle(relay.id)

    async def is_another() -> bool:
        return (await current.describe()).run_id != before

    await until(is_another, "the next run")
    return (await current.describe()).run_id


async def test_who_waits_is_told_the_result_of_the_last_run(
    client: Client, relay: WorkflowHandle[list[str]]
) -> None:
    waiting = asyncio.create_task(relay.result())
    run_id = relay.run_id
    for word in ("one", "two"):
        await relay.signal(Relay.hear, word)
        await relay.signal(Relay.go_on)
        run_id = await gone_on(client, relay, run_id)
    assert await client.get_workflow_handle(relay.id).query(Relay.so_far) == ["one", "two"]
    await relay.signal(Relay.hear, "end")
    assert await waiting == await relay.result() == ["one", "two", "end"]
    assert await client.get_workflow_handle(relay.id).result() == ["one", "two", "end"]


async def test_who_asks_for_one_run_is_told_that_it_goes_on(
    client: Client, relay: WorkflowHandle[list[str]]
) -> None:
    alone = asyncio.create_task(relay.result(follow_runs=False))
    await relay.signal(Relay.go_on)
    second = await gone_on(client, relay, relay.run_id)
    with pytest.raises(WorkflowContinuedAsNewError) as told:
        await alone
    assert (told.value.workflow_id, told.value.run_id) == (relay.id, relay.run_id)
    assert told.value.new_execution_run_id == second
    runs = [run async for run in client.list_workflows(workflow_id=relay.id)]
    assert {run.run_id: run.status for run in runs} == {
        relay.run_id: WorkflowStatus.CONTINUED_AS_NEW,
        second: WorkflowStatus.RUNNING,
    }
    await relay.signal(Relay.hear, "end")
    assert await relay.result() == ["end"]
    assert await client.get_workflow_handle(relay.id, run_id=second).result(follow_runs=False) == ["end"]
    another = await client.start(Relay.run, ["end"], id=relay.id)
    assert await another.result() == ["end"]
    assert await client.get_workflow_handle(relay.id, run_id=relay.run_id).result() == ["end"]


async def test_execute_waits_for_the_last_run_of_many(client: Client) -> None:
    last = await client.execute(Countdown.run, 20, id=f"countdown-{uuid4()}")
    assert isinstance(last, str)


async def test_a_workflow_is_tried_again_by_its_policy_and_who_waits_is_told_the_last(client: Client) -> None:
    retry = RetryPolicy(initial_interval=0.05, maximum_attempts=5)
    handle = await client.start(Stubborn.run, False, id=f"stubborn-{uuid4()}", retry_policy=retry)
    assert await handle.result() == [handle.run_id, "attempt 2"]
    with pytest.raises(WorkflowFailedError) as failed:
        await handle.result(follow_runs=False)
    assert str(failed.value.__cause__) == "attempt 1"
    told = await client.get_workflow_handle(handle.id).describe()
    assert (told.attempt, told.first_run_id) == (3, handle.run_id)


async def test_a_run_that_outlasts_its_timeout_is_tried_again(client: Client) -> None:
    workflow_id = f"stubborn-{uuid4()}"
    await client.execute(
        Stubborn.run,
        True,
        id=workflow_id,
        retry_policy=RetryPolicy(initial_interval=0.05),
        run_timeout=2,
        start_delay=0.2,
    )
    runs = [run async for run in client.list_workflows(workflow_id=workflow_id)]
    # Others may have outlasted it, too, where the machine is slow.
    assert (runs[-1].status, runs[0].status) == (WorkflowStatus.TIMED_OUT, WorkflowStatus.COMPLETED)


async def test_what_is_sent_meanwhile_is_lost_nowhere_also_if_the_host_dies(
    stack: Stack, client: Client, relay: WorkflowHandle[list[str]]
) -> None:
    words = [f"word {number}" for number in range(12)]

    async def send() -> None:
        for word in words:
            await relay.signal(Relay.hear, word, timeout=60)
            await relay.signal(Relay.go_on, timeout=60)

    sending = asyncio.create_task(send())
    await gone_on(client, relay, relay.run_id)
    (host,) = stack.hosts
    host.kill_child()
    await sending
    await relay.signal(Relay.hear, "end", timeout=60)
    assert await relay.result(timeout=60) == [*words, "end"]
