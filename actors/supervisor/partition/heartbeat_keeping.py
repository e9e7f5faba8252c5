"""When the details of heartbeats are written: some time after the first that is not, and with a hand-over.

A heartbeat must not cost a row each; what the next attempt is given may be so much older than the newest.
"""

from __future__ import annotations

from collections.abc import Iterable

from dalsegno.actors.supervisor.upcalls import Upcalls
from dalsegno.actors.supervisor.world import Clock
from dalsegno.actors.workflow_actor.activities.commands import KeepHeartbeats
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import Cause

KEPT_WITHIN_SECONDS = 20.0
"""One row per workflow in this time, whatever the number of its activities."""


class HeartbeatKeeping:
    """The workflow actors of one partition that have heard details which are not written."""

    def __init__(self, clock: Clock, upcalls: Upcalls) -> None:
        self._clock = clock
        self._upcalls = upcalls
        self._unkept: dict[str, tuple[WorkflowActor, float]] = {}
        """Oldest first, with the time of the first of them."""
        self._asked: list[WorkflowActor] = []

    def heard(self, actor: WorkflowActor) -> None:
        """A heartbeat has come to it."""
        known = self._unkept.get(actor.workflow_id)
        if (known is None or known[0] is not actor) and actor.instance.has_unkept_heartbeats:
            self._unkept.pop(actor.workflow_id, None)
            self._unkept[actor.workflow_id] = (actor, self._clock.monotonic())

    def kept_some(self, actor: WorkflowActor) -> None:
        """As many as one row holds: the next one takes the rest."""
        if actor.instance.has_unkept_heartbeats:
            actor.post(Cause(KeepHeartbeats(), name="heartbeats"))
            self._upcalls.request_work()

    def sweep(self) -> None:
        """Have written what is due."""
        limit = self._clock.monotonic() - KEPT_WITHIN_SECONDS
        due = []
        for actor, since in self._unkept.values():
            if since > limit:
                break
            due.append(actor)
        self._ask(due)

    def keep_all(self) -> None:
        """The partition is handed over."""
        self._asked = [actor for actor, _ in self._unkept.values()]
        self._ask(self._asked)

    @property
    def is_done(self) -> bool:
        """What `keep_all` asked for is part of a round, or lost with its actor."""
        return all(actor.is_stopped or not actor.actor_inbox for actor in self._asked)

    def _ask(self, actors: Iterable[WorkflowActor]) -> None:
        for actor in actors:
            del self._unkept[actor.workflow_id]
            if not actor.is_stopped:
                actor.post(Cause(KeepHeartbeats(), name="heartbeats"))
                self._upcalls.request_work()
