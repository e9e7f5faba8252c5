"""Orders for the order example, and what its services' ledger shows of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from examples.orders.models import Line, Order

PAID_BY_CARD = "4000-0000"
WEEK = timedelta(days=7)


def order(order_id: str, **changes: object) -> Order:
    """A small order that nothing is wrong with, but for `changes`."""
    good = Order(order_id, "ann", PAID_BY_CARD, "1 High Street", [Line("A-7", 2, Decimal("9.50"))], WEEK)
    return replace(good, **changes)  # type: ignore[arg-type]  # whatever an order has


def large(order_id: str, **changes: object) -> Order:
    """One that needs an approval."""
    return order(order_id, lines=[Line("A-7", 2, Decimal(600))], **changes)


def plain_order(order_id: str, *, price: str = "9.50", **fields: Any) -> dict[str, Any]:
    """An order as strangers write it, in JSON. Beyond a price of 500 it needs an approval."""
    return {
        "order_id": order_id,
        "customer": "ann",
        "card": PAID_BY_CARD,
        "address": "1 High Street",
        "lines": [{"sku": "A-7", "quantity": 2, "unit_price": price}],
        **fields,
    }


@dataclass(frozen=True)
class Booking:
    key: str
    kind: str
    order_id: str


def bookings(ledger: Path) -> list[Booking]:
    """All of them, oldest first."""
    if not ledger.exists():
        return []
    with closing(sqlite3.connect(ledger, timeout=30)) as connection:
        rows = connection.execute("select key, what from bookings order by rowid").fetchall()
    return [Booking(key, what.split()[0], what.split()[1]) for key, what in rows]


def booked(ledger: Path, order_id: str) -> list[str]:
    """The kinds of one order's bookings, oldest first. Twice the same would be a step done twice."""
    return [booking.kind for booking in bookings(ledger) if booking.order_id == order_id]
