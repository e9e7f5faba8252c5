"""An order from validation to confirmation, with everything that can go wrong on the way.

models        what an order is
services      the shop's services: payments, stock, shipping, mail; here a small ledger in SQLite
activities    one call to a service each
workflow      the process
"""

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
from examples.orders.workflow import OrderWorkflow

__all__ = [
    "OrderWorkflow",
    "apologise",
    "charge",
    "confirm",
    "escalate",
    "refund",
    "release",
    "reserve",
    "ship",
    "validate",
]
