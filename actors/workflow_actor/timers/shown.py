"""Timers as people see them, where the program is not in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def waited_for(timers: Iterable[int]) -> Iterator[str]:
    """By their numbers."""
    return (f"timer {number}" for number in timers)
