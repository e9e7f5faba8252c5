"""In how many threads and processes code of activities may run. What would only wait for one does not begin:
early work asks for its grant as it begins, and its time runs from then on.

Async activities need none, and do not wait behind those that do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Literal

from dalsegno.activity_code.registry import Registry
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.priority import LEVELS
from dalsegno.workers.acknowledgements import Acknowledgements
from dalsegno.workers.attempt import Attempt
from dalsegno.workers.backlog import Backlog
from dalsegno.workers.suspects import Waiting

Kind = Literal["thread", "process"]


class CodePlaces:
    """Which of them are taken, by attempts that ask or run; and the tasks that wait for one."""

    def __init__(self, registry: Registry, *, threads: int, processes: int) -> None:
        self._registry = registry
        self._limits: dict[Kind, int] = {"thread": threads, "process": processes}
        self._taken: dict[Attempt, Kind] = {}
        self._counts: Counter[Kind] = Counter()
        self._waiting: dict[Kind, Backlog] = {"thread": Backlog(), "process": Backlog()}

    def has_for(self, task: ActivityTask) -> bool:
        kind = self._kind_of(task)
        return kind is None or self._counts[kind] < self._limits[kind]

    def take(self, attempt: Attempt) -> None:
        """It begins, whether there is a place for it or not. Taking it twice is taking it once."""
        kind = self._kind_of(attempt.task)
        if kind is not None and attempt not in self._taken:
            self._taken[attempt] = kind
            self._counts[kind] += 1

    def give_back(self, attempt: Attempt) -> None:
        kind = self._taken.pop(attempt, None)
        if kind is not None:
            self._counts[kind] -= 1

    def _kind_of(self, task: ActivityTask) -> Kind | None:
        definition = self._registry.find(task.activity_type)
        if definition is None:  # it fails as it begins
            return None
        if definition.is_in_process:
            return "process"
        return None if definition.is_async else "thread"

    # --- who waits for one -----------------------------------------------------------------------------------

    @property
    def waiting(self) -> Iterator[Waiting]:
        return chain.from_iterable(self._waiting.values())

    @property
    def waits_since(self) -> float | None:
        """Since when the first waits; None when none does."""
        times = (waiting.since for waiting in self._waiting.values())
        return min((since for since in times if since is not None), default=None)

    def wait(self, waiting: Waiting) -> None:
        """For what has no place; before it, those that came before."""
        kind = self._kind_of(waiting.task)
        assert kind is not None, "it needs none"
        self._waiting[kind].add(waiting)

    def next(self, level: int = LEVELS[-1]) -> Waiting | None:
        """Take the first for which there is a place by now, if it is as urgent as that."""
        for kind, waiting in self._waiting.items():
            if waiting and waiting.level <= level and self._counts[kind] < self._limits[kind]:
                return waiting.next()
        return None

    def forget_waiting(self, acknowledgements: Acknowledgements | None = None) -> None:
        """Those of one channel, or all, are given back."""
        for waiting in self._waiting.values():
            waiting.forget(acknowledgements)
