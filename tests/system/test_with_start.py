"""A signal or an update that comes with the start of its workflow, by the client and by the shell."""

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
    WorkflowAlreadyStartedError,
    WorkflowIDConflictPolicy,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from dalsegno.client import WithStartWorkflowOperation
from tests.system.baskets import Basket
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.stack import Stack

USE_EXISTING = WorkflowIDConflictPolicy.USE_EXISTING


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


def basket(workflow_id: str) -> WithStartWorkflowOperation[list[str]]:
    return WithStartWorkflowOperation(Basket.run, id=workflow_id, id_conflict_policy=USE_EXISTING)


async def test_a_signal_starts_its_workflow_or_goes_to_the_one_that_is_open(client: Client) -> None:
    workflow_id = f"basket-{uuid4()}"
    first = await client.start(
        Basket.run, id=workflow_id, start_signal=Basket.put_in, start_signal_args=["pen"]
    )
    second = await client.start_workflow(
        Basket.run, id=workflow_id, start_signal="put_in", start_signal_args=["ink"]
    )
    assert second.run_id == first.run_id
    assert await first.execute_update(Basket.close) == ["pen", "ink"]
    assert (
        await client.execute(
            Basket.run, id=f"basket-{uuid4()}", start_signal="put_in", start_signal_args=["close"]
        )
    ) == ["close"]


async def test_a_signal_with_a_start_that_may_not_be_is_not_sent(client: Client) -> None:
    workflow_id = f"basket-{uuid4()}"
    handle = await client.start(Basket.run, id=workflow_id)
    with pytest.raises(WorkflowAlreadyStartedError):
        await client.start(
            Basket.run,
            id=workflow_id,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            start_signal="put_in",
            start_signal_args=["pen"],
        )
    assert await handle.execute_update(Basket.count) == 0


async def test_an_update_starts_its_workflow_or_goes_to_the_one_that_is_open(client: Client) -> None:
    workflow_id = f"basket-{uuid4()}"
    first = basket(workflow_id)
    assert (
        await client.execute_update_with_start_workflow(Basket.add, "pen", start_workflow_operation=first) == 3
    )
    handle = await first.workflow_handle()
    second = basket(workflow_id)
    update = await client.start_update_with_start_workflow(
        Basket.add,
        args=["book"],
        start_workflow_operation=second,
        wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        id="add-book",
    )
    assert (update.id, update.workflow_run_id) == ("add-book", handle.run_id)
    assert await update.result() == 4
    assert (await second.workflow_handle()).run_id == handle.run_id
    assert await handle.execute_update(Basket.close) == ["pen", "book"]
    assert await handle.result() == ["pen", "book"]


async def test_an_update_that_is_refused_says_why_and_the_workflow_is_there(client: Client) -> None:
    workflow_id = f"basket-{uuid4()}"
    for _ in range(2):  # the one that is started, and the open one
        operation = basket(workflow_id)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await client.execute_update_with_start_workflow(Basket.add, "", start_workflow_operation=operation)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "Nameless"
        handle = await operation.workflow_handle()
        assert await handle.execute_update(Basket.count) == 0


async def test_where_the_start_may_not_be_the_update_and_the_handle_say_so(client: Client) -> None:
    workflow_id = f"basket-{uuid4()}"
    await client.start(Basket.run, id=workflow_id)
    operation: WithStartWorkflowOperation[list[str]] = WithStartWorkflowOperation(
        Basket.run, id=workflow_id, id_conflict_policy=WorkflowIDConflictPolicy.FAIL
    )
    with pytest.raises(WorkflowAlreadyStartedError):
        await client.execute_update_with_start_workflow(Basket.add, "pen", start_workflow_operation=operation)
    with pytest.raises(WorkflowAlreadyStartedError):
        await operation.workflow_handle()
    with pytest.raises(RuntimeError, match="was used before"):
        await client.execute_update_with_start_workflow(Basket.add, "pen", start_workflow_operation=operation)


async def test_the_shell_sends_a_signal_with_a_start(stack: Stack, client: Client) -> None:
    workflow_id = f"basket-{uuid4()}"
    command = [sys.executable, "-m", "dalsegno.cli", "workflow", "start", "Basket", "--id", workflow_id]
    command += ["--signal", "put_in", "--signal-input", '"pen"', "--broker", stack.broker, "--json"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "running"
    assert await client.get_workflow_handle(workflow_id).execute_update(Basket.count) == 1
