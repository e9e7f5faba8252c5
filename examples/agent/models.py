"""What is said, asked for, and decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dalsegno import Log


@dataclass(frozen=True)
class Message:
    role: Literal["customer", "model", "tool"]
    text: str


@dataclass(frozen=True)
class ToolCall:
    """What the model wants done. `cents` only for what moves money."""

    tool: Literal["look_up", "refund"]
    order: str
    cents: int = 0


@dataclass(frozen=True)
class Reply:
    """Of the model: a text, which ends the talk, or a tool to be called. `tokens` is what it took."""

    tokens: int
    text: str = ""
    call: ToolCall | None = None


@dataclass(frozen=True)
class Decision:
    """Of a person, on one effect."""

    approved: bool
    by: str


@dataclass
class Talk:
    """All that the agent knows: it goes over its signs. `budget` are the tokens that it may use."""

    messages: Log[Message]
    budget: int
    spent: int = 0
    turns: int = 0
    approved_by: list[str] = field(default_factory=list)
