"""Waits that double, with jitter, so that a fleet that lost its broker does not come back in one instant."""

from __future__ import annotations

import random


class Backoff:
    """Successive waits between half and the whole of `first`, twice that, and so on up to `maximum` seconds."""

    def __init__(self, first: float, maximum: float) -> None:
        self._first = first
        self._maximum = maximum
        self._next = first

    def next_seconds(self) -> float:
        seconds = self._next
        self._next = min(seconds * 2, self._maximum)
        return seconds * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: the next wait is a first one again."""
        self._next = self._first
