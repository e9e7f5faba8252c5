"""What a host says can be written nowhere: that harms no run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import PostgresServer
from tests.system.conftest import SERVERS, StackFactory
from tests.system.odd_workflows import Gathers
from tests.system.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]

SIGNALS = 6
BROKEN_BEFORE = 3


@pytest.fixture
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    """Its end looks at the whole database as `dalsegno verify` does."""
    with stack_on(SERVERS, modules=["tests.system.odd_workflows"], workers=0) as stack:
        yield stack


async def test_a_commit_that_fails_while_the_log_is_on_a_full_disk_leaves_the_journal_whole(
    stack: Stack, postgres_server: PostgresServer
) -> None:
    (host,) = stack.hosts
    host.terminate()
    await host.until_ended()
    host.start(streams=Path("/dev/full"))
    async with stack.client() as client:
        handle = await client.start(Gathers.run, id="six-signals")
        child = host.child().pid
        for number in range(SIGNALS):
            if number == BROKEN_BEFORE:
                assert await asyncio.to_thread(postgres_server.terminate_backends, stack.database)
            await handle.signal(Gathers.say, f"{number}")
        await handle.signal(Gathers.end, SIGNALS)
        assert await handle.result(timeout=60) == [f"{number}" for number in range(SIGNALS)]
        assert host.child().pid == child, "a log that takes nothing is no reason to end"
