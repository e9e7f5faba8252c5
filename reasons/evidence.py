"""What has to be known to say why a workflow does not move: of itself, of the broker, and of the hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from dalsegno.broker.protocol.messages import Description, PendingActivity
from dalsegno.priority import at_level

LOOKED_AT_MAX = 20
"""Task queues, and workers, of one run."""


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """`waiting`: messages that nobody has. One that is not there has neither those nor consumers."""

    exists: bool
    has_consumers: bool
    waiting: int


NO_QUEUE = QueueSeen(exists=False, has_consumers=False, waiting=0)


@dataclass(frozen=True, slots=True)
class HostsSeen:
    """As the database has it: whether any host lives, and who of them owns the partition."""

    any_live: bool
    partition: int | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class HandlersSeen:
    """The names of signals and updates that the code has handlers for; `takes_others`: also for all others."""

    signals: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    takes_others: bool = False

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.signals or self.updates or self.takes_others)


@dataclass(frozen=True, slots=True)
class Evidence:
    """`run` is described by its host, or as far as rows tell. What was not looked at is missing: task queues by
    name, whether workers are connected, hosts, what the code handles. `now` counts where the description does
    not say when it was made."""

    run: Description
    now: int
    queues: Mapping[str, QueueSeen] = field(default_factory=dict)
    workers: Mapping[str, bool] = field(default_factory=dict)
    hosts: HostsSeen | None = None
    handlers: HandlersSeen | None = None

    @property
    def asked_at(self) -> int:
        return self.run.described_at or self.now

    def seen_of(self, activity: PendingActivity) -> QueueSeen | None:
        """Its task queue, with what waits at the level of the activity; None if nobody has looked. Who consumes
        the queue consumes its levels."""
        seen, level = (self.queues.get(name) for name in _with_level(activity))
        if seen is None or level is None or activity.priority is None:
            return seen
        return replace(seen, waiting=seen.waiting + level.waiting)


def task_queues_of(run: Description) -> tuple[str, ...]:
    """Those to be looked at: where its tasks wait, at their levels, too, and its own, beside which another may
    be a mistake."""
    waiting = (_with_level(one) for one in run.pending_activities if may_wait(one))
    first = tuple(dict.fromkeys(chain.from_iterable(waiting)))[:LOOKED_AT_MAX]
    return tuple(dict.fromkeys((*first, run.task_queue))) if first else ()


def _with_level(activity: PendingActivity) -> tuple[str, ...]:
    return activity.task_queue, at_level(activity.task_queue, activity.priority)


def workers_of(run: Description) -> tuple[str, ...]:
    """The queues of those that work on its activities."""
    found = (one.worker for one in run.pending_activities if one.state == "started" and not one.outside)
    return tuple(dict.fromkeys(worker for worker in found if worker))[:LOOKED_AT_MAX]


def may_wait(activity: PendingActivity) -> bool:
    """For a worker, now or at its next attempt."""
    return not activity.is_local and activity.state in ("scheduled", "backing_off")
