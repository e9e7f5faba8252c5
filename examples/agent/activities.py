"""The model, and the tools. Each is one call that may be made again: a model is asked anew, and who moves money
is told by the idempotency key that it is the same request."""

from __future__ import annotations

from dalsegno import Log, activity
from examples.agent.model import answer
from examples.agent.models import Message, Reply, ToolCall


@activity.defn
async def ask_model(talk: Log[Message]) -> Reply:
    return answer(talk)


@activity.defn
async def look_up(call: ToolCall) -> str:
    """Reads, and so needs nobody's leave."""
    return f"order {call.order} cost {1999} cents"


@activity.defn
async def refund(call: ToolCall) -> str:
    """An effect."""
    key = activity.info().idempotency_key
    activity.logger.info("refunding", order=call.order, cents=call.cents, idempotency_key=key)
    return f"{call.cents} cents were refunded"
