"""The alarm clock of one partition: wakes instances when their `wake_at` has come.

What is due within the next 30 s is in memory: found in the database by a scan now and then, or set since by hot
instances. It runs only while the partition is live, that is, consuming, and with its marker back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from dalsegno.actors.supervisor.upcalls import Children, Upcalls
from dalsegno.actors.supervisor.wakeups.wake_timer import WakeTimer
from dalsegno.actors.supervisor.wakeups.wakeups import HORIZON, WakeUps
from dalsegno.actors.supervisor.world import Clock, Scans
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.persistence.port import Due

COLD_LOADS_LIMIT = 500
"""Cold instances that may be loading at one time because of wake-ups."""

SUSPENDED_PAGE = 200
"""How many suspended instances are asked for at one time. All are gone through when a partition goes live."""

SCAN_LIMIT = 2000

CONFIRM_PATIENCE = 1_000_000
"""Microseconds: an instance that is only due because effects on their way are unconfirmed is looked at again
after this."""


class Alarm(Cause):
    """A wake-up. Void once its clock has been stopped: what is queued when that goes on again comes first."""

    __slots__ = ("_clock", "_term")

    def __init__(self, clock: AlarmClock) -> None:
        super().__init__(WakeUp(), name="wake-up")
        self._clock = clock
        self._term = clock.term

    @property
    def is_void(self) -> bool:
        return self._clock.term != self._term


class AlarmClock:
    """See the module. `has_in_flight`: whether an effect of a run is on its way. `scan_interval_seconds`: how
    often the database is asked."""

    def __init__(
        self,
        clock: Clock,
        scans: Scans,
        upcalls: Upcalls,
        children: Children,
        timer: WakeTimer,
        has_in_flight: Callable[[str, EffectID], bool],
        scan_interval_seconds: float,
    ) -> None:
        self._clock = clock
        self._scans = scans
        self._upcalls = upcalls
        self._children = children
        self._timer = timer
        self._has_in_flight = has_in_flight
        self._scan_interval = scan_interval_seconds
        self._wakeups = WakeUps()
        self.term = 0
        """How often it was stopped."""
        self._runs = False
        self._scanning = False
        self._scan_is_due = False
        self._more_due = False
        self._next_suspended: str | None = None
        """Behind which workflow ID the next page of suspended instances begins; None if none is wanted."""
        self._suspended_asked: str | None = None
        """Behind which it begins that was asked for and has not come."""

    @property
    def is_running(self) -> bool:
        return self._runs

    @property
    def is_at_rest(self) -> bool:
        """It waits for nothing but the next time that it knows of."""
        looks = self._next_suspended is not None or self._suspended_asked is not None
        return self._runs and not (looks or self._scanning or self._scan_is_due or self._more_due)

    def start(self) -> None:
        """The partition is live; the database is scanned at the next look, and suspended instances are looked
        for at once, because our code may be other than that which they are suspended for."""
        self._runs = True
        self._scan_is_due = True
        self.look_for_suspended()

    def look_for_suspended(self) -> None:
        """From the first to the last: each is loaded, and tried again if our code is other code for it."""
        self._next_suspended, self._suspended_asked = "", None  # a page on its way is of before
        self._look_for_suspended()
        self._timer.again(self)

    def _look_for_suspended(self) -> None:
        """The next page, once there is room to load it."""
        if self._next_suspended is not None and self._children.loading + SUSPENDED_PAGE <= COLD_LOADS_LIMIT:
            self._suspended_asked, self._next_suspended = self._next_suspended, None
            self._scans.find_suspended(self._children.partition, self._suspended_asked, SUSPENDED_PAGE)

    def suspended_found(self, after: str, workflow_ids: Sequence[str]) -> None:
        """Load them: an instance whose code has changed is due as soon as it is there. A page that was asked
        for before the clock was stopped is not waited for any more, and changes nothing."""
        if after != self._suspended_asked:
            return
        self._suspended_asked = None
        if len(workflow_ids) >= SUSPENDED_PAGE:
            self._next_suspended = workflow_ids[-1]
            self._timer.again(self)
        for workflow_id in workflow_ids:
            self._children.child(workflow_id)

    def stop(self) -> None:
        """What it has given and nobody has handled yet is void; the next scan finds it again."""
        self._runs = False
        self._next_suspended = self._suspended_asked = None
        self.term += 1

    def note(self, actor: WorkflowActor) -> None:
        """An instance's `wake_at` may have changed."""
        now, wake_at = self._clock.now(), actor.instance.wake_at
        if wake_at is None or wake_at > now + HORIZON:
            self._wakeups.clear(actor.workflow_id)  # a scan finds it when its time is nearer
        else:
            self._set(actor.workflow_id, self._look_at(actor, now), now)

    def _set(self, workflow_id: str, at: int | None, now: int) -> None:
        if at is None or at > now + HORIZON:
            self._wakeups.clear(workflow_id)  # a scan finds it when its time is nearer
        else:
            self._wakeups.set(workflow_id, at)
            self._timer.set(self, at)

    def found(self, due: Sequence[Due], *, complete: bool) -> None:
        """What the scan found. Instances in memory know better themselves when they are due."""
        self._scanning = False
        self._more_due = not complete
        for row in due:
            actor = self._children.peek(row.workflow_id)
            if actor is None:
                self._wakeups.add(row.workflow_id, row.wake_at)
                self._timer.set(self, row.wake_at)
            elif actor.is_loaded:
                self.note(actor)
        self._timer.again(self)

    def look(self) -> None:
        """Wake what is due, and scan the database when it is time to."""
        if not self._runs:
            return
        now = self._clock.now()
        self._maybe_scan(now)
        self._look_for_suspended()
        room = max(COLD_LOADS_LIMIT - self._children.loading, 0)
        for workflow_id in self._wakeups.take_due(now, room):
            self._wake(workflow_id, now)
        self._look_again(now)

    def _look_again(self, now: int) -> None:
        """When the next is due; at the next tick for what waits for room, or for those that were found to come
        before more."""
        at = self._wakeups.next_at()
        if self._more_due or self._next_suspended is not None or (at is not None and at <= now):
            self._timer.again(self)
        elif at is not None:
            self._timer.set(self, at)

    def _maybe_scan(self, now: int) -> None:
        if self._scanning:
            return
        if self._scan_is_due:
            self._scan_is_due = False
            self._clock.call_later(self._scan_interval, partial(self._time_to_scan, self.term))
        elif not self._more_due or len(self._wakeups):
            return
        self._scanning = True
        self._scans.find_due(self._children.partition, now + HORIZON, SCAN_LIMIT)

    def time_was_moved(self) -> None:
        """The clock was put forward: what is due by now may not have been among what was due soon."""
        if self._runs and not self._scanning:
            self._scanning = True
            self._scans.find_due(self._children.partition, self._clock.now() + HORIZON, SCAN_LIMIT)

    def _time_to_scan(self, term: int) -> None:
        if self.term == term:
            self._scan_is_due = True
            self.look()

    def _wake(self, workflow_id: str, now: int) -> None:
        actor = self._children.peek(workflow_id)
        if actor is not None and actor.is_loaded:
            at = self._look_at(actor, now)
            if at is None or at > now:
                self._set(workflow_id, at, now)
                return
        self._children.child(workflow_id).post(Alarm(self))
        self._upcalls.request_work()

    def _look_at(self, actor: WorkflowActor, now: int) -> int | None:
        """When it is due. For nothing but effects that no message holds and that are on their way already, or
        confirmed and not forgotten yet, that is a little later."""
        instance = actor.instance
        wake_at = instance.wake_at
        if wake_at is None or wake_at > now:
            return wake_at
        if instance.has_unsent(self._has_in_flight, now):
            return wake_at
        due_at, later = instance.due_at, now + CONFIRM_PATIENCE
        return later if due_at is None else min(due_at, later)
