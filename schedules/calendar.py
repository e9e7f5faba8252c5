"""What a calendar (or a line of cron) means: which times of which days, by whose clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from dalsegno.schedules.zone import change_between, instant_of, wall_time

YEARS_MAX = 60
"""How far it looks for the next time, unless it says itself which years it means. Leap days of one weekday are
40 years apart at most."""
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Numbers are in order. A day is asked of only in a month and a year that fit."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: Collection[int]
    years: Collection[int] | None
    fits_day: Callable[[date], bool]
    tz: tzinfo = UTC

    @property
    def every_hour(self) -> bool:
        """Whoever says so counts hours, not clock times: it goes on through both odd nights as time does."""
        return len(self.hours) == 24

    def fits(self, wall: datetime) -> bool:
        return (
            wall.second in self.seconds
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and self._fits_date(wall.date())
        )

    def _fits_date(self, day: date) -> bool:
        return (
            day.month in self.months and (self.years is None or day.year in self.years) and self.fits_day(day)
        )

    def after(self, instant: datetime) -> tuple[datetime, datetime] | None:
        """The next time, in UTC, with what was meant by clocks; None if there is none (see YEARS_MAX)."""
        if self.every_hour:
            return self._elapsed(instant)
        wall = self._wall_after(wall_time(instant, self.tz).replace(microsecond=0))
        while wall is not None:
            # Not so in the hour that clocks show for the second time.
            if (moment := instant_of(wall, self.tz)) > instant:
                return moment, wall
            wall = self._wall_after(wall)
        return None

    def _elapsed(self, instant: datetime) -> tuple[datetime, datetime] | None:
        """Piece by piece of one offset, in which clocks go as time does."""
        begin = instant.replace(microsecond=0) + _SECOND
        while True:
            shown = wall_time(begin, self.tz)
            wall = self._wall_after(shown - _SECOND)
            if wall is None:
                return None
            moment = begin + (wall - shown)
            reach = min(moment, begin + _DAY)
            if reach.astimezone(self.tz).utcoffset() != begin.astimezone(self.tz).utcoffset():
                change = change_between(begin, reach, self.tz)
                if change <= moment:
                    begin = change
                    continue
            if reach == moment:
                return moment, wall
            # Days between do not fit, whatever clocks do in them.
            begin = max(reach, instant_of(datetime.combine(wall.date() - _DAY, time()), self.tz))

    def _wall_after(self, wall: datetime) -> datetime | None:
        day = wall.date()
        if self._fits_date(day) and (clock := self._clock_after(wall.time())) is not None:
            return datetime.combine(day, clock)
        next_day = self._day_after(day)
        return None if next_day is None else datetime.combine(next_day, self._first_clock)

    @property
    def _first_clock(self) -> time:
        return time(self.hours[0], self.minutes[0], self.seconds[0])

    def _clock_after(self, clock: time) -> time | None:
        """Of the same day."""
        hour, minute, second = clock.hour, clock.minute, clock.second
        if hour in self.hours:
            if minute in self.minutes and (later := _after(self.seconds, second)) is not None:
                return time(hour, minute, later)
            if (later := _after(self.minutes, minute)) is not None:
                return time(hour, later, self.seconds[0])
        if (later := _after(self.hours, hour)) is not None:
            return time(later, self.minutes[0], self.seconds[0])
        return None

    def _day_after(self, day: date) -> date | None:
        last_year = min(day.year + YEARS_MAX, date.max.year - 1) if self.years is None else max(self.years)
        day += _DAY
        while day.year <= last_year:
            if self.years is not None and day.year not in self.years:
                day = date(day.year + 1, 1, 1)
            elif day.month not in self.months:
                day = (day.replace(day=1) + 31 * _DAY).replace(day=1)
            elif self.fits_day(day):
                return day
            else:
                day += _DAY
        return None


def _after(numbers: tuple[int, ...], number: int) -> int | None:
    place = bisect_left(numbers, number + 1)
    return numbers[place] if place < len(numbers) else None
