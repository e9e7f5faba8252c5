"""Lines of cron, read.

    0 9 * * MON-FRI                     minute, hour, day of month, month, day of week
    0 9 * * MON-FRI 2027-2029           ... and year
    30 0 9 * * * *                      second, and the same with year
    @daily                              and @yearly, @annually, @monthly, @weekly, @midnight, @hourly
    @every 1h30m/5m                     an interval, with its offset
    CRON_TZ=Europe/Berlin 0 9 * * *     by whose clock
    0 9 * * *  # for people

The fields are what cronsim reads (`L`, `LW`, `MON#2`, `5L` among them). A day must fit both its fields, as in
Temporal; in a crontab of Unix one is enough.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from cronsim import CronSim, CronSimError

from dalsegno import given
from dalsegno.schedules.calendar import Calendar
from dalsegno.schedules.zone import zone

FIELDS = ("second", "minute", "hour", "day of month", "month", "day of week", "year")
CHARACTERS_MAX = 1_000
YEARS = range(1970, 2200)

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ZONE = re.compile(r"(?:CRON_TZ|TZ)=(\S*)(?:\s+|$)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_PART_OF_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_YEARS_ITEM = re.compile(r"(\*|\d{4})(?:-(\d{4}))?(?:/(\d{1,4}))?")
_SOME_DAY = datetime(2001, 1, 1)

Every = tuple[timedelta, timedelta]
"""How long an interval is, and its offset."""


def read_cron(what: str, line: str, time_zone_name: str | None) -> Calendar | Every:
    """Raises ValueError, which names `what` and the field, for a line that is none."""
    shown = f"{what} {given.shown(line)}"
    if len(line) > CHARACTERS_MAX:
        raise ValueError(f"{shown} has more than {CHARACTERS_MAX:,} characters.")
    named = _ZONE.match(line.strip())
    rest = _COMMENT.sub("", line.strip()[named.end() :] if named else line.strip()).strip()
    if named and time_zone_name not in (None, "", named[1]):
        raise ValueError(f"{shown} has a time zone, and time_zone_name another: leave one of them out.")
    tz = zone(f"The time zone of {what}", named[1] if named else time_zone_name or "")
    if rest.startswith("@every"):
        return read_spans(shown, rest.removeprefix("@every").strip())
    if rest.startswith("@"):
        if rest.lower() not in _NICKNAMES:
            raise ValueError(f"{shown} is none of {', '.join(_NICKNAMES)}, and not '@every' with a duration.")
        rest = _NICKNAMES[rest.lower()]
    fields = rest.replace("?", "*").split()
    if not 5 <= len(fields) <= 7:
        raise ValueError(
            f"{shown} has {len(fields)} fields: write 5 (minute, hour, day of month, month, day of week), "
            "6 with a year behind, or 7 with seconds before."
        )
    year = "*" if len(fields) == 5 else fields.pop()
    timed = fields if len(fields) == 6 else ["0", *fields]
    try:
        parsed = CronSim(" ".join(timed), _SOME_DAY)
    except (CronSimError, AssertionError, ValueError, IndexError) as error:
        wrong = _wrong_field(timed)
        if wrong is None:
            raise ValueError(f"{shown} fits no day: there is none like it in any year.") from error
        raise ValueError(f"{shown} cannot be read: {wrong}.") from None

    def fits_day(day: date) -> bool:
        return parsed.match_dom(day) and parsed.match_dow(day)

    return Calendar(
        seconds=tuple(sorted(parsed.seconds)),
        minutes=tuple(sorted(parsed.minutes)),
        hours=tuple(sorted(parsed.hours)),
        months=frozenset(parsed.months),
        years=_years(shown, year),
        fits_day=fits_day,
        tz=tz,
    )


def _wrong_field(fields: list[str]) -> str | None:
    """cronsim says which, but of some only by raising what it did not mean to."""
    for number, (name, field) in enumerate(zip(FIELDS, fields, strict=False)):
        alone = ["*"] * 6
        alone[number] = field
        try:
            CronSim(" ".join(alone), _SOME_DAY)
        except (CronSimError, AssertionError, ValueError, IndexError):
            return f"its {name} cannot be {given.shown(field)}"
    return None


def _years(shown: str, text: str) -> frozenset[int] | None:
    if text == "*":
        return None
    years: set[int] = set()
    for item in text.split(","):
        found = _YEARS_ITEM.fullmatch(item)
        first, last, step = found.groups() if found else ("", None, None)
        if not found or (first == "*" and last) or step == "0":
            raise ValueError(f"{shown} cannot be read: its year cannot be {given.shown(item)}.")
        start = YEARS.start if first == "*" else int(first)
        end = int(last) if last else YEARS.stop - 1 if first == "*" or step else start
        if start not in YEARS or end not in YEARS or end < start:
            raise ValueError(
                f"{shown} cannot be read: its year cannot be {given.shown(item)}, of {YEARS[0]} to {YEARS[-1]}."
            )
        years |= set(range(start, end + 1, int(step or 1)))
    return frozenset(years)


def read_spans(shown: str, text: str) -> Every:
    """An interval, as in "1h/5m". Raises ValueError, which says what is `shown`."""
    every, slash, offset = text.partition("/")
    return read_span(shown, every.strip()), read_span(shown, offset.strip()) if slash else timedelta()


def read_span(shown: str, text: str) -> timedelta:
    """A duration, as in "1h30m"."""
    parts = _PART_OF_SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{shown} cannot be read: write its duration like 90s, 15m, 1h30m or 2d.")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"{shown} cannot be read: its duration is too long.") from None
