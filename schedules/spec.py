"""At which times: what users write of a schedule's `spec`.

    ScheduleSpec(
        cron_expressions=["30 8 * * MON-FRI"],
        skip=[ScheduleCalendarSpec(hour=[ScheduleRange(8)], minute=[ScheduleRange(30)],
                                   month=[ScheduleRange(12)], day_of_month=[ScheduleRange(25)])],
        time_zone_name="Europe/Berlin",
    )

Names and meaning follow the Temporal Python SDK. These classes only hold what was written: `times.py` says what
can be, and which times it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dalsegno.given import Duration


@dataclass(frozen=True, slots=True)
class ScheduleRange:
    """Numbers from `start` to `end`, both included, each `step`th of them.

    An `end` that is less than `start`, as when it is left out, is `start`; a `step` of 0 is 1.
    """

    start: int
    end: int = 0
    step: int = 0

    def __post_init__(self) -> None:
        if self.end < self.start:
            object.__setattr__(self, "end", self.start)
        if self.step == 0:
            object.__setattr__(self, "step", 1)


@dataclass(slots=True)
class ScheduleCalendarSpec:
    """Times of which each field fits one of its ranges. Left as it is, it is each midnight."""

    second: Sequence[ScheduleRange] = (ScheduleRange(0),)
    """0 to 59."""
    minute: Sequence[ScheduleRange] = (ScheduleRange(0),)
    """0 to 59."""
    hour: Sequence[ScheduleRange] = (ScheduleRange(0),)
    """0 to 23."""
    day_of_month: Sequence[ScheduleRange] = (ScheduleRange(1, 31),)
    month: Sequence[ScheduleRange] = (ScheduleRange(1, 12),)
    year: Sequence[ScheduleRange] = ()
    """Every year if there are none."""
    day_of_week: Sequence[ScheduleRange] = (ScheduleRange(0, 6),)
    """0 is Sunday. A day must fit this and `day_of_month`."""
    comment: str | None = None
    """For people."""


@dataclass(slots=True)
class ScheduleIntervalSpec:
    """Every so often, counted from 1970 in UTC, whatever clocks show: `every` an hour with an `offset` of 5
    minutes is five past each hour."""

    every: Duration
    """At least a second."""
    offset: Duration | None = None
    """Less than `every`."""


@dataclass(slots=True)
class ScheduleSpec:
    """All times of its calendars, intervals and cron expressions but for those that `skip` fits, each once."""

    calendars: Sequence[ScheduleCalendarSpec] = field(default_factory=list)
    intervals: Sequence[ScheduleIntervalSpec] = field(default_factory=list)
    cron_expressions: Sequence[str] = field(default_factory=list)
    """Lines of 5 fields, of 6 with a year behind, or of 7 with seconds before; `@hourly` and its like;
    `@every 90m`, `@every 1h/5m`; each, if you like, with a time zone before
    (`CRON_TZ=Europe/Berlin 0 9 * * *`) and a comment behind (`# ...`)."""
    skip: Sequence[ScheduleCalendarSpec] = field(default_factory=list)
    start_at: datetime | None = None
    """None are earlier. A time without a zone is UTC."""
    end_at: datetime | None = None
    """None are later."""
    jitter: Duration | None = None
    """Each begins by up to so much later than it says, but before the next one."""
    time_zone_name: str | None = None
    """Of the IANA database, as in `Europe/Berlin`: whose clock calendars and cron expressions mean (UTC)."""
