"""Updates by the client: to their outcome, refused, found again by ID, across a host's death, by the shell."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from dalsegno import (
    ApplicationError,
    Client,
    WorkflowClosedError,
    WorkflowNotFoundError,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from dalsegno.client import WorkflowHandle
from tests.system.baskets import Basket
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.baskets"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


@pytest.fixture
async def basket(client: Client) -> WorkflowHandle[list[str]]:
    return await client.start(Basket.run, id=f"basket-{uuid4()}")


async def test_it_is_answered_with_what_its_handler_returns(basket: WorkflowHandle[list[str]]) -> None:
    assert await basket.execute_update(Basket.add, "pen") == 3
    assert await basket.execute_update("count") == 1
    assert await basket.execute_update(Basket.close) == ["pen"]
    assert await basket.result() == ["pen"]


async def test_one_that_is_refused_says_why_and_changes_nothing(basket: WorkflowHandle[list[str]]) -> None:
    with pytest.raises(WorkflowUpdateFailedError, match="an item has a name") as refused:
        await basket.execute_update(Basket.add, "")
    assert isinstance(refused.value.cause, ApplicationError)
    assert (refused.value.cause.type, tuple(refused.value.cause.details)) == ("Nameless", (7,))
    with pytest.raises(WorkflowUpdateFailedError, match="no handler for the update 'remove'; it has 'add'"):
        await basket.start_update("remove", "pen", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    with pytest.raises(WorkflowUpdateFailedError) as unfit:
        await basket.execute_update("add", {"name": "pen"})
    assert isinstance(unfit.value.cause, ApplicationError)
    assert unfit.value.cause.type == "PayloadError"
    assert await basket.execute_update(Basket.count) == 0


async def test_a_handler_that_fails_fails_the_update_alone(basket: WorkflowHandle[list[str]]) -> None:
    handle = await basket.start_update("fail it", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    with pytest.raises(WorkflowUpdateFailedError, match="sold out") as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "SoldOut"
    assert await basket.execute_update(Basket.count) == 0


async def test_it_is_accepted_before_it_is_completed_and_found_again_by_its_id(
    client: Client, basket: WorkflowHandle[list[str]]
) -> None:
    handle = await basket.start_update(Basket.hold, wait_for_stage=WorkflowUpdateStage.ACCEPTED, id="hold-1")
    assert (handle.id, handle.workflow_id, handle.workflow_run_id) == ("hold-1", basket.id, basket.run_id)
    shown = await basket.describe()
    assert [(one.update_id, one.name, one.stage) for one in shown.updates] == [("hold-1", "hold", "accepted")]
    same = asyncio.create_task(basket.execute_update(Basket.hold, id="hold-1"))
    found = asyncio.create_task(client.get_workflow_handle(basket.id).get_update_handle("hold-1").result())
    await basket.signal(Basket.go_on)
    assert await asyncio.gather(handle.result(), same, found) == ["held"] * 3
    assert (await basket.describe()).updates_completed == 1


async def test_outcomes_are_told_of_closed_runs_also_when_another_run_has_the_id(
    client: Client, basket: WorkflowHandle[list[str]]
) -> None:
    await basket.execute_update(Basket.add, "pen", id="add-1")
    held = await basket.start_update(Basket.hold, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await basket.execute_update(Basket.close)
    with pytest.raises(WorkflowUpdateFailedError, match="ended before its handler") as unfinished:
        await held.result()
    assert isinstance(unfinished.value.cause, ApplicationError)
    assert unfinished.value.cause.type == "AcceptedUpdateCompletedWorkflow"
    with pytest.raises(WorkflowClosedError):
        await basket.execute_update(Basket.count)
    assert await basket.execute_update(Basket.add, "pen", id="add-1") == 3
    await client.start(Basket.run, id=basket.id)
    assert await basket.get_update_handle("add-1").result() == 3
    with pytest.raises(WorkflowNotFoundError, match="has no update 'add-2'"):
        await basket.get_update_handle("add-2").result()
    with pytest.raises(WorkflowNotFoundError):
        await client.get_workflow_handle("no such basket").execute_update("count")


async def test_what_waits_goes_on_when_the_host_is_killed(
    stack: Stack, basket: WorkflowHandle[list[str]]
) -> None:
    waiting = asyncio.create_task(basket.execute_update(Basket.hold))

    async def is_open() -> bool:
        return (await basket.describe()).updates_open == 1

    await until(is_open, "it is accepted")
    (host,) = stack.hosts
    host.kill_child()
    await host.until_ready()
    await basket.signal(Basket.go_on, timeout=60)
    assert await basket.execute_update(Basket.count, timeout=60) == 0
    assert await waiting == "held"


async def test_the_shell_sends_them_and_asks_for_their_outcome(
    stack: Stack, basket: WorkflowHandle[list[str]]
) -> None:
    def shell(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dalsegno.cli", "workflow", *words, "--broker", stack.broker]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    sent = await asyncio.to_thread(shell, "update", basket.id, "add", "--input", '"pen"', "--update-id", "a-1")
    assert json.loads(sent.stdout) == 3
    again = await asyncio.to_thread(shell, "update-result", basket.id, "a-1")
    assert json.loads(again.stdout) == 3
    held = await asyncio.to_thread(shell, "update", basket.id, "hold", "--wait", "accepted")
    assert json.loads(held.stdout)["workflow_id"] == basket.id
    refused = await asyncio.to_thread(shell, "update", basket.id, "add", "--input", '""')
    assert refused.returncode == 1
    assert "an item has a name" in refused.stderr
