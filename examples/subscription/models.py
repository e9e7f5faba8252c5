"""What is known of a subscription: all that goes over a sign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True)
class Plan:
    name: str
    cents: int


class Ending(StrEnum):
    CANCELLED = "cancelled"
    UNPAID = "unpaid"


@dataclass
class Subscription:
    customer: str
    plan: Plan
    periods: int = 0
    """How many were paid."""
    paid_cents: int = 0
    next_charge: datetime | None = None
    is_cancelled: bool = False
    """It ends with the period that is paid."""
