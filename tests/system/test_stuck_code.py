"""Workflow code that does not yield, or kills its process: its instance is suspended, its neighbours go on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dalsegno import CommandRejectedError, QueryFailedError, WorkflowStatus
from dalsegno.broker.protocol.messages import Description
from dalsegno.client import WorkflowHandle
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.load import orders_going_on
from tests.system.releases import ROOT
from tests.system.rogues import Rogue
from tests.system.stack import Stack, until

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]

MODULES = ["examples.orders", "tests.system.rogues"]
SUSPENDED_SECONDS = 90.0
"""Two strikes of some four seconds each, with a start of a host in between; here on a busy machine."""


@pytest.fixture(scope="module")
def servers_stack(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=MODULES) as stack:
        yield stack


@pytest.fixture
def embedded_stack(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(EMBEDDED, modules=MODULES) as stack:
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    """On the servers, which outlive the host, unless a test asks otherwise."""
    chosen: Stack = request.getfixturevalue(getattr(request, "param", "servers_stack"))
    return chosen


@pytest.fixture
def trap(stack: Stack) -> Iterator[None]:
    """Set within; a mended deployment is one without it."""
    stack.trap.touch()
    yield
    stack.trap.unlink(missing_ok=True)


async def until_suspended(handle: WorkflowHandle[list[str]]) -> Description:
    async def is_suspended() -> bool:
        return (await handle.describe()).status is WorkflowStatus.SUSPENDED

    await until(is_suspended, f"{handle.id} is suspended", seconds=SUSPENDED_SECONDS)
    return await handle.describe()


def resume(stack: Stack, workflow_id: str) -> None:
    """As an operator does."""
    command = ["-m", "dalsegno.cli", "workflow", "resume", workflow_id, "--broker", stack.broker]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, timeout=60)


def assert_is_told(description: Description, cause: str) -> None:
    reason = description.suspended_reason or ""
    assert "2 times" in reason, reason
    assert cause in reason, reason


@pytest.mark.parametrize(
    ("stack", "way"),
    [
        ("embedded_stack", "loops"),
        ("servers_stack", "blocks"),
        ("servers_stack", "backtracks"),
        ("servers_stack", "dies"),
    ],
    indirect=["stack"],
)
async def test_a_signal_at_which_code_does_not_yield_is_set_aside_and_handled_when_that_is_mended(
    stack: Stack, trap: None, way: str
) -> None:
    async with orders_going_on(stack, at_once=3) as (client, load):
        handle = await client.start(Rogue.run, None, id=f"{way}-at-a-signal")
        await handle.signal(Rogue.go, "before")
        await handle.signal(Rogue.go, way, timeout=SUSPENDED_SECONDS)  # its sender is told that it is recorded
        (kept,) = await handle.quarantine()
        assert (kept.number, kept.name) == (1, "go")
        assert "2 times" in kept.reason
        assert (await handle.describe()).status is WorkflowStatus.RUNNING
        await load.more(3)
        stack.trap.unlink()
        await handle.retry_quarantined(1)
        await handle.signal(Rogue.go, "end")
        assert await handle.result(timeout=60) == ["before", way, "end"]


async def test_code_that_does_not_yield_in_its_first_step_is_suspended_and_runs_when_mended(
    stack: Stack, trap: None
) -> None:
    async with orders_going_on(stack, at_once=3) as (client, load):
        handle = await client.start(Rogue.run, "loops", id="loops-at-once")
        assert handle.status is WorkflowStatus.SUSPENDED
        assert_is_told(await until_suspended(handle), "workflow.start")
        await load.more(3)
        stack.trap.unlink()
        await asyncio.to_thread(resume, stack, handle.id)
        await handle.signal(Rogue.go, "end")
        assert await handle.result(timeout=60) == ["loops", "end"]


@pytest.mark.parametrize("stack", ["embedded_stack", "servers_stack"], indirect=True)
async def test_a_query_that_does_not_yield_is_refused_and_its_workflow_goes_on(
    stack: Stack, trap: None
) -> None:
    async with orders_going_on(stack, at_once=3) as (client, load):
        handle = await client.start(Rogue.run, None, id="loops-when-asked")
        with pytest.raises(QueryFailedError, match=r"'asked' is not run .* 2 times\. Deploy code"):
            await handle.query(Rogue.asked, "loops", timeout=SUSPENDED_SECONDS)
        assert (await handle.describe()).status is WorkflowStatus.RUNNING
        assert await handle.query(Rogue.count) == 0
        await load.more(3)
        await handle.signal(Rogue.go, "end")
        assert await handle.result(timeout=60) == ["end"]
        assert await handle.query(Rogue.count) == 1
        with pytest.raises(QueryFailedError, match=r"'asked' is not run"):
            await handle.query(Rogue.asked, "loops", timeout=SUSPENDED_SECONDS)


async def test_a_query_is_asked_again_when_its_workflow_is_resumed(stack: Stack, trap: None) -> None:
    async with orders_going_on(stack, at_once=3) as (client, _):
        handle = await client.start(Rogue.run, None, id="loops-until-mended")
        with pytest.raises(QueryFailedError, match=r"'asked' is not run"):
            await handle.query(Rogue.asked, "loops", timeout=SUSPENDED_SECONDS)
        stack.trap.unlink()
        await handle.resume()
        assert await handle.query(Rogue.asked, "loops") == []
        await handle.signal(Rogue.go, "end")
        assert await handle.result(timeout=60) == ["end"]


async def test_code_that_is_not_mended_when_it_is_resumed_stays_suspended(stack: Stack, trap: None) -> None:
    async with orders_going_on(stack, at_once=3) as (client, load):
        handle = await client.start(Rogue.run, "loops", id="not-mended")
        await until_suspended(handle)
        with pytest.raises(CommandRejectedError, match=r"stays suspended: .* 2 times at: workflow\.resume"):
            await handle.resume(timeout=SUSPENDED_SECONDS)
        assert (await handle.describe()).status is WorkflowStatus.SUSPENDED
        await load.more(3)
        stack.trap.unlink()
        await handle.resume()
        await handle.signal(Rogue.go, "end")
        assert await handle.result(timeout=60) == ["loops", "end"]


async def test_other_code_that_does_not_mend_it_is_tried_and_leaves_it_suspended(
    stack: Stack, trap: None
) -> None:
    (host,) = [program for program in stack.hosts if program.is_running]
    async with orders_going_on(stack, at_once=3) as (client, load):
        handle = await client.start(Rogue.run, "loops", id="mended-badly")
        await until_suspended(handle)
        host.terminate()
        await host.until_ended()
        deployed = await stack.host("examples.orders", "tests.system.other_rogues").until_ready()

        def strikes() -> int:
            return deployed.log.count("strike_written")

        await until(lambda: strikes() >= 2, "the new code has struck, too", seconds=SUSPENDED_SECONDS)
        assert (await handle.describe(timeout=20)).status is WorkflowStatus.SUSPENDED
        await load.more(10, seconds=30)
        assert strikes() == 2
        stack.trap.unlink()
        await handle.resume()
        await handle.signal(Rogue.go, "end")
        assert await handle.result(timeout=60) == ["loops", "end"]
