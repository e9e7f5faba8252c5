"""Things handed from one thread to the loop of another: that is woken once for all that wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """`wake` has the other thread call what it is given, soon; `handle` is called there, in order."""

    def __init__(self, wake: Callable[[Callable[[], None]], object], handle: Callable[[T], object]) -> None:
        self._wake = wake
        self._handle = handle
        self._items: deque[T] = deque()
        self._woken = False

    def put(self, item: T) -> None:
        self._items.append(item)
        if not self._woken:
            self._woken = True
            self._wake(self._take)

    def _take(self) -> None:
        self._woken = False  # first: what is put from now on may be overlooked below
        items = self._items
        while items:
            self._handle(items.popleft())
