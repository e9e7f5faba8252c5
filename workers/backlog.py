"""Tasks that were delivered and wait to begin: the most urgent first, and of those of one level the one that
came first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain

from dalsegno.priority import LEVELS, ORDINARY
from dalsegno.workers.acknowledgements import Acknowledgements
from dalsegno.workers.suspects import Waiting


class Backlog:
    def __init__(self) -> None:
        self._levels: dict[int, deque[Waiting]] = {level: deque() for level in LEVELS}

    def __bool__(self) -> bool:
        return any(self._levels.values())

    def __iter__(self) -> Iterator[Waiting]:
        return chain.from_iterable(self._levels.values())

    @property
    def since(self) -> float | None:
        """When the one came that has waited longest; None when none waits."""
        return min((level[0].since for level in self._levels.values() if level), default=None)

    @property
    def level(self) -> int:
        """Of the first. Raises StopIteration when none waits."""
        return next(number for number, level in self._levels.items() if level)

    def add(self, waiting: Waiting) -> None:
        self._levels[waiting.task.priority or ORDINARY].append(waiting)

    def next(self) -> Waiting:
        """Take out the first. Raises StopIteration when none waits."""
        return next(level for level in self._levels.values() if level).popleft()

    def forget(self, acknowledgements: Acknowledgements | None = None) -> None:
        """Those of one channel, or all."""
        for number, level in self._levels.items():
            kept = (waiting for waiting in level if waiting.receipt.acknowledgements is not acknowledgements)
            self._levels[number] = deque(() if acknowledgements is None else kept)
