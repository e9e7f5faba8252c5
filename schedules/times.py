"""Which times a spec means: pure, the same on every host whose time zones are.

What is checked is compiled; what is wrong raises ValueError or TypeError with its place, as in
"calendars[0].hour[1]".
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import heappop, heappush
from typing import NamedTuple, Protocol, TypeVar

from dalsegno import given
from dalsegno.schedules.calendar import Calendar
from dalsegno.schedules.cron import YEARS, read_cron
from dalsegno.schedules.spec import ScheduleCalendarSpec, ScheduleIntervalSpec, ScheduleRange, ScheduleSpec
from dalsegno.schedules.zone import wall_time, zone

PARTS_MAX = 1_000
"""Calendars, intervals, lines, ranges of one field: of each."""
SKIPPED_MAX = 10_000
"""Times one after the other that `skip` takes away, after which it is given up to look for one that is left."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
T = TypeVar("T")
_BOUNDS = {
    "second": range(60),
    "minute": range(60),
    "hour": range(24),
    "day_of_month": range(1, 32),
    "month": range(1, 13),
    "year": YEARS,
    "day_of_week": range(7),
}


class ScheduledTime(NamedTuple):
    """Both in UTC."""

    nominal: datetime
    """As the spec says."""
    actual: datetime
    """With its jitter."""


Heads = list[tuple[datetime, datetime, int]]
"""A heap of the next times, with what clocks show then and the number of their source."""


class TimesSource(Protocol):
    """A calendar, or an interval."""

    @property
    def tz(self) -> tzinfo: ...
    @property
    def seconds(self) -> Collection[int]:
        """That its times may have, and so on."""

    @property
    def minutes(self) -> Collection[int]: ...
    @property
    def hours(self) -> Collection[int]: ...

    def after(self, instant: datetime) -> tuple[datetime, datetime] | None:
        """The next time behind one, and what clocks show then."""


@dataclass(frozen=True, slots=True)
class Times:
    """`compiled` makes it."""

    sources: tuple[TimesSource, ...]
    skip: tuple[Skip, ...]
    start_at: datetime | None
    end_at: datetime | None
    jitter: timedelta

    def after(self, instant: datetime, seed: str) -> Iterator[ScheduledTime]:
        """The times whose nominal one is later than `instant`. The jitter is drawn from `seed` and the time."""
        if self.start_at is not None and instant < self.start_at:
            instant = self.start_at - timedelta(microseconds=1)
        heads: Heads = []
        for number in range(len(self.sources)):
            self._put_next(heads, number, instant)
        nominal = self._next(heads)
        while nominal is not None:
            self._pass(heads, nominal)
            following = self._next(heads)
            yield ScheduledTime(nominal, nominal + self._jitter_of(nominal, following, seed))
            nominal = following

    def _jitter_of(self, nominal: datetime, following: datetime | None, seed: str) -> timedelta:
        most = self.jitter if following is None else min(self.jitter, following - nominal)
        if not most:
            return most
        drawn = hashlib.sha256(f"{seed}\0{nominal.isoformat()}".encode()).digest()
        return timedelta(
            microseconds=int.from_bytes(drawn[:8], "big") * (most // timedelta(microseconds=1)) >> 64
        )

    def _next(self, heads: Heads) -> datetime | None:
        for _ in range(SKIPPED_MAX):
            if not heads:
                return None
            first, wall, _ = heads[0]
            if self.end_at is not None and first > self.end_at:
                return None
            skipping = next((skip for skip in self.skip if skip.calendar.fits(wall)), None)
            if skipping is None:
                return first
            self._pass(heads, skipping.until(first))
        return None

    def _pass(self, heads: Heads, instant: datetime) -> None:
        """Only who has a time up to there is asked for a later one."""
        while heads and heads[0][0] <= instant:
            _, _, number = heappop(heads)
            self._put_next(heads, number, instant)

    def _put_next(self, heads: Heads, number: int, instant: datetime) -> None:
        if (following := self.sources[number].after(instant)) is not None:
            heappush(heads, (*following, number))


@dataclass(frozen=True, slots=True)
class Skip:
    """A calendar that takes times away."""

    calendar: Calendar
    whole_hours: bool
    """Where it takes one time of an hour, none is left of it."""
    whole_days: bool

    def until(self, skipped: datetime) -> datetime:
        """Behind which to look on, so that what takes months away is not asked for each of their minutes."""
        if not self.whole_hours:
            return skipped
        shown = skipped.astimezone(self.calendar.tz)
        left = _HOUR - timedelta(minutes=shown.minute, seconds=shown.second, microseconds=shown.microsecond)
        # Behind the last hour of a day clocks may have changed; a day of 23 hours is not overlooked so.
        hours = 23 - shown.hour - 2 if self.whole_days else 0
        return skipped + left + max(hours, 0) * _HOUR - timedelta(microseconds=1)


def compiled(spec: ScheduleSpec) -> Times:
    """Raises TypeError or ValueError, which say what is wrong and where."""
    if not isinstance(spec, ScheduleSpec):
        raise given.wrong_type("The spec", spec, "a ScheduleSpec")
    name = None if spec.time_zone_name is None else given.text("time_zone_name", spec.time_zone_name)
    tz = zone("time_zone_name", name or "")
    sources: list[TimesSource] = []
    for place, calendar in _each("calendars", spec.calendars, ScheduleCalendarSpec):
        sources.append(_possible(place, _calendar(place, calendar, tz)))
    for place, line in _each("cron_expressions", spec.cron_expressions, str):
        read = read_cron(place, given.text(place, line), name)
        if isinstance(read, Calendar):
            sources.append(_possible(f"{place} {given.shown(line)}", read))
        else:
            sources.append(_interval(place, *read, tz))
    for place, interval in _each("intervals", spec.intervals, ScheduleIntervalSpec):
        every = _span(f"{place}.every", interval.every)
        offset = timedelta() if interval.offset is None else _span(f"{place}.offset", interval.offset)
        sources.append(_interval(place, every, offset, tz))
    start_at, end_at = moment("start_at", spec.start_at), moment("end_at", spec.end_at)
    if start_at is not None and start_at.year > YEARS[-1]:
        raise given.wrong_value("start_at", spec.start_at, f"not later than the year {YEARS[-1]}")
    if start_at is not None and end_at is not None and end_at < start_at:
        raise ValueError(f"end_at {end_at} is earlier than start_at {start_at}: no time is between them.")
    skip = tuple(
        _skip(_calendar(place, one, tz), sources)
        for place, one in _each("skip", spec.skip, ScheduleCalendarSpec)
    )
    jitter = timedelta() if spec.jitter is None else _span("jitter", spec.jitter)
    return Times(tuple(sources), skip, start_at, end_at, jitter)


def _skip(calendar: Calendar, sources: Sequence[TimesSource]) -> Skip:
    def takes(field: str) -> bool:
        return all(set(getattr(source, field)) <= set(getattr(calendar, field)) for source in sources)

    # Only by one clock an hour of the one is an hour of the other.
    one_clock = all(source.tz == calendar.tz for source in sources)
    whole_hours = one_clock and takes("seconds") and takes("minutes")
    return Skip(calendar, whole_hours, whole_hours and takes("hours"))


def _each(what: str, values: object, kind: type[T]) -> Iterator[tuple[str, T]]:
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise given.wrong_type(what, values, f"a list of {kind.__name__}")
    if len(values) > PARTS_MAX:
        raise ValueError(f"{what} may have {PARTS_MAX:,} entries, but there are {len(values):,}.")
    for number, value in enumerate(values):
        if not isinstance(value, kind):
            raise given.wrong_type(f"{what}[{number}]", value, f"a {kind.__name__}")
        yield f"{what}[{number}]", value


def _calendar(place: str, spec: ScheduleCalendarSpec, tz: tzinfo) -> Calendar:
    numbers = {field: _numbers(f"{place}.{field}", getattr(spec, field), field) for field in _BOUNDS}
    if spec.comment is not None:
        given.text(f"{place}.comment", spec.comment)
    days, weekdays = frozenset(numbers["day_of_month"]), frozenset(numbers["day_of_week"])
    return Calendar(
        seconds=numbers["second"],
        minutes=numbers["minute"],
        hours=numbers["hour"],
        months=frozenset(numbers["month"]),
        years=frozenset(numbers["year"]) or None,
        fits_day=lambda day: day.day in days and day.isoweekday() % 7 in weekdays,
        tz=tz,
    )


def _numbers(what: str, ranges: object, field: str) -> tuple[int, ...]:
    bounds = _BOUNDS[field]
    numbers: set[int] = set()
    for place, one in _each(what, ranges, ScheduleRange):
        start, end = (
            given.whole(f"{place}.{name}", value, least=bounds.start, most=bounds.stop - 1)
            for name, value in (("start", one.start), ("end", one.end))
        )
        step = given.whole(f"{place}.step", one.step, least=1, most=bounds.stop)
        numbers |= set(range(start, end + 1, step))
    if not numbers and field != "year":
        raise ValueError(f"{what} has no range: no time would fit.")
    return tuple(sorted(numbers))


def _possible(place: str, calendar: Calendar) -> Calendar:
    """Of years that are over nothing is wrong; of a day that no year has, it is."""
    if replace(calendar, years=None).after(_EPOCH) is None:
        raise ValueError(f"{place} fits no day: there is none like it in any year.")
    return calendar


def _span(what: str, value: object) -> timedelta:
    return timedelta(microseconds=given.microseconds(what, value))


def moment(what: str, value: object) -> datetime | None:
    """A time without a zone is UTC, as wherever users may give one."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise given.wrong_type(what, value, "a datetime")
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise given.wrong_value(what, value, "a time that UTC has") from None


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so often, from 1970 on, with an offset."""

    every: timedelta
    offset: timedelta
    tz: tzinfo

    @property
    def seconds(self) -> Collection[int]:
        return {self.offset.seconds % 60} if not self.every % _MINUTE else range(60)

    @property
    def minutes(self) -> Collection[int]:
        """Clocks of some zones differ from UTC's by other than whole hours."""
        return range(60)

    @property
    def hours(self) -> Collection[int]:
        return range(24)

    def after(self, instant: datetime) -> tuple[datetime, datetime] | None:
        passed = (instant - _EPOCH - self.offset) // self.every
        try:
            following = _EPOCH + self.offset + (passed + 1) * self.every
            return following, wall_time(following, self.tz)
        except OverflowError:
            return None


def _interval(place: str, every: timedelta, offset: timedelta, tz: tzinfo) -> Interval:
    if every < _SECOND:
        raise ValueError(f"{place} is every {every}: it must be a second at least.")
    if offset >= every:
        raise ValueError(f"{place} has an offset of {offset}, which must be less than its {every}.")
    return Interval(every, offset, tz)
