"""Passivation: idle instances leave memory. It has no effect on them; memory grows with active work only."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Protocol

from dalsegno.actors.supervisor.round.round import RoundBuilder
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.actor import WorkflowActor

SWEEP_LIMIT = 2000
"""Actors looked at in one sweep of a partition."""

SOON = 1_000_000
"""Microseconds: who is to be woken this soon stays."""


class Engine(Protocol):
    """What is used of the engine here."""

    settings: HostSettings

    @property
    def round(self) -> RoundBuilder: ...

    def now(self) -> int: ...

    def monotonic(self) -> float: ...

    def request_work(self) -> None: ...

    def is_writing(self, workflow_id: str) -> bool: ...


def idle(
    engine: Engine, actors: Iterable[WorkflowActor], *, surplus: int, partition: int
) -> list[WorkflowActor]:
    """Those that may be put away now, of `actors` in the order of their last use. `surplus` go whatever the
    idle time, if nobody works for them: one whose activity is under way is about to be used again."""
    now, limit = engine.monotonic(), engine.settings.idle_seconds
    found: list[WorkflowActor] = []
    for actor in islice(actors, SWEEP_LIMIT):
        is_idle = now - actor.last_used >= limit
        if not is_idle and len(found) >= surplus:
            break
        if (is_idle or not _is_served(actor)) and _may_leave(engine, actor, partition):
            found.append(actor)
    return found


def _is_served(actor: WorkflowActor) -> bool:
    return actor.is_loaded and actor.instance.state is not None and bool(actor.instance.state.activities)


def _may_leave(engine: Engine, actor: WorkflowActor, partition: int) -> bool:
    if not actor.is_loaded or actor.is_busy or actor.actor_inbox:
        return False
    if engine.is_writing(actor.workflow_id):
        return False
    instance = actor.instance
    if instance.state is None:
        return True
    if instance.is_pinned or instance.has_unkept_heartbeats:
        return False
    wake_at = instance.wake_at
    if wake_at is not None and wake_at <= engine.now() + SOON:
        return False
    if wake_at != actor.stored_wake_at:
        # The row says "too early", because heartbeats have moved the deadline in memory: write it first.
        engine.round.entry(actor, partition).move_wake_up = True
        engine.request_work()
        return False
    return True
