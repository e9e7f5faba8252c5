"""Time zones, and their two odd nights.

Where clocks go forward, a time between does not exist: it is taken to be the moment of the jump. Where they go
back, a time comes twice: it is the first of the two.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from dalsegno import given

_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def zone(what: str, name: str) -> tzinfo:
    """Raises ValueError, which names `what` it was given for."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(
            f"{what} {given.shown(name)} is no time zone that is known here: name one of the IANA database, "
            "like 'Europe/Berlin'."
        ) from None


def wall_time(instant: datetime, tz: tzinfo) -> datetime:
    """What clocks show at an instant, without their zone."""
    return instant.astimezone(tz).replace(tzinfo=None, fold=0)


def instant_of(wall: datetime, tz: tzinfo) -> datetime:
    """When clocks show `wall`, in UTC. Of later times it is never earlier."""
    first = wall.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if wall_time(first, tz) == wall:
        return first
    # By the offset of before the jump it is behind the jump, by that of after it is before.
    return change_between(wall.replace(tzinfo=tz, fold=1).astimezone(UTC), first, tz)


def change_between(before: datetime, after: datetime, tz: tzinfo) -> datetime:
    """The first second of another offset than that of `before`; `after` has another."""
    offset = before.astimezone(tz).utcoffset()
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle <= before:
            middle = before + _SECOND
        if middle.astimezone(tz).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
