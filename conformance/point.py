"""One thing that the contract asks of a worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dalsegno.conformance.trial import Trial


class Level(Enum):
    """How much the protocol wants it. A worker that does not what it should works, but less well."""

    MUST = "must"
    SHOULD = "should"


class NotMetError(Exception):
    """A point is not met: one sentence that says what came instead of what was to come."""


@dataclass(frozen=True, slots=True)
class ContractPoint:
    """`claim` says what the worker does; `section` is where the contract asks it. What is `alone`
    is asked when nothing else is under way."""

    name: str
    level: Level
    claim: str
    section: str
    ask: Callable[[Trial], Awaitable[None]]
    alone: bool = False
