"""Messages that this host cannot read for a defect of its own. They are put back at the end of their queue,
after a while and again and again, until a host can read them: nothing is lost, and all else goes on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from dalsegno.actors.supervisor.deliveries.intake import Forward
from dalsegno.actors.workflow_actor.interface.cause import Cause, Origin
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.broker import topology

PUT_BACK_SECONDS = 10.0


class Engine(Protocol):
    """What is used of the engine here."""

    generation: int

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None: ...

    def forward(self, forward: Forward, cause: Cause) -> None: ...


def put_back_later(engine: Engine, partition: int, origin: Origin) -> None:
    """It stays unacknowledged until the copy is confirmed."""
    cause = Cause(WakeUp(), name="unread", origin=origin)
    engine.call_later(PUT_BACK_SECONDS, partial(_put_back, engine, partition, cause))


def _put_back(engine: Engine, partition: int, cause: Cause) -> None:
    if not cause.is_void:  # else it comes again by itself
        engine.forward(Forward("", topology.partition_queue(engine.generation, partition)), cause)
        cause.done()
