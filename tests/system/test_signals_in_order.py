"""One sender's signals keep their order and come once, whatever happens to the hosts meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.system.conftest import SERVERS, StackFactory
from tests.system.load import until_owned
from tests.system.odd_workflows import Gathers
from tests.system.stack import Program, Stack

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]

SENDERS = 8
SIGNALS = 60


@pytest.fixture
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=["tests.system.odd_workflows"], hosts=2, workers=0) as stack:
        yield stack


async def test_signals_keep_their_order_while_hosts_die_freeze_and_leave(stack: Stack) -> None:
    first, second = stack.hosts
    async with stack.client() as client:
        await until_owned(client, {first.host_id: 8, second.host_id: 8})
        handles = [await client.start(Gathers.run, id=f"gathers-{number}") for number in range(SENDERS)]
        sent = 0

        async def send_all(sender: int) -> None:
            nonlocal sent
            for number in range(SIGNALS):
                await handles[sender].signal(Gathers.say, f"{number}")
                sent += 1
                # A sender sees what it has sent before, whichever host answers.
                said = await handles[sender].query(Gathers.said)
                assert said == [f"{n}" for n in range(number + 1)]

        async def until_sent(share: float) -> None:
            while sent < share * SENDERS * SIGNALS:  # noqa: ASYNC110 - a number, not an event
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as sending:
            for sender in range(SENDERS):
                sending.create_task(send_all(sender))
            for share, fault in ((0.1, die), (0.3, leave), (0.5, freeze), (0.7, lose_its_child)):
                await until_sent(share)
                await fault(first)
        for handle in handles:
            await handle.signal(Gathers.end, SIGNALS)
            assert await handle.result(timeout=60) == [f"{number}" for number in range(SIGNALS)]


async def die(host: Program) -> None:
    host.kill()
    await host.start().until_ready()


async def leave(host: Program) -> None:
    host.terminate()
    await host.until_ended()
    await host.start().until_ready()


async def freeze(host: Program) -> None:
    host.freeze()
    await asyncio.sleep(5)  # longer than its lease
    host.thaw()


async def lose_its_child(host: Program) -> None:
    host.kill_child()
    await host.until_ready()
