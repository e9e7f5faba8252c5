"""What travels between client, workflow and activities: plain dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True)
class Line:
    sku: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True)
class Order:
    """`approval_deadline`: how long each approver has before the next is asked, or the order rejected.
    `ship_within`: what customers are promised, from when nobody needs to approve the order any more."""

    order_id: str
    customer: str
    card: str
    address: str
    lines: list[Line] = field(default_factory=list)
    approval_deadline: timedelta = timedelta(hours=24)
    ship_within: timedelta = timedelta(hours=24)

    @property
    def total(self) -> Decimal:
        return sum((line.quantity * line.unit_price for line in self.lines), Decimal(0))


@dataclass(frozen=True)
class Approval:
    approved: bool
    by: str
    note: str = ""


class OrderStatus(StrEnum):
    """Where an order stands, as its status query tells."""

    VALIDATING = "validating"
    AWAITING_APPROVAL = "awaiting approval"
    ESCALATED = "approval escalated"
    CHARGING = "charging"
    RESERVING = "reserving"
    SHIPPING = "shipping"
    CONFIRMING = "confirming"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True)
class OrderResult:
    """How it ended: `compensated` names what was undone, in that order."""

    status: OrderStatus
    reason: str = ""
    payment: str | None = None
    tracking: str | None = None
    compensated: list[str] = field(default_factory=list)
