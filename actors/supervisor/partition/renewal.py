"""What a change of this host's definitions means for the instances of one partition."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from dalsegno.actors.supervisor.halted.stand_in import StandIn
from dalsegno.actors.supervisor.partition.actor_directory import ActorDirectory
from dalsegno.actors.supervisor.partition.passivation import Home, Passivation
from dalsegno.actors.supervisor.wakeups.alarm_clock import AlarmClock
from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor.actor import WorkflowActor

LOOKS_LIMIT = 50
"""Actors looked at in one turn of the loop: then others have it."""


class OwnHome(Home, Protocol):
    is_stopped: bool


class Renewal:
    """Those in memory whose definition is another now, or is there, or is gone, are made anew of what is stored
    and has struck it; not all in one turn of the loop. Then suspended ones are looked for: it may be what they
    wait for."""

    def __init__(
        self,
        world: World,
        home: OwnHome,
        actors: ActorDirectory,
        passivation: Passivation,
        alarm_clock: AlarmClock,
    ) -> None:
        self._world = world
        self._home = home
        self._actors = actors
        self._passivation = passivation
        self._alarm_clock = alarm_clock
        self._left: deque[WorkflowActor] = deque()
        self._goes_on = False

    @property
    def is_over(self) -> bool:
        return not self._goes_on

    def begin(self) -> None:
        """The definitions have changed (again)."""
        self._left = deque(self._actors.in_memory.values())
        if not self._goes_on:
            self._take_turn()

    def _take_turn(self) -> None:
        for _ in range(min(LOOKS_LIMIT, len(self._left))):
            self._look_at(self._left.popleft())
        self._goes_on = bool(self._left) and not self._home.is_stopped
        if self._goes_on:
            self._world.call_soon(self._take_turn)
        elif self._alarm_clock.is_running:
            # Not before: one that is in memory as it was is not loaded.
            self._alarm_clock.look_for_suspended()

    def _look_at(self, actor: WorkflowActor) -> None:
        if actor.is_stopped or not actor.is_loaded or isinstance(actor, StandIn):
            return
        if not actor.instance.is_of_other_code and actor.turn is None:  # a start's has its code itself
            return
        if self._passivation.may_leave(actor, self._home.partition):
            self._home.retire(actor)
        else:
            self._actors.restart(actor, [])
