"""A subscription that runs for years.

models        what is known of it: all that goes over a sign
activities    one call to a service each
workflow      the process
"""

from examples.subscription.activities import charge, end_access, remind
from examples.subscription.workflow import SubscriptionWorkflow

__all__ = ["SubscriptionWorkflow", "charge", "end_access", "remind"]
