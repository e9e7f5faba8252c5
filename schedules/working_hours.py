"""Working hours: when somebody works, and when so much working time has passed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from dalsegno import given
from dalsegno.schedules.zone import instant_of, wall_time, zone

DAYS_MAX = 3_660
"""How far it is looked ahead: ten years."""
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MIDNIGHT = time()
_DAY = timedelta(days=1)
_NOTHING = timedelta()


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The working hours of a team, by the clocks of its time zone. They measure what a deadline counts in:

        OFFICE = WorkingHours(time_zone_name="Europe/Berlin", holidays={date(2026, 12, 25)})
        workflow.deadline("answered", timedelta(hours=16), working_hours=OFFICE)

    Raises TypeError and ValueError for what cannot be.
    """

    days: Collection[str] = DAY_NAMES[:5]
    """"mon" to "sun"."""
    hours: Sequence[tuple[time, time]] = ((time(9), time(17)),)
    """From and until, of each of these days, in order. Midnight as an end is that of the end of the day."""
    holidays: Collection[date] = ()
    time_zone_name: str = ""
    """Of the IANA database; "" is UTC."""

    def __post_init__(self) -> None:
        days = _several("The days of working hours", self.days)
        if not days or any(day not in DAY_NAMES for day in days):
            expected = f"some of {', '.join(DAY_NAMES)}, in a list"
            raise given.wrong_value("The days of working hours", self.days, expected)
        for day in _several("The holidays of working hours", self.holidays):
            if not isinstance(day, date) or isinstance(day, datetime):
                raise given.wrong_type("A holiday of working hours", day, "a date")
        hours = _several("The hours of working hours", self.hours)
        if not hours:
            raise given.wrong_value("The hours of working hours", self.hours, "one pair of times or more")
        end: time | None = _MIDNIGHT
        for pair in hours:
            opens, closes = _pair(pair)
            if end is None or opens < end or (closes <= opens and closes != _MIDNIGHT):
                expected = (
                    "from a time until a later one of the same day, behind those before it (what goes over "
                    "midnight in two parts)"
                )
                raise given.wrong_value("The hours of working hours", pair, expected)
            end = closes if closes != _MIDNIGHT else None
        name = given.text("The time_zone_name of working hours", self.time_zone_name)
        zone("The time_zone_name of working hours", name)

    def after(self, moment: datetime, span: timedelta) -> datetime:
        """When so much working time has passed since `moment`, in UTC; of no time at all that is the first
        working moment. Raises ValueError where that is ten years ahead, or never comes, for a time that is less
        than none, and for a moment without a time zone."""
        if moment.utcoffset() is None:
            raise given.wrong_value("The moment", moment, "a datetime with a time zone")
        if span < _NOTHING:
            raise given.wrong_value("The working time", span, "none or more")
        left = span
        for opens, closes in self._periods(moment):
            begin = max(opens, moment)
            if begin < closes and closes - begin >= left:
                return begin + left
            left -= max(closes - begin, _NOTHING)
        raise ValueError(
            f"{given.shown(span)} of working time are not over within ten years: look at days and holidays."
        )

    def _periods(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Those that are not over, in UTC. What an odd night takes away from one is not worked."""
        tz = zone("The time zone", self.time_zone_name)
        day = wall_time(moment, tz).date()
        holidays = frozenset(self.holidays)
        for _ in range(DAYS_MAX):
            if day.year >= date.max.year:
                return
            if DAY_NAMES[day.weekday()] in self.days and day not in holidays:
                for opens, closes in self.hours:
                    last = day if closes != _MIDNIGHT else day + _DAY
                    begin = instant_of(datetime.combine(day, opens), tz)
                    end = instant_of(datetime.combine(last, closes), tz)
                    if end > moment and end > begin:
                        yield begin.astimezone(UTC), end.astimezone(UTC)
            day += _DAY


def _several(what: str, values: object) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise given.wrong_type(what, values, "several, in a list")
    return list(values)


def _pair(pair: object) -> tuple[time, time]:
    if isinstance(pair, tuple) and len(pair) == 2:
        opens, closes = pair
        if isinstance(opens, time) and isinstance(closes, time) and not opens.tzinfo and not closes.tzinfo:
            return opens, closes
    raise given.wrong_type(
        "The hours of working hours", pair, "pairs of times without a zone, like (time(9), time(17))"
    )
