"""Careless activities and uses of them, and how it is right: pairs of scenarios for `crash_everywhere`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from dalsegno import ActivityError, RetryPolicy, activity, workflow
from dalsegno.testing import WorkflowEnvironment

Scenario = Callable[[WorkflowEnvironment], Awaitable[None]]

ONCE = RetryPolicy(maximum_attempts=1)


class Bank:
    """Stands for the payment service: it knows repeats by their keys, if it is given any."""

    def __init__(self) -> None:
        self.booked: Counter[str] = Counter()
        self.void: set[str] = set()
        self._keys: set[str] = set()

    @activity.defn(name="charge")
    async def charge_carelessly(self, order: str) -> str:
        self.booked[order] += 1
        await asyncio.sleep(0)
        return "receipt"

    @activity.defn(name="charge")
    async def charge(self, order: str) -> str:
        self._book(order, activity.info().idempotency_key)
        await asyncio.sleep(0)
        return "receipt"

    def _book(self, order: str, key: str) -> None:
        if key not in self._keys and order not in self.void:
            self._keys.add(key)
            self.booked[order] += 1

    @activity.defn
    async def refund(self, order: str) -> None:
        """Also of what may never have been charged: then it will not be any more."""
        self.void.add(order)
        self.booked[order] = 0

    @activity.defn(name="transfer")
    async def transfer_carelessly(self, amount: int) -> None:
        self.booked["from"] -= amount
        await asyncio.sleep(0)
        self.booked["to"] += amount

    @activity.defn
    async def transfer(self, amount: int) -> None:
        key = activity.info().idempotency_key
        if f"{key} from" not in self._keys:
            self._keys.add(f"{key} from")
            self.booked["from"] -= amount
        await asyncio.sleep(0)
        if f"{key} to" not in self._keys:
            self._keys.add(f"{key} to")
            self.booked["to"] += amount


# --- a charge that is not idempotent -------------------------------------------------------------------------


@workflow.defn
class Charged:
    @workflow.run
    async def run(self, order: str) -> str:
        return await workflow.execute_activity("charge", order, start_to_close_timeout=10, result_type=str)


async def charged_twice(env: WorkflowEnvironment) -> None:
    bank = Bank()
    async with env.worker(workflows=[Charged], activities=[bank.charge_carelessly]):
        assert await env.client.execute_workflow(Charged.run, "o-1", id="o-1") == "receipt"
    assert bank.booked["o-1"] == 1


async def charged_once(env: WorkflowEnvironment) -> None:
    bank = Bank()
    async with env.worker(workflows=[Charged], activities=[bank.charge]):
        assert await env.client.execute_workflow(Charged.run, "o-1", id="o-1") == "receipt"
    assert bank.booked["o-1"] == 1


# --- half of what an activity does ---------------------------------------------------------------------------


@workflow.defn
class Transferred:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("transfer", 5, start_to_close_timeout=10)


async def transferred_in_part(env: WorkflowEnvironment) -> None:
    bank = Bank()
    async with env.worker(workflows=[Transferred], activities=[bank.transfer_carelessly]):
        await env.client.execute_workflow(Transferred.run, id="t-1")
    assert bank.booked["from"] + bank.booked["to"] == 0


async def transferred_whole(env: WorkflowEnvironment) -> None:
    bank = Bank()
    async with env.worker(workflows=[Transferred], activities=[bank.transfer]):
        await env.client.execute_workflow(Transferred.run, id="t-1")
    assert bank.booked == {"from": -5, "to": 5}


# --- compensation before the outcome of an attempt is known --------------------------------------------------


@workflow.defn
class TakenForFailed:
    @workflow.run
    async def run(self, order: str) -> str:
        try:
            await workflow.execute_activity("charge", order, start_to_close_timeout=10, retry_policy=ONCE)
        except ActivityError:
            return "not charged"
        return "charged"


@workflow.defn
class UndoneToBeSure:
    @workflow.run
    async def run(self, order: str) -> str:
        try:
            await workflow.execute_activity("charge", order, start_to_close_timeout=10, retry_policy=ONCE)
        except ActivityError:
            await workflow.execute_activity("refund", order, start_to_close_timeout=10)
            return "not charged"
        return "charged"


async def taken_for_failed(env: WorkflowEnvironment) -> None:
    bank = Bank()
    async with env.worker(workflows=[TakenForFailed], activities=[bank.charge]):
        result = await env.client.execute_workflow(TakenForFailed.run, "o-1", id="o-1")
    assert bank.booked["o-1"] == (result == "charged")


async def undone_to_be_sure(env: WorkflowEnvironment) -> None:
    bank = Bank()
    async with env.worker(workflows=[UndoneToBeSure], activities=[bank.charge, bank.refund]):
        result = await env.client.execute_workflow(UndoneToBeSure.run, "o-1", id="o-1")
    assert bank.booked["o-1"] == (result == "charged")


# --- a result that depends on the number of attempts ---------------------------------------------------------


@activity.defn(name="number")
async def number_of_attempts() -> int:
    await asyncio.sleep(0)
    return activity.info().attempt


@activity.defn(name="number")
async def number_of_order() -> int:
    await asyncio.sleep(0)
    return 1


@workflow.defn
class Numbered:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            "number", start_to_close_timeout=10, heartbeat_timeout=5, result_type=int
        )


async def counted_by_attempts(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Numbered], activities=[number_of_attempts]):
        assert await env.client.execute_workflow(Numbered.run, id="n-1") == 1


async def counted_by_orders(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Numbered], activities=[number_of_order]):
        assert await env.client.execute_workflow(Numbered.run, id="n-1") == 1


# --- a handler that counts what comes twice ------------------------------------------------------------------


@activity.defn
async def report() -> None:
    handle = activity.client().get_workflow_handle(activity.info().workflow_id)
    await handle.signal("paid", activity.info().idempotency_key)
    await asyncio.sleep(0)


@workflow.defn
class PaymentsCounted:
    def __init__(self) -> None:
        self.payments = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.execute_activity(report, start_to_close_timeout=10)
        await workflow.sleep(1)
        return self.payments

    @workflow.signal
    def paid(self, key: str) -> None:
        self.payments += 1


@workflow.defn
class PaymentsKnown:
    def __init__(self) -> None:
        self.payments: set[str] = set()

    @workflow.run
    async def run(self) -> int:
        await workflow.execute_activity(report, start_to_close_timeout=10)
        await workflow.sleep(1)
        return len(self.payments)

    @workflow.signal
    def paid(self, key: str) -> None:
        self.payments.add(key)


async def signals_counted(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[PaymentsCounted], activities=[report]):
        assert await env.client.execute_workflow(PaymentsCounted.run, id="p-1") == 1


async def signals_known(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[PaymentsKnown], activities=[report]):
        assert await env.client.execute_workflow(PaymentsKnown.run, id="p-1") == 1


# --- cleaning up that a dead process does not do -------------------------------------------------------------


class Lock:
    def __init__(self) -> None:
        self.holders: set[str] = set()

    @activity.defn(name="work")
    async def work_carelessly(self) -> None:
        if self.holders:
            raise RuntimeError("it is locked")
        self.holders.add("somebody")
        try:
            await asyncio.sleep(0)
        finally:
            self.holders.clear()

    @activity.defn
    async def work(self) -> None:
        me = activity.info().idempotency_key
        if self.holders - {me}:
            raise RuntimeError("it is locked")
        self.holders.add(me)
        await asyncio.sleep(0)
        self.holders.discard(me)


@workflow.defn
class Locked:
    @workflow.run
    async def run(self) -> None:
        policy = RetryPolicy(maximum_attempts=5)
        await workflow.execute_activity("work", start_to_close_timeout=10, retry_policy=policy)


async def unlocked_by_finally(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Locked], activities=[Lock().work_carelessly]):
        await env.client.execute_workflow(Locked.run, id="l-1")


async def unlocked_by_its_key(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Locked], activities=[Lock().work]):
        await env.client.execute_workflow(Locked.run, id="l-1")


PAIRS: dict[Scenario, Scenario] = {
    charged_twice: charged_once,
    transferred_in_part: transferred_whole,
    taken_for_failed: undone_to_be_sure,
    counted_by_attempts: counted_by_orders,
    signals_counted: signals_known,
    unlocked_by_finally: unlocked_by_its_key,
}
