"""One call to a service each. They are plain functions, so the worker runs them in threads."""

from __future__ import annotations

from dalsegno import ApplicationError, activity
from examples.orders.models import Order
from examples.orders.services import (
    AccountClosed,
    OutOfStock,
    PaymentDeclined,
    ProviderDown,
    Undeliverable,
    book,
    booked,
    calls,
)


def _key() -> str:
    """The same for all attempts of one activity."""
    return activity.info().idempotency_key


@activity.defn
def validate(order: Order) -> None:
    if not order.lines:
        raise ApplicationError("the order has no lines", type="InvalidOrder", non_retryable=True)
    if any(line.quantity < 1 or line.unit_price < 0 for line in order.lines):
        raise ApplicationError("a line's quantity or price is wrong", type="InvalidOrder", non_retryable=True)


@activity.defn
def charge(order: Order) -> str:
    if order.card.endswith("0002"):
        raise PaymentDeclined(f"the card of {order.customer} was declined")
    if order.card.endswith("flaky") and calls(_key()) <= 2:
        raise ProviderDown("the payment provider does not answer")
    return book(_key(), f"payment {order.order_id} {order.total}")


@activity.defn
def refund(order: Order, payment: str | None) -> str | None:
    """Nothing comes of it where nothing was paid."""
    paid = payment or booked(f"payment {order.order_id} ")
    if paid and order.card.endswith("closed"):
        raise AccountClosed(f"the account of {order.customer} is closed")
    return book(_key(), f"refund {order.order_id} {paid}") if paid else None


@activity.defn
def reserve(order: Order) -> str:
    if any(line.sku == "sold-out" for line in order.lines):
        raise OutOfStock("an item is sold out")
    return book(_key(), f"reservation {order.order_id}")


@activity.defn
def release(order: Order, reservation: str | None) -> str | None:
    """As refund."""
    reserved = reservation or booked(f"reservation {order.order_id}")
    return book(_key(), f"release {order.order_id} {reserved}") if reserved else None


@activity.defn
def ship(order: Order) -> str:
    if order.address == "nowhere":
        raise Undeliverable("no carrier delivers to that address")
    return book(_key(), f"shipment {order.order_id}")


@activity.defn
def confirm(order: Order, tracking: str) -> None:
    book(_key(), f"mail {order.order_id} {tracking}")


@activity.defn
def apologise(order: Order) -> None:
    book(_key(), f"apology {order.order_id}")


@activity.defn
def escalate(order: Order) -> None:
    book(_key(), f"escalation {order.order_id} {order.total}")
