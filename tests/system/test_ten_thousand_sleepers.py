"""Memory grows with active work, and not with what sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

import pytest

from dalsegno import Client, WorkflowStatus
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.sleepers import LONG, PlainSleeper
from tests.system.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SLEEPERS = 10_000
AT_ONCE = 100
BATCHES = 16
CACHE_BYTES_MAX = 40_000_000
"""For the thousand that a host keeps in memory because they may be wanted again, and for all else."""
GROWTH_BYTES_MAX = 400_000
"""For a batch more, some half a kilobyte each; what a sleeper would take is more than one."""


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


async def put_to_bed(client: Client, names: Sequence[str]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            await client.start(PlainSleeper.run, LONG, id=name)

    await asyncio.gather(*(one(name) for name in names))


async def test_ten_thousand_sleeping_workflows_take_no_memory_and_are_still_there(stack: Stack) -> None:
    async with stack.client() as client:
        await put_to_bed(client, [f"warming-up-{number}" for number in range(100)])
        taken = [memory(stack)]
        names = [f"sleeper-{number}" for number in range(SLEEPERS)]
        for begin in range(0, SLEEPERS, SLEEPERS // BATCHES):
            await put_to_bed(client, names[begin : begin + SLEEPERS // BATCHES])
            taken.append(memory(stack))
        print("MB, batch by batch: " + ", ".join(f"{size / 1e6:.1f}" for size in taken))
        assert taken[-1] - taken[0] < CACHE_BYTES_MAX
        # The heap grows in steps, at first for those that are kept in memory, and whenever a round is larger
        # than any before it. What sleepers took for themselves would be taken by each batch to the last.
        later = taken[BATCHES // 2 :]
        assert median(after - before for before, after in pairwise(later)) < GROWTH_BYTES_MAX

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
