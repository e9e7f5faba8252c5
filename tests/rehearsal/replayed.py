"""Workflows, before and after a change. Processes that replay histories import them from here."""

from __future__ import annotations

from dataclasses import dataclass

from dalsegno import ApplicationError, activity, workflow


@dataclass
class Order:
    customer: str
    cents: int
    is_gift: bool = True


@activity.defn
async def charge(order: Order) -> str:
    return f"receipt for {order.customer}"


@activity.defn
async def ship(order: Order) -> str:
    return "shipped"


@workflow.defn(name="Sale")
class Sale:
    """Charges, and waits for a word before it ships."""

    def __init__(self) -> None:
        self.word = ""

    @workflow.run
    async def run(self, order: Order) -> str:
        await workflow.execute_activity(charge, order)
        await workflow.wait_condition(lambda: bool(self.word))
        if self.word == "fail":
            raise ApplicationError(f"{order.customer} will not have it")
        if self.word == "break":
            return str({}[self.word])
        return await workflow.execute_activity(ship, order)

    @workflow.signal
    def say(self, word: str) -> None:
        self.word = word

    @workflow.query
    def heard(self) -> str:
        return self.word


@workflow.defn(name="Sale")
class SaleMended(Sale):
    """It fails at no word."""

    @workflow.run
    async def run(self, order: Order) -> str:
        await workflow.execute_activity(charge, order)
        await workflow.wait_condition(lambda: bool(self.word))
        return await workflow.execute_activity(ship, order)


@workflow.defn(name="Sale")
class SaleReordered(Sale):
    @workflow.run
    async def run(self, order: Order) -> str:
        await workflow.execute_activity(ship, order)
        return await workflow.execute_activity(charge, order)


@workflow.defn(name="Sale")
class SaleByHash(Sale):
    """What it wants follows from the hash seed of its process."""

    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await workflow.execute_activity(f"seeded {hash('a')}"))


@workflow.defn(name="Sale")
class SaleLooping(Sale):
    @workflow.run
    async def run(self, order: Order) -> str:
        while True:
            pass


@workflow.defn(name="Other")
class Other:
    @workflow.run
    async def run(self) -> None: ...
