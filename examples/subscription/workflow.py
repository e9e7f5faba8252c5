"""A subscription: charged each month, until it is cancelled or nobody pays.

It sets a sign each month, in which all stands that is needed: what was before is needed no more, so that one of
ten years is loaded as fast as one of today, and its code may be changed without minding what it did in spring.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from dalsegno import ActivityError, ApplicationError, RetryPolicy, workflow
from examples.subscription.activities import charge, end_access, remind
from examples.subscription.models import Ending, Plan, Subscription

GRACE = timedelta(days=14)
"""For a new card, after one was declined."""


@workflow.defn
class SubscriptionWorkflow:
    @workflow.init
    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._has_new_card = False

    @workflow.run
    async def run(self, subscription: Subscription) -> Subscription:
        due = subscription.next_charge or workflow.now()
        if await self._is_cancelled_before(due):
            return await self._end(Ending.CANCELLED)
        if await self._paid():
            subscription.periods += 1
            subscription.paid_cents += subscription.plan.cents
            subscription.next_charge = a_month_after(due)
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.checkpoint(subscription)
        return await self._end(Ending.UNPAID)

    async def _is_cancelled_before(self, due: datetime) -> bool:
        """A period that is paid is had to its end."""
        left = due - workflow.now()
        if left > timedelta():
            await workflow.sleep(left)
        return self._subscription.is_cancelled

    async def _paid(self) -> bool:
        for is_last in (False, True):
            try:
                await workflow.execute_activity(
                    charge,
                    self._subscription,
                    start_to_close_timeout=30,
                    retry_policy=RetryPolicy(non_retryable_error_types=["CardDeclined"]),
                )
            except ActivityError:
                if is_last or not await self._new_card():
                    return False
            else:
                return True
        return False

    async def _new_card(self) -> bool:
        """Whether there is another within the time of grace."""
        self._has_new_card = False
        await workflow.execute_activity(remind, self._subscription, start_to_close_timeout=30)
        try:
            await workflow.wait_condition(lambda: self._has_new_card, timeout=GRACE)
        except TimeoutError:
            return False
        return True

    async def _end(self, ending: Ending) -> Subscription:
        await workflow.execute_activity(
            end_access, args=[self._subscription, ending], start_to_close_timeout=30
        )
        return self._subscription

    @workflow.signal
    def cancel(self) -> None:
        self._subscription.is_cancelled = True

    @workflow.signal
    def card_changed(self) -> None:
        self._has_new_card = True

    @workflow.update
    def change_plan(self, plan: Plan) -> Plan:
        """From the next period on. Returns the one before."""
        before, self._subscription.plan = self._subscription.plan, plan
        return before

    @change_plan.validator
    def only_what_costs(self, plan: Plan) -> None:
        if plan.cents <= 0:
            raise ApplicationError("A plan costs something.", type="NoPlan")

    @workflow.query
    def subscription(self) -> Subscription:
        return self._subscription

    @workflow.query
    def events_since_sign(self) -> int:
        """What its code would be given again if it had to be brought back."""
        return workflow.info().get_current_history_length()


def a_month_after(day: datetime) -> datetime:
    """The same day of the next month, or its last one."""
    first = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))
