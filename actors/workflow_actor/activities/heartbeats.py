"""Heartbeats: in memory as they come, and now and then in the state (`HeartbeatsKept`), since each costs a row.

Their clock is memory alone: when an instance is loaded it begins anew, at the first time that it is told.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities.activity import Activity
from dalsegno.actors.workflow_actor.activities.events import HeartbeatKept
from dalsegno.payload import Payload

KEPT_BYTES_MAX = 64 * 1024
"""Details of more bytes live in memory alone."""

KEPT_AT_ONCE_MAX = 1_000
KEPT_AT_ONCE_BYTES_MAX = 1024 * 1024
"""Of one workflow's details together, in one row."""


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
        last = self._of(activity) if self._last else None
        return (self._clock_began_at or 0) if last is None else last.at

    def last_at(self, activity: Activity) -> int | None:
        """When the current attempt's last one came, as far as is known; None if none did."""
        last = self._of(activity)
        return activity.beaten_at if last is None else last.at

    def details(self, activity: Activity | None) -> Payload | None:
        """The newest of the current attempt."""
        if activity is None:
            return None
        last = self._of(activity) if self._last else None
        return activity.kept_details if last is None else last.details

    def to_keep(self, activities: Mapping[int, Activity]) -> tuple[HeartbeatKept, ...]:
        """The details that the state does not have yet, as far as they are kept at all, and in one row."""
        events: list[HeartbeatKept] = []
        size = 0
        for number, last in self._last.items():
            activity = activities.get(number)
            if activity is None or not _is_unkept(activity, last) or last.details is None:
                continue
            size += len(last.details.data)
            if size > KEPT_AT_ONCE_BYTES_MAX or len(events) == KEPT_AT_ONCE_MAX:
                break
            events.append(HeartbeatKept(number, last.details, last.at))
        return tuple(events)

    def has_unkept(self, activities: Mapping[int, Activity]) -> bool:
        return any(
            (activity := activities.get(number)) is not None and _is_unkept(activity, last)
            for number, last in self._last.items()
        )

    def forget(self, number: int) -> None:
        self._last.pop(number, None)

    def forget_all(self) -> None:
        self._last.clear()

    def _of(self, activity: Activity) -> Heartbeat | None:
        last = self._last.get(activity.spec.number)
        return None if last is None or last.attempt != activity.attempt else last


def _is_unkept(activity: Activity, last: Heartbeat) -> bool:
    if last.details is None or last.attempt != activity.attempt or len(last.details.data) > KEPT_BYTES_MAX:
        return False
    return last.details is not activity.kept_details
