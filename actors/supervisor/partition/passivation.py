"""Passivation: idle instances leave memory. It has no effect on them; memory grows with active work only.

It looks at the front of orders, never at all that are hot: at each actor once for each time that it is used,
and at those that could not leave then from time to time, a few of them at once.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from dalsegno.actors.supervisor.round.open_rounds import OpenRounds
from dalsegno.actors.supervisor.upcalls import Upcalls
from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.partition_id import PartitionID

LOOKS_LIMIT = 200
"""Actors looked at in one turn of the loop."""

DEPARTURES_LIMIT = 10
"""Actors put away in one turn of the loop: then others have it."""

LOOKS_AGAIN_LIMIT = 50
"""Of those that could not leave before."""

LOOK_AGAIN_SECONDS = 1.0

SOON = 1_000_000
"""Microseconds: who is to be woken this soon stays."""


class Home(Protocol):
    """Whose an actor is."""

    partition: PartitionID

    def retire(self, actor: WorkflowActor) -> None:
        """Put it away."""


class Passivation:
    """Of all actors of an engine. `idle_seconds` after its last use one may leave; of those that are more than
    `hot_limit` the longest unused leave at once, if nobody works for them: one whose activity is under way is
    about to be used again."""

    def __init__(
        self, world: World, upcalls: Upcalls, rounds: OpenRounds, *, idle_seconds: float, hot_limit: int
    ) -> None:
        self._world = world
        self._upcalls = upcalls
        self._rounds = rounds
        self._idle_seconds = idle_seconds
        self._hot_limit = hot_limit
        self._recent: OrderedDict[WorkflowActor, Home] = OrderedDict()
        """In the order of their last use, as `_served`."""
        self._served: OrderedDict[WorkflowActor, Home] = OrderedDict()
        """Somebody works for them: they stay until they are idle, or used."""
        self._kept: OrderedDict[WorkflowActor, tuple[Home, float]] = OrderedDict()
        """They could not leave, and are looked at again at that time: in its order."""
        self._departures = 0
        """In this turn."""
        self._goes_on = False

    @property
    def is_due(self) -> bool:
        """There are more than there should be."""
        return self._surplus > 0

    @property
    def _surplus(self) -> int:
        return len(self._recent) + len(self._served) + len(self._kept) - self._hot_limit

    def used(self, actor: WorkflowActor, home: Home) -> None:
        """Just now."""
        actor.last_used = self._world.monotonic()
        self._served.pop(actor, None)
        self._kept.pop(actor, None)
        self._recent[actor] = home
        self._recent.move_to_end(actor)

    def gone(self, actor: WorkflowActor) -> None:
        """It is not in memory any more."""
        self._recent.pop(actor, None)
        self._served.pop(actor, None)
        self._kept.pop(actor, None)

    def sweep(self) -> None:
        """Put away those that may leave, turn by turn."""
        if not self._goes_on:
            self._take_turn()

    def _take_turn(self) -> None:
        now = self._world.monotonic()
        self._departures = 0
        self._look_at_recent(now)
        self._look_at_served(now)
        self._look_again(now)
        self._goes_on = self._departures >= DEPARTURES_LIMIT
        if self._goes_on:
            self._world.call_soon(self._take_turn)

    def _look_at_recent(self, now: float) -> None:
        for _ in range(LOOKS_LIMIT):
            actor, home = next(iter(self._recent.items()), (None, None))
            if actor is None or home is None or self._departures >= DEPARTURES_LIMIT:
                return
            is_idle = self._is_idle(actor, now)
            if not is_idle and self._surplus <= 0:
                return
            del self._recent[actor]
            if not is_idle and _is_served(actor):
                self._served[actor] = home
            else:
                self._put_away(actor, home, now)

    def _look_at_served(self, now: float) -> None:
        for _ in range(LOOKS_LIMIT):
            actor, home = next(iter(self._served.items()), (None, None))
            if actor is None or home is None or self._departures >= DEPARTURES_LIMIT:
                return
            if not self._is_idle(actor, now):
                return
            del self._served[actor]
            self._put_away(actor, home, now)

    def _look_again(self, now: float) -> None:
        for _ in range(LOOKS_AGAIN_LIMIT):
            actor, (home, at) = next(iter(self._kept.items()), (None, (None, 0.0)))
            if actor is None or home is None or at > now or self._departures >= DEPARTURES_LIMIT:
                return
            is_surplus = self._surplus > 0 and not _is_served(actor)
            del self._kept[actor]
            if is_surplus or self._is_idle(actor, now):
                self._put_away(actor, home, now)
            else:
                self._kept[actor] = home, now + LOOK_AGAIN_SECONDS

    def _is_idle(self, actor: WorkflowActor, now: float) -> bool:
        return now - actor.last_used >= self._idle_seconds

    def _put_away(self, actor: WorkflowActor, home: Home, now: float) -> None:
        """Unless something keeps it here."""
        if self.may_leave(actor, home.partition):
            self._departures += 1
            home.retire(actor)
        else:
            self._kept[actor] = home, now + LOOK_AGAIN_SECONDS

    def may_leave(self, actor: WorkflowActor, partition: PartitionID) -> bool:
        """It has nothing to do, and nothing that is not stored."""
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
        if wake_at is not None and wake_at <= self._world.now() + SOON:
            return False
        if wake_at != actor.stored_wake_at:
            # The row says "too early", because heartbeats have moved the deadline in memory: write it first.
            self._rounds.current.entry(actor, partition).move_wake_up = True
            self._upcalls.request_work()
            return False
        return True


def _is_served(actor: WorkflowActor) -> bool:
    return actor.is_loaded and actor.instance.state is not None and bool(actor.instance.state.activities)
