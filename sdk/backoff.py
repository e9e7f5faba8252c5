"""Waits that double: whoever could not is to try again soon at first, and less and less often."""

from __future__ import annotations

import random
from typing import TypeVar

N = TypeVar("N", int, float)


def doubled(first: N, longest: N, times: int) -> N:
    """`first`, doubled so many times, but never more than `longest`."""
    return min(first * (1 << min(times, 64)), longest)


class Backoff:
    """Successive waits: `first` seconds, twice that, and so on up to `longest`. With jitter, each is between
    half and the whole of that, so that a fleet that lost its broker does not come back in one instant."""

    __slots__ = ("_first", "_jitter", "_longest", "_times")

    def __init__(self, first: float, longest: float, *, jitter: bool = True) -> None:
        self._first = first
        self._longest = longest
        self._jitter = jitter
        self._times = 0

    def next_seconds(self) -> float:
        seconds = doubled(self._first, self._longest, self._times)
        self._times += 1
        return seconds * random.uniform(0.5, 1.0) if self._jitter else seconds

    def reset(self) -> None:
        """It worked: the next wait is a first one again."""
        self._times = 0
