"""Orders that go on while something happens to the machines."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from uuid import uuid4

from dalsegno import Client
from examples.orders import OrderWorkflow
from examples.orders.models import OrderStatus
from tests.system.shop import booked, order
from tests.system.stack import Stack, until

FULFILLED = ["payment", "reservation", "shipment", "mail"]


class Load:
    """`done` are the orders that have completed so far."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._names = (f"{uuid4().hex[:6]}-{number}" for number in count())
        self._ending = False

    async def more(self, number: int, *, seconds: float = 60.0) -> None:
        """Until so many more have completed."""
        wanted = len(self.done) + number
        await until(lambda: len(self.done) >= wanted, f"{number} more orders have completed", seconds=seconds)

    def end(self) -> None:
        """Begin no more of them."""
        self._ending = True

    async def keep_going(self, client: Client) -> None:
        while not self._ending:
            name = next(self._names)
            result = await client.execute(OrderWorkflow.run, order(name), id=name)
            assert result.status is OrderStatus.COMPLETED, f"{name}: {result}"
            self.done.append(name)


@asynccontextmanager
async def orders_going_on(stack: Stack, *, at_once: int = 10) -> AsyncIterator[tuple[Client, Load]]:
    """Orders begin, `at_once` at a time, while the block runs; in the end all complete, and are booked once."""
    load = Load()
    async with stack.client() as client, asyncio.TaskGroup() as going:
        for _ in range(at_once):
            going.create_task(load.keep_going(client))
        await load.more(1)
        yield client, load
        load.end()
    for name in load.done:
        assert booked(stack.ledger, name) == FULFILLED, name


async def owners(client: Client) -> Counter[str]:
    """How many partitions each host owns."""
    return Counter(row.owner for row in await client.partitions() if row.owner is not None)


async def until_owned(client: Client, expected: dict[str, int]) -> None:
    """Until exactly these hosts own so many partitions each."""

    async def are_owned() -> bool:
        return await owners(client) == expected

    await until(are_owned, f"partitions are owned as {expected}", seconds=60)
