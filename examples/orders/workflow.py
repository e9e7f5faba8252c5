"""The order's process. What was done is undone in reverse order when a later step fails for good, or when the
customer cancels; orders above 1,000 wait for a person, and so does what cannot be undone. What is not shipped
in time is apologised for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

from dalsegno import ActivityError, ApplicationError, RetryPolicy, workflow
from examples.orders.activities import (
    apologise,
    charge,
    confirm,
    escalate,
    refund,
    release,
    reserve,
    ship,
    validate,
)
from examples.orders.models import Approval, Order, OrderResult, OrderStatus

APPROVAL_ABOVE = Decimal(1000)

PAYMENTS = RetryPolicy(initial_interval=0.5, maximum_attempts=8, non_retryable_error_types=("PaymentDeclined",))
STOCK = RetryPolicy(initial_interval=0.2, maximum_interval=10, non_retryable_error_types=("OutOfStock",))
CARRIERS = RetryPolicy(initial_interval=1, backoff_coefficient=3, non_retryable_error_types=("Undeliverable",))
UNDOING = RetryPolicy(
    initial_interval=0.5, maximum_interval=60, maximum_attempts=20, non_retryable_error_types=("AccountClosed",)
)
"""What must be undone is tried for a while; then a person sees to it."""
UNTIL_DONE = RetryPolicy(initial_interval=0.5, maximum_interval=60)


class Rejected(Exception):  # noqa: N818 - an outcome of this process, not an error of the program
    """Nobody approved it."""


@workflow.defn(name="Order")
class OrderWorkflow:
    def __init__(self) -> None:
        self.status = OrderStatus.VALIDATING
        self.approval: Approval | None = None
        self.cancel_reason: str | None = None
        self.steps: asyncio.Task[OrderResult] | None = None
        self.undone: list[str] = []

    @workflow.run
    async def run(self, order: Order) -> OrderResult:
        self.steps = asyncio.create_task(self.fulfil(order))
        if self.cancel_reason is not None:
            self.steps.cancel()
        try:
            result = await self.steps
        except asyncio.CancelledError:
            result = self.undone_order(OrderStatus.CANCELLED, self.cancel_reason or "cancelled")
            if self.cancel_reason is None:
                raise  # the workflow itself was asked to stop: it ends as cancelled, cleaned up
        except Rejected as rejected:
            result = self.undone_order(OrderStatus.REJECTED, str(rejected))
        except ActivityError as error:
            cause = error.__cause__ or error
            result = self.undone_order(OrderStatus.FAILED, str(cause))
            if isinstance(cause, ApplicationError) and cause.type == "InvalidOrder":
                raise
        self.status = result.status
        return result

    async def fulfil(self, order: Order) -> OrderResult:
        await workflow.execute_activity(validate, order, start_to_close_timeout=10)
        if order.total > APPROVAL_ABOVE:
            await self.approved(order)

        shipped = workflow.deadline(
            "shipped",
            order.ship_within,
            warn_before=order.ship_within / 6,
            on_overdue=lambda: self.apologise(order),
        )
        async with workflow.saga() as saga:
            self.status = OrderStatus.CHARGING
            payment = await saga.do(
                charge,
                order,
                undo=self.undoing(refund, order),
                start_to_close_timeout=30,
                retry_policy=PAYMENTS,
            )
            self.status = OrderStatus.RESERVING
            await saga.do(
                reserve,
                order,
                undo=self.undoing(release, order),
                start_to_close_timeout=30,
                retry_policy=STOCK,
            )
            self.status = OrderStatus.SHIPPING
            tracking = await workflow.execute_activity(
                ship, order, start_to_close_timeout=60, retry_policy=CARRIERS
            )

        shipped.met()
        # It is on its way: from here on there is nothing to undo.
        self.status = OrderStatus.CONFIRMING
        await workflow.execute_activity(
            confirm, args=[order, tracking], start_to_close_timeout=30, retry_policy=UNTIL_DONE
        )
        return OrderResult(OrderStatus.COMPLETED, payment=payment, tracking=tracking)

    async def approved(self, order: Order) -> None:
        """A person decides; after the deadline another is asked; after theirs the order is rejected."""
        deadline = order.approval_deadline.total_seconds()
        self.status = OrderStatus.AWAITING_APPROVAL
        try:
            await workflow.wait_condition(lambda: self.approval is not None, timeout=deadline)
        except TimeoutError:
            self.status = OrderStatus.ESCALATED
            await workflow.execute_activity(escalate, order, start_to_close_timeout=30, retry_policy=UNTIL_DONE)
            try:
                await workflow.wait_condition(lambda: self.approval is not None, timeout=deadline)
            except TimeoutError:
                raise Rejected("nobody decided in time") from None
        assert self.approval is not None
        if not self.approval.approved:
            raise Rejected(f"{self.approval.by} said no: {self.approval.note}")

    async def apologise(self, order: Order) -> None:
        """It is shipped all the same, as soon as may be."""
        await workflow.execute_activity(apologise, order, start_to_close_timeout=30, retry_policy=UNTIL_DONE)

    def undoing(self, step: Callable[..., object], order: Order) -> Callable[[str | None], Awaitable[None]]:
        """What undoes a booking, by its number; without one it finds out whether there is anything to undo."""

        async def undo(booked: str | None) -> None:
            self.status = OrderStatus.COMPENSATING
            undone = await workflow.execute_activity(
                step,
                args=[order, booked],
                start_to_close_timeout=60,
                retry_policy=UNDOING,
                on_exhausted="pause",
            )
            if undone is not None:
                self.undone.append(step.__name__)

        undo.__name__ = step.__name__  # as `describe` and the history show it
        return undo

    def undone_order(self, status: OrderStatus, reason: str) -> OrderResult:
        return OrderResult(status, reason=reason, compensated=self.undone)

    @workflow.signal
    def approve(self, approval: Approval) -> None:
        if self.approval is None:
            self.approval = approval

    @workflow.signal
    def cancel(self, reason: str) -> None:
        if self.cancel_reason is None and self.status not in (OrderStatus.CONFIRMING, OrderStatus.COMPENSATING):
            self.cancel_reason = reason
            if self.steps is not None:
                self.steps.cancel()

    @workflow.query
    def order_status(self) -> OrderStatus:
        return self.status
