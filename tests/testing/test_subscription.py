"""examples/subscription, tested as its users would: years of it, in no time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dalsegno import WorkflowUpdateFailedError
from dalsegno.errors import ApplicationError
from dalsegno.testing import WorkflowEnvironment, mocked
from examples.subscription import SubscriptionWorkflow, charge, end_access, remind
from examples.subscription.models import Ending, Plan, Subscription
from examples.subscription.workflow import a_month_after

YEAR = timedelta(days=366)
"""So that as many months are over, whatever year is a leap year."""
SMALL, LARGE = Plan("small", 500), Plan("large", 1_500)


@pytest.fixture
async def env() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping() as environment:
        yield environment


class Shop:
    def __init__(self) -> None:
        self.charged: list[int] = []
        self.done: list[str] = []
        self.declines = False

    def mocks(self) -> list[Callable[..., Any]]:
        return [mocked(charge, self._charge), mocked(remind, self._remind), mocked(end_access, self._end)]

    def _charge(self, subscription: Subscription) -> None:
        if self.declines:
            raise ApplicationError("no money", type="CardDeclined")
        self.charged.append(subscription.plan.cents)

    def _remind(self, subscription: Subscription) -> None:
        self.done.append("reminded")

    def _end(self, subscription: Subscription, ending: Ending) -> None:
        self.done.append(ending)


def new() -> Subscription:
    return Subscription("ann", SMALL)


async def test_it_is_charged_for_years_and_stays_as_small_as_on_its_first_day(env: WorkflowEnvironment) -> None:
    shop = Shop()
    async with env.worker(workflows=[SubscriptionWorkflow], activities=shop.mocks()):
        handle = await env.client.start_workflow(SubscriptionWorkflow.run, new(), id="s-1")
        await env.sleep(2 * YEAR)
        before = await handle.query(SubscriptionWorkflow.events_since_sign)
        assert await handle.execute_update(SubscriptionWorkflow.change_plan, LARGE) == SMALL
        await env.sleep(3 * YEAR)
        assert await handle.query(SubscriptionWorkflow.events_since_sign) <= before + 1 <= 4
        await handle.signal(SubscriptionWorkflow.cancel)
        ended = await handle.result()
    assert len(shop.charged) == ended.periods == 61
    assert (shop.charged[24:26], ended.paid_cents) == ([500, 1_500], sum(shop.charged))
    assert shop.done == [Ending.CANCELLED]


async def test_what_is_paid_is_had_to_its_end_when_it_is_cancelled(env: WorkflowEnvironment) -> None:
    shop = Shop()
    async with env.worker(workflows=[SubscriptionWorkflow], activities=shop.mocks()):
        begun = await env.get_current_time()
        handle = await env.client.start_workflow(SubscriptionWorkflow.run, new(), id="s-1")
        await env.sleep(60)
        await handle.signal(SubscriptionWorkflow.cancel)
        await handle.result()
        assert timedelta(days=28) <= await env.get_current_time() - begun <= timedelta(days=32)
    assert shop.charged == [500]


async def test_who_gets_a_new_card_within_two_weeks_keeps_it(env: WorkflowEnvironment) -> None:
    shop = Shop()
    async with env.worker(workflows=[SubscriptionWorkflow], activities=shop.mocks()):
        shop.declines = True
        handle = await env.client.start_workflow(SubscriptionWorkflow.run, new(), id="s-1")
        await env.sleep(timedelta(days=13))
        shop.declines = False
        await handle.signal(SubscriptionWorkflow.card_changed)
        await env.sleep(60)
        assert (await handle.query(SubscriptionWorkflow.subscription)).periods == 1
        shop.declines = True
        assert (await handle.result()).periods == 1
    assert shop.done == ["reminded", "reminded", Ending.UNPAID]


async def test_a_plan_that_costs_nothing_is_refused(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[SubscriptionWorkflow], activities=Shop().mocks()):
        handle = await env.client.start_workflow(SubscriptionWorkflow.run, new(), id="s-1")
        with pytest.raises(WorkflowUpdateFailedError, match="costs something"):
            await handle.execute_update(SubscriptionWorkflow.change_plan, Plan("free", 0))


@pytest.mark.parametrize(("day", "after"), [("2027-01-31", "2027-02-28"), ("2027-12-15", "2028-01-15")])
def test_a_month_is_as_long_as_it_is(day: str, after: str) -> None:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    assert a_month_after(at).date().isoformat() == after
