"""What is done a step at a time, so that others can do something in between, and comes to a value."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]

PORTION = 500
"""Of many small things, so many are done in one step: some milliseconds."""


def at_once(steps: Steps[T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
