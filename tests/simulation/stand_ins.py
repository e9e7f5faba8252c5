"""What stands in for small parts of a host process that have threads, clocks or true randomness."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from math import ceil
from typing import Any

from tests.simulation.scheduler import SECOND, Beside, Process


class SeededEntropy:
    """As actors.entropy, from a seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._counter = 0

    def draw(self) -> bytes:
        self._counter += 1
        return blake2b(self._counter.to_bytes(8), key=self._seed, digest_size=32).digest()


class NobodyWatches:
    def enter(self, run_id: str, cause: str, code: str) -> None:
        """There is no watchdog here."""

    def leave(self) -> None:
        """See `enter`."""


class Ticker:
    """actors.supervisor.ticker, on virtual time."""

    def __init__(self, process: Process, tick: Callable[[], None]) -> None:
        self._process = process
        self._ticks = tick
        self._stopped = False

    def start(self) -> None:
        """Nothing to do."""

    def after(self, seconds: float) -> None:
        if not self._stopped:
            self._process.after(ceil(seconds * SECOND), Beside(self._tick))

    def _tick(self) -> None:
        if not self._stopped:
            self._ticks()

    def stop(self) -> None:
        self._stopped = True


class StrainedWorld:
    """The host as the engine's world, any call of which may raise MemoryError."""

    def __init__(self, world: object, strain: Callable[[str], None]) -> None:
        self._world = world
        self._strain = strain

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._world, name)

        def call(*args: Any, **named: Any) -> Any:
            self._strain(name)
            return method(*args, **named)

        setattr(self, name, call)
        return call


class PlantedDefectError(Exception):
    """A defect of the engine, for a time and for one instance: it is contained, and no finding."""
