"""Timers as people see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import nsmallest
from typing import Any

SHOWN_MAX = 20
"""A description has to fit into a message."""


def waited_for(timers: Iterable[int]) -> Iterator[str]:
    """By their numbers, where the program is not in memory."""
    return (f"timer {number}" for number in timers)


def described(timers: Mapping[int, int]) -> tuple[dict[str, Any], ...]:
    """The first few that fire."""
    first = nsmallest(SHOWN_MAX, timers.items(), key=lambda timer: (timer[1], timer[0]))
    return tuple({"number": number, "fire_at": fire_at} for number, fire_at in first)
