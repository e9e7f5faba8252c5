"""Hosts join, leave in good order, die, and come back from the dead, while orders run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pika  # type: ignore[import-untyped]
import pytest

from tests.system.audit import Rows
from tests.system.conftest import SERVERS, StackFactory
from tests.system.load import orders_going_on, until_owned
from tests.system.stack import LEASE_TTL_SECONDS, Program, Stack, until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgres]

PACE = {"ORDERS_PACE": "0.05"}


@pytest.fixture(scope="module")
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=["examples.orders"], hosts=2, workers=0) as stack:
        stack.worker(env=PACE).wait_ready()
        yield stack


@pytest.fixture
async def pair(stack: Stack) -> list[Program]:
    """Two hosts that run, whatever the test before has done to them."""
    for host in stack.hosts:
        if not host.is_running:
            host.start()
        await host.until_ready()
    return stack.hosts


async def test_a_host_that_joins_gets_half_of_the_partitions_and_work_goes_on(
    stack: Stack, pair: list[Program]
) -> None:
    first, second = pair
    second.terminate()
    assert await second.until_ended() == 0
    async with orders_going_on(stack) as (client, load):
        await until_owned(client, {first.host_id: 16})
        await second.start().until_ready()
        await until_owned(client, {first.host_id: 8, second.host_id: 8})
        await load.more(20)
    assert "leases_lost" not in first.log
    wrote = {row.host for row in Rows(stack.database).journal}
    assert {first.host_id, second.host_id} <= wrote


async def test_a_host_that_is_asked_to_stop_hands_everything_over_at_once(
    stack: Stack, pair: list[Program]
) -> None:
    leaver, stayer = pair
    async with orders_going_on(stack) as (client, load):
        await until_owned(client, {leaver.host_id: 8, stayer.host_id: 8})
        leaver.terminate()
        assert await leaver.until_ended(seconds=15) == 0
        await until_owned(client, {stayer.host_id: 16})
        await load.more(20)


def left_in(broker: str, queue: str) -> list[str]:
    """The message IDs that a queue has ready for a new consumer, which returns them."""
    with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
        channel = connection.channel()
        ready = channel.queue_declare(queue, passive=True).method.message_count
        found: list[str] = []
        channel.basic_consume(queue, lambda _, method, properties, body: found.append(properties.message_id))
        while len(found) < ready:
            connection.process_data_events(time_limit=1)
        return found


async def test_hosts_that_leave_have_acknowledged_all_that_they_did(stack: Stack, pair: list[Program]) -> None:
    """Else it would be done again. What comes while they leave goes back untouched, marked redelivered."""
    async with orders_going_on(stack, at_once=30) as (_, load):
        await load.more(10)
        for host in pair:
            host.terminate()
        assert [await host.until_ended(seconds=15) for host in pair] == [0, 0]
        left = {mail for n in range(16) for mail in left_in(stack.broker, f"dalsegno.partition.1.{n}")}
        assert left, "thirty orders are under way, and nothing waits for a host"
        done = {row.cause.partition(" ")[2] for row in Rows(stack.database).journal}
        assert left & done == set()
        for host in pair:
            host.start()


async def test_what_a_killed_host_owned_goes_to_the_other_when_the_lease_runs_out(
    stack: Stack, pair: list[Program]
) -> None:
    victim, heir = pair
    async with orders_going_on(stack) as (client, load):
        await until_owned(client, {victim.host_id: 8, heir.host_id: 8})
        victim.kill()
        await until_owned(client, {heir.host_id: 16})
        await load.more(20)
        await victim.start().until_ready()
        await until_owned(client, {victim.host_id: 8, heir.host_id: 8})


async def until_rejoined(program: Program, old_id: str, stack: Stack) -> str:
    async with stack.client() as client:

        async def other_ids() -> list[str]:
            known = {old_id, *(host.host_id for host in stack.hosts if host is not program)}
            return [row.host_id for row in await client.hosts() if row.host_id not in known]

        (new_id,) = await until(other_ids, f"{program.name} has joined again under another ID")
        return new_id


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_host_that_was_frozen_for_longer_than_its_lease_writes_nothing_and_joins_anew(
    stack: Stack, pair: list[Program]
) -> None:
    zombie, heir = pair
    async with orders_going_on(stack) as (client, load):
        old_id = zombie.host_id
        await until_owned(client, {old_id: 8, heir.host_id: 8})
        zombie.freeze()
        await until_owned(client, {heir.host_id: 16})
        frozen = Rows(stack.database)
        last_words = {row.run_id: row.sequence for row in frozen.journal if row.host == old_id}
        await asyncio.sleep(2 * LEASE_TTL_SECONDS)  # the length of the freeze, beside what the heir waited for
        zombie.thaw()
        new_id = await until_rejoined(zombie, old_id, stack)
        await until_owned(client, {new_id: 8, heir.host_id: 8})
        await load.more(20)
    rows = Rows(stack.database)
    assert {row.run_id: row.sequence for row in rows.journal if row.host == old_id} == last_words
    assert any(row.host == new_id for row in rows.journal)
