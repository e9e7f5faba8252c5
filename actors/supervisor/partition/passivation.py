"""Passivation: idle instances leave memory. It has no effect on them; memory grows with active work only."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from dalsegno.actors.supervisor.round.open_rounds import OpenRounds
from dalsegno.actors.supervisor.upcalls import Upcalls
from dalsegno.actors.supervisor.world import Clock
from dalsegno.actors.workflow_actor.actor import WorkflowActor

SWEEP_LIMIT = 2000
"""Actors looked at in one sweep of a partition."""

SOON = 1_000_000
"""Microseconds: who is to be woken this soon stays."""


class Passivation:
    """That of one partition."""

    def __init__(
        self, clock: Clock, upcalls: Upcalls, rounds: OpenRounds, partition: int, idle_seconds: float
    ) -> None:
        self._clock = clock
        self._upcalls = upcalls
        self._rounds = rounds
        self._partition = partition
        self._idle_seconds = idle_seconds

    def idle(self, actors: Iterable[WorkflowActor], *, surplus: int) -> list[WorkflowActor]:
        """Those that may be put away now, of `actors` in the order of their last use. `surplus` go whatever the
        idle time, if nobody works for them: one whose activity is under way is about to be used again."""
        now = self._clock.monotonic()
        found: list[WorkflowActor] = []
        for actor in islice(actors, SWEEP_LIMIT):
            is_idle = now - actor.last_used >= self._idle_seconds
            if not is_idle and len(found) >= surplus:
                break
            if (is_idle or not _is_served(actor)) and self._may_leave(actor):
                found.append(actor)
        return found

    def _may_leave(self, actor: WorkflowActor) -> bool:
        if not actor.is_loaded or actor.is_busy or actor.actor_inbox:
            return False
        if actor.workflow_id in self._rounds:
            return False
        instance = actor.instance
        if instance.state is None:
            return True
        if instance.is_pinned or instance.has_unkept_heartbeats:
            return False
        wake_at = instance.wake_at
        if wake_at is not None and wake_at <= self._clock.now() + SOON:
            return False
        if wake_at != actor.stored_wake_at:
            # The row says "too early", because heartbeats have moved the deadline in memory: write it first.
            self._rounds.current.entry(actor, self._partition).move_wake_up = True
            self._upcalls.request_work()
            return False
        return True


def _is_served(actor: WorkflowActor) -> bool:
    return actor.is_loaded and actor.instance.state is not None and bool(actor.instance.state.activities)
