"""One call to a service each."""

from __future__ import annotations

from dalsegno import activity
from examples.subscription.models import Ending, Subscription


@activity.defn
async def charge(subscription: Subscription) -> None:
    """Raises an ApplicationError of the type "CardDeclined" where that is so."""
    activity.logger.info("charging", customer=subscription.customer, cents=subscription.plan.cents)


@activity.defn
async def remind(subscription: Subscription) -> None:
    activity.logger.info("reminding", customer=subscription.customer)


@activity.defn
async def end_access(subscription: Subscription, ending: Ending) -> None:
    activity.logger.info("ending", customer=subscription.customer, ending=ending)
