"""Hosts and workers are killed with -9 at random moments while orders run; every order ends as it should, once.

The seed is printed; SYSTEM_SEED=<seed> runs the same kills again (as far as a machine repeats itself).
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from dalsegno import Client
from examples.orders import OrderWorkflow
from examples.orders.models import Approval, Line, Order, OrderStatus
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.shop import booked, bookings, large, order
from tests.system.stack import Program, Stack, until

ENDS_SECONDS = 120.0
"""After the last kill: for all that is still open."""
PACE = {"ORDERS_PACE": "0.15"}
"""Orders take about a second, so that a kill meets many of them."""
KILLS_OF_A_CHILD = 3
"""Without a new parent in between: each makes it wait longer before it starts the child again."""

FULFILLED = ["payment", "reservation", "shipment", "mail"]
SOLD_OUT = [Line("sold-out", 1, Decimal(5))]


class Kind:
    """A kind of order, and how it has to end whatever is killed meanwhile."""

    def __init__(self, made: Callable[[str], Order], status: OrderStatus, *kinds: str) -> None:
        self.made = made
        self.status = status
        self.bookings = list(kinds)


KINDS = [
    Kind(order, OrderStatus.COMPLETED, *FULFILLED),
    Kind(lambda name: order(name, card="4000-flaky"), OrderStatus.COMPLETED, *FULFILLED),
    Kind(large, OrderStatus.COMPLETED, *FULFILLED),
    Kind(lambda name: order(name, lines=SOLD_OUT), OrderStatus.FAILED, "payment", "refund"),
    Kind(
        lambda name: order(name, address="nowhere"),
        OrderStatus.FAILED,
        *("payment", "reservation", "release", "refund"),
    ),
]


async def play(client: Client, name: str, kind: Kind) -> None:
    """One order from its start to its end, with an approval if it needs one."""
    handle = await client.start(OrderWorkflow.run, kind.made(name), id=name)
    if kind.made is large:
        await handle.signal(OrderWorkflow.approve, Approval(True, "bob"))
    result = await handle.result()
    assert result.status is kind.status, f"{name}: {result}"


class Killer:
    """Kills one thing after another, each when it is at work, and sees to it that it comes back."""

    def __init__(self, stack: Stack, targets: list[Program], chance: random.Random) -> None:
        self._chance = chance
        self._targets = targets
        self._children_killed = dict.fromkeys(stack.hosts, 0)
        self.told: list[str] = []

    async def kill_one(self) -> None:
        program = self._chance.choice(self._targets)
        await until(program.is_ready, f"{program.name} is up again", seconds=60)
        await asyncio.sleep(self._chance.uniform(0.0, 1.0))
        whole = program not in self._children_killed or self._chance.random() < 0.5
        if whole or self._children_killed[program] == KILLS_OF_A_CHILD:
            self.told.append(program.name)
            program.kill()
            program.start()
            self._children_killed.update({program: 0} if program in self._children_killed else {})
        else:
            self.told.append(f"the child of {program.name}")
            program.kill_child()
            self._children_killed[program] += 1


@pytest.fixture
def chance() -> random.Random:
    seed = os.environ.get("SYSTEM_SEED") or secrets.token_hex(4)
    print(f"SYSTEM_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def servers_stack(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=["examples.orders"], hosts=2, workers=0) as stack:
        stack.worker(env=PACE).wait_ready()
        yield stack


@pytest.fixture
def embedded_stack(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(EMBEDDED, modules=["examples.orders"], workers=0) as stack:
        stack.worker(env=PACE).wait_ready()
        yield stack


@pytest.mark.slow
@pytest.mark.rabbitmq
@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_two_hundred_orders_end_well_although_twenty_processes_are_killed(
    servers_stack: Stack, chance: random.Random
) -> None:
    killer = Killer(servers_stack, [*servers_stack.hosts, *servers_stack.workers], chance)
    await killed_at_random(servers_stack, killer, chance, kills=20, orders_each=10)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_orders_on_one_machine_end_well_although_its_host_is_killed_ten_times(
    embedded_stack: Stack, chance: random.Random
) -> None:
    killer = Killer(embedded_stack, embedded_stack.hosts, chance)
    await killed_at_random(embedded_stack, killer, chance, kills=10, orders_each=6)


async def killed_at_random(
    stack: Stack, killer: Killer, chance: random.Random, *, kills: int, orders_each: int
) -> None:
    expected: dict[str, Kind] = {}
    async with stack.client() as client, asyncio.TaskGroup() as playing:
        for _ in range(kills):
            for _ in range(orders_each):
                name = f"order-{len(expected)}"
                expected[name] = chance.choice(KINDS)
                playing.create_task(play(client, name, expected[name]), name=name)
            await killer.kill_one()
        playing.create_task(end_in_time(client, set(expected)))
    print("killed:", ", ".join(killer.told))
    for name, kind in expected.items():
        assert booked(stack.ledger, name) == kind.bookings, name
    keys = [booking.key for booking in bookings(stack.ledger)]
    assert len(keys) == len(set(keys)) == sum(len(kind.bookings) for kind in expected.values())


async def end_in_time(client: Client, names: set[str]) -> None:
    async def none_is_open() -> bool:
        closed = {row.workflow_id async for row in client.list_workflows() if row.closed_at is not None}
        return names <= closed

    await until(none_is_open, "all orders have ended", seconds=ENDS_SECONDS)
