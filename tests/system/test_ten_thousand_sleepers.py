"""Memory grows with active work, and not with what sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dalsegno import Client, WorkflowStatus
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.sleepers import LONG, PlainSleeper
from tests.system.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SLEEPERS = 10_000
AT_ONCE = 100
CACHE_BYTES_MAX = 30_000_000
"""For the thousand that a host keeps in memory because they may be wanted again, and for all else."""
GROWTH_BYTES_MAX = 5_000_000
"""For thousands more."""


@pytest.fixture(
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.sleepers"], workers=0) as stack:
        yield stack


def memory(stack: Stack) -> int:
    """What the host process has for itself alone, in bytes; pages that it shares with others don't count."""
    (host,) = stack.hosts
    size: int = host.child().memory_full_info().uss
    return size


async def put_to_bed(client: Client, names: list[str]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            await client.start(PlainSleeper.run, LONG, id=name)

    await asyncio.gather(*(one(name) for name in names))


async def test_ten_thousand_sleeping_workflows_take_no_memory_and_are_still_there(stack: Stack) -> None:
    async with stack.client() as client:
        await put_to_bed(client, [f"warming-up-{number}" for number in range(100)])
        idle = memory(stack)
        names = [f"sleeper-{number}" for number in range(SLEEPERS)]
        await put_to_bed(client, names[: SLEEPERS // 2])
        half = memory(stack)
        await put_to_bed(client, names[SLEEPERS // 2 :])
        all_of_them = memory(stack)
        print(
            f"idle {idle / 1e6:.1f} MB, with {SLEEPERS // 2} sleepers {half / 1e6:.1f} MB, "
            f"with {SLEEPERS} {all_of_them / 1e6:.1f} MB"
        )
        assert all_of_them - idle < CACHE_BYTES_MAX
        assert all_of_them - half < GROWTH_BYTES_MAX

        for name in names[:: SLEEPERS // 20]:
            handle = client.get_workflow_handle(name)
            description = await handle.describe()
            assert (description.status, description.pending_timers) == (WorkflowStatus.RUNNING, 1)
            await handle.signal(PlainSleeper.call, name)
            assert await handle.query(PlainSleeper.called) == [name]
        asleep = 0
        async for _ in client.list_workflows(status=WorkflowStatus.RUNNING, page_size=1000):
            asleep += 1
        assert asleep == SLEEPERS + 100
