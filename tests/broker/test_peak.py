"""A process under a flood of large messages takes what it is allowed to hold, and little more."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dalsegno.broker.embedded import EmbeddedServer
from dalsegno.broker.port import Message, Queue, Topology
from dalsegno.broker.url import open_broker
from tests.broker.witness import Ends, fill

MIB = 1024 * 1024
QUEUES, EACH = 4, 40
HELD = 8 * MIB
GROWTH_MAX = 80 * MIB
"""Half of the flood. What a process grows by beside what it holds: modules, buffers, the allocator's own."""


@pytest.fixture(params=[pytest.param("rabbitmq", marks=pytest.mark.rabbitmq), "embedded"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "rabbitmq":
        yield request.getfixturevalue("rabbitmq_url")
        return
    async with EmbeddedServer(tmp_path / "broker.db"):
        yield f"embedded:{tmp_path / 'broker.db'}"


@pytest.mark.slow
async def test_a_process_under_a_flood_of_large_messages_stays_within_its_bound(url: str) -> None:
    session = await open_broker(url).connect(on_closed=Ends())
    queues = [f"test.peak.{number}" for number in range(QUEUES)]
    await session.declare(Topology(queues=[Queue(queue, single_active_consumer=True) for queue in queues]))
    body = secrets.token_bytes(MIB)
    for queue in queues:
        await fill(session, queue, [Message(body=body, message_id=f"{queue} {n}") for n in range(EACH)])

    grown = await growth(url, HELD, QUEUES * EACH, queues)

    assert grown < GROWTH_MAX
    for queue in queues:
        await session.delete_queue(queue)
    await session.close()


async def growth(url: str, held: int, count: int, queues: list[str]) -> int:
    command = (sys.executable, "-m", "tests.broker.peak", url, str(held), str(count), *queues)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return int(output.split()[-1])
