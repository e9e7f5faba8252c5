"""A workflow that is updated."""

from __future__ import annotations

from dalsegno import ApplicationError, activity, workflow


@activity.defn
async def price_of(item: str) -> int:
    return len(item)


@workflow.defn
class Basket:
    def __init__(self) -> None:
        self.items: list[str] = []
        self.is_closed = False
        self.may_go_on = False

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.is_closed)
        return self.items

    @workflow.update
    async def add(self, item: str) -> int:
        self.items.append(item)
        return await workflow.execute_activity(price_of, item, start_to_close_timeout=60)

    @add.validator
    def check(self, item: str) -> None:
        if not item:
            raise ApplicationError("an item has a name", 7, type="Nameless")

    @workflow.update
    def count(self) -> int:
        return len(self.items)

    @workflow.update
    async def hold(self) -> str:
        await workflow.wait_condition(lambda: self.may_go_on)
        return "held"

    @workflow.update(name="fail it")
    def fail(self) -> None:
        raise ApplicationError("sold out", type="SoldOut")

    @workflow.update
    def close(self) -> list[str]:
        self.is_closed = True
        return self.items

    @workflow.signal
    def put_in(self, item: str) -> None:
        self.items.append(item)
        self.is_closed = item == "close"

    @workflow.signal
    def go_on(self) -> None:
        self.may_go_on = True
