"""Heartbeats live in memory only. When an instance is loaded their clock begins anew, at the first time that
it is told."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities import Activity
from dalsegno.payload import Payload


class Heartbeat(Struct, frozen=True):
    attempt: int
    at: int
    details: Payload | None


class Heartbeats:
    """The last heartbeat of each activity, by its number."""

    __slots__ = ("_clock_began_at", "_last")

    def __init__(self) -> None:
        self._clock_began_at: int | None = None
        self._last: dict[int, Heartbeat] = {}

    def tell_time(self, now: int) -> None:
        if self._clock_began_at is None:
            self._clock_began_at = now

    def beat(self, activity: Activity, *, now: int, details: Payload | None) -> None:
        number = activity.spec.number
        before = self.details(activity)
        self._last[number] = Heartbeat(activity.attempt, now, before if details is None else details)

    def alive_at(self, activity: Activity) -> int:
        """When the activity was last known to be alive, apart from when its attempt was started."""
        last = self._last.get(activity.spec.number)
        if last is None or last.attempt != activity.attempt:
            return self._clock_began_at or 0
        return last.at

    def last_at(self, activity: Activity) -> int | None:
        """When the current attempt's last one came; None if none was heard since the instance was loaded."""
        last = self._last.get(activity.spec.number)
        return None if last is None or last.attempt != activity.attempt else last.at

    def details(self, activity: Activity | None) -> Payload | None:
        """Those of the current attempt."""
        last = None if activity is None else self._last.get(activity.spec.number)
        return None if last is None or activity is None or last.attempt != activity.attempt else last.details

    def forget(self, number: int) -> None:
        self._last.pop(number, None)

    def forget_all(self) -> None:
        self._last.clear()
