"""Things handed from the loop of one thread to that of another, which is woken once for all of a turn: the two
share one interpreter, and whoever is woken holds up the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """`later` has this loop call what it is given, soon, and `wake` the other one. `handle` is called there, in
    order."""

    def __init__(
        self,
        later: Callable[[Callable[[], None]], object],
        wake: Callable[[Callable[[], None]], object],
        handle: Callable[[T], object],
    ) -> None:
        self._later = later
        self._wake = wake
        self._handle = handle
        self._items: deque[T] = deque()
        self._woken = False

    def put(self, item: T) -> None:
        self._items.append(item)
        if not self._woken:
            self._woken = True
            self._later(self._hand_over)

    def put_at_once(self, item: T) -> None:
        """Behind those that wait; this loop may not turn again."""
        self._items.append(item)
        self._hand_over()

    def _hand_over(self) -> None:
        if self._items:
            self._wake(self._take)
        else:  # taken already, with those before: the next one is to be handed over again
            self._woken = False

    def _take(self) -> None:
        self._woken = False  # first: what is put from now on may be overlooked below
        items = self._items
        while items:
            self._handle(items.popleft())
