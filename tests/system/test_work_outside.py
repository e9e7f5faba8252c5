"""Activities that go on outside of their workers: completed, failed, cancelled by whoever does the work, by
token and by IDs, by client and shell, across a host's death."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from dalsegno import (
    ActivityNotFoundError,
    ApplicationError,
    AsyncActivityCancelledError,
    AsyncActivityHandle,
    Client,
    CommandRejectedError,
    WorkflowClosedError,
    WorkflowHandle,
    WorkflowNotFoundError,
)
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.errands_outside import Asks, ask_a_person, ask_a_person_in_a_thread
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.errands_outside"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


async def asking(
    client: Client, folder: Path, *, activity: str = "ask_a_person", attempts: int = 0
) -> WorkflowHandle[str]:
    return await client.start(Asks.run, activity, str(folder), attempts, id=f"asks-{uuid4()}")


async def by_token(client: Client, folder: Path, attempt: int = 1) -> AsyncActivityHandle:
    file = folder / str(attempt)
    token = await until(lambda: file.read_bytes() if file.exists() else b"", f"attempt {attempt} has begun")
    return client.get_async_activity_handle(task_token=token)


@pytest.mark.parametrize("activity", [ask_a_person.__name__, ask_a_person_in_a_thread.__name__])
@pytest.mark.parametrize("attempts", [0, 1])
async def test_it_is_completed_by_its_token_once(
    client: Client, tmp_path: Path, activity: str, attempts: int
) -> None:
    workflow = await asking(client, tmp_path, activity=activity, attempts=attempts)
    handle = await by_token(client, tmp_path)
    await handle.heartbeat("thinking")
    await handle.complete("seven", message_id="answer-1")
    assert await workflow.result() == "seven"
    await handle.complete("seven", message_id="answer-1")
    with pytest.raises(WorkflowClosedError):
        await handle.complete("eight")


async def test_it_is_completed_by_its_ids_before_or_after_it_went_outside(
    client: Client, tmp_path: Path
) -> None:
    workflow = await asking(client, tmp_path)
    handle = client.get_async_activity_handle(workflow_id=workflow.id, activity_id="question")
    await handle.complete("seven")
    assert await workflow.result() == "seven"


async def test_a_failure_is_tried_again_and_the_old_token_is_worth_nothing(
    client: Client, tmp_path: Path
) -> None:
    workflow = await asking(client, tmp_path, attempts=2)
    first = await by_token(client, tmp_path)
    await first.fail(ApplicationError("asked the wrong one", next_retry_delay=0.01))
    second = await by_token(client, tmp_path, attempt=2)
    for late in (first.complete("seven"), first.heartbeat(), first.fail(ValueError("no"))):
        with pytest.raises(ActivityNotFoundError, match="is over, or that is not its token"):
            await late
    await second.fail(ValueError("nobody knows"))
    assert await workflow.result() == "failed: nobody knows"


async def test_a_request_to_stop_reaches_it_by_its_heartbeats(client: Client, tmp_path: Path) -> None:
    workflow = await asking(client, tmp_path)
    handle = await by_token(client, tmp_path)
    await handle.heartbeat()
    with pytest.raises(CommandRejectedError, match="nobody has asked activity 'question' to stop"):
        await handle.report_cancellation()
    await workflow.signal(Asks.withdraw)
    with pytest.raises(AsyncActivityCancelledError):
        await handle.heartbeat()
    await handle.report_cancellation("undone")
    assert await workflow.result() == "withdrawn"


async def test_it_goes_on_across_the_death_of_the_host(stack: Stack, client: Client, tmp_path: Path) -> None:
    workflow = await asking(client, tmp_path)
    handle = await by_token(client, tmp_path)

    async def is_outside() -> bool:
        (pending,) = (await workflow.describe()).pending_activities
        return pending.outside

    await until(is_outside, "the worker has said so")
    stack.hosts[0].kill_child()
    await stack.hosts[0].until_ready()
    await handle.heartbeat()
    await handle.complete("seven")
    assert await workflow.result() == "seven"


def told_by_the_shell(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dalsegno.cli", "activity", *arguments, "--broker", stack.broker]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_the_shell_completes_fails_and_ends_it(stack: Stack, client: Client, tmp_path: Path) -> None:
    workflow = await asking(client, tmp_path, attempts=2)
    fail = partial(told_by_the_shell, stack, "fail", workflow.id, "question", "--reason")
    assert (await asyncio.to_thread(fail, "nobody is there", "--type", "Absent")).returncode == 0
    await by_token(client, tmp_path, attempt=2)
    assert (await asyncio.to_thread(fail, "still nobody", "--non-retryable")).returncode == 0
    assert await workflow.result() == "failed: still nobody"

    workflow = await asking(client, tmp_path)
    named = workflow.id, "question"
    early = await asyncio.to_thread(told_by_the_shell, stack, "report-cancellation", *named)
    assert early.returncode == 1
    assert "nobody has asked activity 'question' to stop" in early.stderr
    odd = await asyncio.to_thread(told_by_the_shell, stack, "complete", *named, "--result", "seven")
    assert odd.returncode == 2
    assert "--result is not JSON" in odd.stderr
    done = await asyncio.to_thread(told_by_the_shell, stack, "complete", *named, "--result", '"seven"')
    assert done.returncode == 0, done.stderr
    assert await workflow.result() == "seven"


async def test_what_is_not_there_is_refused_by_name(client: Client, tmp_path: Path) -> None:
    workflow = await asking(client, tmp_path)
    with pytest.raises(ActivityNotFoundError, match="has no pending activity 'answer'"):
        await client.get_async_activity_handle(workflow_id=workflow.id, activity_id="answer").complete()
    with pytest.raises(WorkflowNotFoundError):
        await client.get_async_activity_handle(activity_id="nobody").heartbeat()
    with pytest.raises(WorkflowNotFoundError):
        await client.get_async_activity_handle(
            workflow_id=workflow.id, run_id=str(uuid4()), activity_id="question"
        ).complete()
    await workflow.terminate()
