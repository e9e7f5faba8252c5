"""The public API under type checkers: right uses, whose types are asserted, and wrong ones, which are marked.

Nothing here is run: mypy and pyright read it, both strictly, and both complain about a mark that is not needed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

from dalsegno import Client, RetryPolicy, Worker, activity, workflow
from dalsegno.client import WorkflowHandle
from dalsegno.workflow import ActivityHandle


@dataclass
class Order:
    number: str


@activity.defn
async def charge(order: Order) -> int:
    return 1


@activity.defn(name="ship it")
def ship(order: Order, fast: bool = False) -> str:
    return order.number


@activity.defn
async def tick() -> None: ...


@activity.defn
def transfer(source: str, target: str) -> bool:
    return source != target


class Bank:
    @activity.defn
    async def pay(self, cents: int) -> bool:
        return cents > 0

    @activity.defn
    def balance(self) -> int:
        return 1


@workflow.defn
class Shop:
    def __init__(self) -> None:
        self.ok = False

    @workflow.run
    async def run(self, order: Order, times: int = 1) -> list[str]:
        return []

    @workflow.signal
    async def approve(self, by: str, level: int = 1) -> None:
        self.ok = True

    @workflow.signal(name="stop it")
    def stop(self) -> None:
        self.ok = False

    @workflow.update
    async def add(self, item: str) -> int:
        return len(item)

    @add.validator
    def check(self, item: str) -> None: ...

    @workflow.update(name="clear it")
    def clear(self) -> bool:
        return self.ok

    @workflow.query
    def approved(self) -> bool:
        return self.ok

    @workflow.query
    async def looked_up(self, of: str) -> int:
        return self.times(of)

    @workflow.query(name="how often")
    def times(self, of: str) -> int:
        return len(of)

    async def handlers_are_ordinary_methods(self) -> None:
        await self.approve("ann")
        self.stop()
        assert_type(self.approved(), bool)
        assert_type(Shop.times(self, "x"), int)
        await self.approve(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self.times()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@workflow.defn
class Outlet(Shop):
    """A handler that is overridden, and one that is inherited."""

    @workflow.query
    def approved(self) -> bool:
        return not super().approved()


@workflow.defn
class Minimal:
    @workflow.run
    async def run(self) -> int:
        return 1


async def activities(order: Order, bank: Bank) -> None:
    assert_type(await workflow.execute_activity(charge, order), int)
    assert_type(await workflow.execute_activity(ship, order), str)
    assert_type(await workflow.execute_activity(ship, args=[order, True], start_to_close_timeout=3), str)
    assert_type(await workflow.execute_activity(transfer, args=["a", "b"]), bool)
    assert_type(await workflow.execute_activity(tick), None)
    assert_type(await workflow.execute_activity("elsewhere", 3, result_type=int), Any)
    assert_type(await workflow.execute_activity("elsewhere", args=[3, 4]), Any)
    assert_type(await workflow.execute_activity_method(Bank.pay, 3), bool)
    assert_type(await workflow.execute_activity_method(bank.pay, 3), bool)
    assert_type(await workflow.execute_activity_method(Bank.balance), int)
    assert_type(await workflow.execute_activity_method(Bank.pay, args=[3]), bool)
    assert_type(await workflow.execute_activity(bank.pay, 3), bool)
    retries = RetryPolicy(maximum_attempts=3, non_retryable_error_types=("A",))
    handle = workflow.start_activity(
        charge, order, retry_policy=retries, heartbeat_timeout=timedelta(seconds=1)
    )
    assert_type(handle, ActivityHandle[int])
    assert_type(await handle, int)
    assert_type(await workflow.start_activity_method(Bank.pay, 3), bool)
    both = await asyncio.gather(
        workflow.execute_activity(charge, order), workflow.start_activity(charge, order)
    )
    assert_type(both, tuple[int, int])
    await workflow.wait_condition(lambda: bool(both), timeout=timedelta(hours=1))


async def wrong_activities(order: Order) -> None:
    await workflow.execute_activity(charge, "wrong")  # type: ignore[arg-type]  # pyright: ignore
    await workflow.execute_activity(charge)  # type: ignore[arg-type]  # pyright: ignore
    await workflow.execute_activity(ship, 3)  # type: ignore[arg-type]  # pyright: ignore
    await workflow.execute_activity(tick, 3)  # type: ignore[arg-type]  # pyright: ignore
    await workflow.execute_activity(transfer, "a")  # type: ignore[arg-type]  # pyright: ignore
    await workflow.execute_activity(charge, order, timeout=3)  # type: ignore[call-overload]  # pyright: ignore
    await workflow.execute_activity(tick, retry_policy=3)  # type: ignore[call-overload]  # pyright: ignore
    await workflow.execute_activity(charge, 3, args=[3])  # type: ignore[call-overload]  # pyright: ignore
    await workflow.execute_activity(3, order)  # type: ignore[call-overload]  # pyright: ignore
    await workflow.execute_activity_method(Bank.pay, "3")  # type: ignore[arg-type]  # pyright: ignore
    await workflow.execute_activity_method(Bank.pay)  # type: ignore[arg-type]  # pyright: ignore
    workflow.start_activity(charge, "wrong")  # type: ignore[arg-type]  # pyright: ignore
    workflow.start_activity(charge)  # type: ignore[arg-type]  # pyright: ignore


async def clients() -> None:
    async with Client.connect("embedded:x") as client:
        order = Order("1")
        handle = await client.start(Shop.run, order, id="x")
        assert_type(handle, WorkflowHandle[list[str]])
        assert_type(await handle.result(), list[str])
        assert_type(
            await client.start_workflow(Shop.run, order, 3, id="x", task_queue="q"), WorkflowHandle[list[str]]
        )
        assert_type(await client.execute(Shop.run, order, id="x"), list[str])
        assert_type(await client.execute(Shop.run, args=[order, 3], id="x"), list[str])
        assert_type(await client.execute(Minimal.run, id="x"), int)
        assert_type(await client.execute("elsewhere", 1, 2, 3, id="x"), Any)
        assert_type(await client.start(Shop, order, id="x"), WorkflowHandle[Any])
        await handle.signal(Shop.approve, "ann", message_id="m")
        await handle.signal(Outlet.approve, "ann", 2, timeout=3)
        await handle.signal(Shop.stop)
        await handle.signal("anything", 1, 2, 3)
        await handle.signal(Shop.approve, args=["ann", 2])
        assert_type(await handle.query(Shop.times, args=["x"]), int)
        assert_type(await handle.execute_update(Shop.add, args=["pen"]), int)
        assert_type(await handle.execute_update(Shop.add, "pen"), int)
        assert_type(await handle.execute_update(Shop.clear, id="clear-1"), bool)
        assert_type(await handle.execute_update("anything", 1, 2), Any)
        assert_type(await handle.query(Shop.approved), bool)
        assert_type(await handle.query(Shop.times, "x"), int)
        assert_type(await handle.query(Shop.looked_up, "x"), int)
        assert_type(await handle.query("anything", 1, result_type=int), Any)
        await Worker("embedded:x", task_queue="q", activities=[charge, ship, Bank().pay]).run()


async def wrong_clients(client: Client, handle: WorkflowHandle[Any]) -> None:
    order = Order("1")
    await client.start(Shop.run, "not an order", id="x")  # type: ignore[arg-type]  # pyright: ignore
    await client.start(Shop.run, id="x")  # type: ignore[arg-type]  # pyright: ignore
    await client.start(Minimal.run, order, id="x")  # type: ignore[arg-type]  # pyright: ignore
    await client.start(Shop.run, order, "3", id="x")  # type: ignore[arg-type]  # pyright: ignore
    await client.start(Shop.run, order, 3, 4, id="x")  # type: ignore[arg-type]  # pyright: ignore
    await client.start(Shop.run, order)  # type: ignore[call-overload]  # pyright: ignore
    await client.start(Shop.run, order, id=3)  # type: ignore[call-overload]  # pyright: ignore
    await client.start(Shop.run, order, id="x", queue="q")  # type: ignore[call-overload]  # pyright: ignore
    await client.execute(Shop.run, "not an order", id="x")  # type: ignore[arg-type]  # pyright: ignore
    await handle.signal(Shop.approve, 5)  # type: ignore[arg-type]  # pyright: ignore
    await handle.signal(Shop.approve)  # type: ignore[arg-type]  # pyright: ignore
    await handle.signal(Shop.stop, 5)  # type: ignore[arg-type]  # pyright: ignore
    await handle.signal(Shop.approved)  # type: ignore[call-overload]  # pyright: ignore
    await handle.signal(Shop.run, order)  # type: ignore[call-overload]  # pyright: ignore
    await handle.query(Shop.stop)  # type: ignore[call-overload]  # pyright: ignore
    await handle.query(Shop.times, 5)  # type: ignore[arg-type]  # pyright: ignore
    await handle.query(Shop.times)  # type: ignore[arg-type]  # pyright: ignore
    await handle.query(Shop.approved, 5)  # type: ignore[arg-type]  # pyright: ignore
