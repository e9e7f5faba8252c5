"""Activities whose code still runs although nobody waits for it any more."""

from __future__ import annotations

from typing import Protocol

from dalsegno.broker.protocol.messages import ActivityTask


class Running(Protocol):
    """A task of the loop, or what a thread works at."""

    def done(self) -> bool: ...


class Abandoned:
    """It also keeps their tasks: the loop itself holds tasks weakly only."""

    def __init__(self) -> None:
        self._all: list[tuple[Running, ActivityTask]] = []

    def add(self, running: Running, work: ActivityTask) -> None:
        self._all = [*self._running(), (running, work)]

    def still_running(self) -> list[ActivityTask]:
        return [work for _, work in self._running()]

    def _running(self) -> list[tuple[Running, ActivityTask]]:
        return [entry for entry in self._all if not entry[0].done()]
