"""An agent that answers customers: it asks a model, uses tools, and does nothing to the world before somebody
has approved just that.

models        what is said, asked for, and decided
model         a model that needs no network; put your own in its place
activities    the model and the tools, one call each
workflow      the agent
"""

from examples.agent.activities import ask_model, look_up, refund
from examples.agent.workflow import Agent

__all__ = ["Agent", "ask_model", "look_up", "refund"]
