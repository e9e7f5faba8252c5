"""Timers as people see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

SHOWN_MAX = 20
"""A description has to fit into a message."""


def waited_for(timers: Iterable[int]) -> Iterator[str]:
    """By their numbers, where the program is not in memory."""
    return (f"timer {number}" for number in timers)


def described(timers: Mapping[int, int]) -> tuple[dict[str, Any], ...]:
    """The first few, by number: of ten thousand nobody looks for those that fire first."""
    return tuple({"number": number, "fire_at": at} for number, at in islice(timers.items(), SHOWN_MAX))
