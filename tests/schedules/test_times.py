"""Which times a spec means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno.schedules.calendar import Calendar
from dalsegno.schedules.spec import (
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleRange,
    ScheduleSpec,
)
from dalsegno.schedules.times import Times, compiled

BERLIN = "Europe/Berlin"
SPRING = datetime(2027, 3, 28, 1, tzinfo=UTC)
"""When clocks in Berlin jump from 2:00 to 3:00."""
AUTUMN = datetime(2027, 10, 31, 1, tzinfo=UTC)
"""When clocks in Berlin jump from 3:00 to 2:00."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def nominal(spec: ScheduleSpec, after: datetime, until: datetime) -> list[datetime]:
    times: list[datetime] = []
    for time in compiled(spec).after(after, "seed"):
        if time.nominal > until:
            break
        times.append(time.nominal)
    return times


def first(spec: ScheduleSpec, after: datetime, count: int = 1) -> list[str]:
    return [f"{time.nominal:%Y-%m-%d %H:%M:%S}" for time in islice(compiled(spec).after(after, "seed"), count)]


def cron(*lines: str, zone: str | None = None) -> ScheduleSpec:
    return ScheduleSpec(cron_expressions=lines, time_zone_name=zone)


NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("0 9 * * MON-FRI", ["2027-01-01 09:00:00", "2027-01-04 09:00:00"]),
        ("*/20 * * * *", ["2027-01-01 00:20:00", "2027-01-01 00:40:00"]),
        ("0 12 13 * FRI", ["2027-08-13 12:00:00", "2028-10-13 12:00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        ("0 0 L * *", ["2027-01-31 00:00:00", "2027-02-28 00:00:00"]),
        ("0 0 * * MON#2", ["2027-01-11 00:00:00", "2027-02-08 00:00:00"]),
        ("0 0 * * 7", ["2027-01-03 00:00:00", "2027-01-10 00:00:00"]),
        ("0 0 1 1 * 2030-2034/2", ["2030-01-01 00:00:00", "2032-01-01 00:00:00"]),
        ("*/30 59 23 31 12 ? *", ["2027-12-31 23:59:00", "2027-12-31 23:59:30"]),
        ("@hourly", ["2027-01-01 01:00:00", "2027-01-01 02:00:00"]),
        ("@Daily", ["2027-01-02 00:00:00", "2027-01-03 00:00:00"]),
        ("@weekly", ["2027-01-03 00:00:00", "2027-01-10 00:00:00"]),
        ("@monthly", ["2027-02-01 00:00:00", "2027-03-01 00:00:00"]),
        ("@yearly # and a comment", ["2028-01-01 00:00:00", "2029-01-01 00:00:00"]),
        ("@every 1h30m", ["2027-01-01 01:30:00", "2027-01-01 03:00:00"]),
        ("@every 1h/5m", ["2027-01-01 00:05:00", "2027-01-01 01:05:00"]),
        ("CRON_TZ=Asia/Tokyo 0 9 * * *", ["2027-01-02 00:00:00", "2027-01-03 00:00:00"]),
        ("TZ=America/New_York 30 17 * * *", ["2027-01-01 22:30:00", "2027-01-02 22:30:00"]),
    ],
)
def test_a_line_of_cron_is_read_as_it_is_meant(line: str, times: list[str]) -> None:
    assert first(cron(line), NEW_YEAR, 2) == times


def test_a_time_that_clocks_jump_over_fires_once_at_the_moment_of_the_jump() -> None:
    times = nominal(cron("30 2 * * *", zone=BERLIN), SPRING - DAY, SPRING + DAY)
    assert times == [SPRING - DAY + HOUR / 2, SPRING, SPRING + DAY - HOUR / 2]


def test_times_that_clocks_jump_over_fire_once_for_all() -> None:
    assert nominal(cron("0,15,30,45 2-3 * * *", zone=BERLIN), SPRING - MINUTE, SPRING + 15 * MINUTE) == [
        SPRING,
        SPRING + 15 * MINUTE,
    ]


def test_a_time_that_comes_twice_fires_the_first_time() -> None:
    assert nominal(cron("30 2 * * *", zone=BERLIN), AUTUMN - DAY, AUTUMN + DAY + HOUR) == [
        AUTUMN - HOUR / 2,
        AUTUMN + DAY + HOUR / 2,
    ]


@pytest.mark.parametrize("night", [SPRING, AUTUMN])
def test_what_fires_every_hour_goes_on_through_odd_nights_as_time_does(night: datetime) -> None:
    times = nominal(cron("15 * * * *", zone=BERLIN), night - 3 * HOUR, night + 3 * HOUR)
    assert times == [night + n * HOUR + 15 * MINUTE for n in range(-3, 3)]


def test_an_interval_knows_no_odd_nights() -> None:
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=HOUR, offset=600)], time_zone_name=BERLIN)
    assert nominal(spec, AUTUMN - HOUR, AUTUMN + HOUR) == [AUTUMN - 50 * MINUTE, AUTUMN + 10 * MINUTE]


def test_times_of_all_parts_come_in_order_and_each_once() -> None:
    spec = ScheduleSpec(
        calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(0, 4, 2)], comment="even")],
        cron_expressions=["0 2 * * *"],
        intervals=[ScheduleIntervalSpec(every=timedelta(hours=3))],
    )
    assert [time[11:13] for time in first(spec, NEW_YEAR, 4)] == ["02", "03", "04", "06"]


def test_what_skip_fits_is_left_out() -> None:
    spec = ScheduleSpec(
        cron_expressions=["* * * * *"],
        skip=[
            ScheduleCalendarSpec(
                minute=[ScheduleRange(0, 59)],
                hour=[ScheduleRange(0, 23)],
                month=[ScheduleRange(1, 11)],
            )
        ],
    )
    assert first(spec, NEW_YEAR) == ["2027-12-01 00:00:00"]


def test_skip_looks_at_the_clock_time_that_was_meant() -> None:
    at_half_past_two = ScheduleCalendarSpec(hour=[ScheduleRange(2)], minute=[ScheduleRange(30)])
    spec = ScheduleSpec(calendars=[at_half_past_two], skip=[at_half_past_two], time_zone_name=BERLIN)
    assert first(spec, SPRING - DAY) == []


def test_of_a_spec_whose_times_are_all_skipped_none_is_left() -> None:
    assert (
        first(
            ScheduleSpec(
                cron_expressions=["* * * * *"],
                skip=[ScheduleCalendarSpec(minute=[ScheduleRange(0, 59)], hour=[ScheduleRange(0, 23)])],
            ),
            NEW_YEAR,
        )
        == []
    )


def test_start_and_end_are_themselves_in_it() -> None:
    spec = cron("0 * * * *")
    spec.start_at, spec.end_at = datetime(2027, 5, 1, 7), datetime(2027, 5, 1, 8, tzinfo=UTC)
    assert first(spec, NEW_YEAR, 9) == ["2027-05-01 07:00:00", "2027-05-01 08:00:00"]


def test_a_spec_of_nothing_has_no_times() -> None:
    assert first(ScheduleSpec(), NEW_YEAR) == []


def test_jitter_is_the_same_wherever_it_is_drawn_and_ends_before_the_next_time() -> None:
    spec = ScheduleSpec(cron_expressions=["* * * * *"], jitter=HOUR)

    def drawn(seed: str) -> list[timedelta]:
        return [time.actual - time.nominal for time in islice(compiled(spec).after(NEW_YEAR, seed), 50)]

    assert drawn("a") == drawn("a") != drawn("b")
    assert all(timedelta() <= jitter < MINUTE for jitter in drawn("a"))
    assert len(set(drawn("a"))) > 40


# By an oracle that looks at each minute

ranges = st.lists(
    st.builds(ScheduleRange, st.integers(0, 59), st.integers(0, 59), st.integers(0, 30)), min_size=1, max_size=2
)
hours = st.lists(
    st.builds(ScheduleRange, st.integers(0, 23), st.integers(0, 23), st.integers(0, 3)), min_size=1
)
days = st.just([ScheduleRange(0, 6)]) | st.lists(st.builds(ScheduleRange, st.integers(0, 6)), min_size=1)
calendars = st.builds(
    ScheduleCalendarSpec,
    minute=ranges,
    hour=hours | st.just([ScheduleRange(0, 23)]),
    day_of_week=days,
)
zones = st.sampled_from(
    [
        "UTC",
        BERLIN,
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/Havana",
        "Asia/Beirut",
    ]
)
WINDOW = timedelta(days=3)


def has(ranges: Sequence[ScheduleRange], number: int) -> bool:
    return any(number in range(one.start, one.end + 1, one.step) for one in ranges)


def fits(spec: ScheduleCalendarSpec, wall: datetime) -> bool:
    return (
        has(spec.minute, wall.minute)
        and has(spec.hour, wall.hour)
        and has(spec.day_of_week, wall.isoweekday() % 7)
    )


def minute_by_minute(spec: ScheduleCalendarSpec, zone: ZoneInfo, begin: datetime) -> list[datetime]:
    every_hour = all(has(spec.hour, hour) for hour in range(24))
    found: list[datetime] = []
    expected: datetime | None = None
    for number in range(-1, int(WINDOW / MINUTE) + 1):
        now = begin + number * MINUTE
        local = now.astimezone(zone)
        wall = local.replace(tzinfo=None, fold=0)
        missing = expected
        while not every_hour and missing is not None and missing < wall:
            if fits(spec, missing):
                found.append(now)
            missing += MINUTE
        if fits(spec, wall) and (every_hour or not local.fold):
            found.append(now)
        expected = wall + MINUTE
    return sorted({moment for moment in found if moment > begin})


@settings(max_examples=60, deadline=None)
@given(
    calendars,
    zones,
    st.sampled_from(
        [datetime(2027, *day, tzinfo=UTC) for day in ((3, 13), (3, 27), (4, 2), (10, 2), (10, 29), (11, 6))]
    ),
    st.integers(0, 24 * 60),
)
def test_a_calendar_fires_when_a_look_at_each_minute_says_so(
    spec: ScheduleCalendarSpec, name: str, day: datetime, minutes: int
) -> None:
    begin = day + minutes * MINUTE
    found = nominal(ScheduleSpec(calendars=[spec], time_zone_name=name), begin, begin + WINDOW)
    assert found == minute_by_minute(spec, ZoneInfo(name), begin)


@settings(max_examples=60, deadline=None)
@given(calendars, calendars, zones, st.integers(0, 366 * 24 * 60))
def test_what_is_skipped_is_what_a_look_at_each_time_says(
    spec: ScheduleCalendarSpec, skip: ScheduleCalendarSpec, name: str, minutes: int
) -> None:
    begin = NEW_YEAR + minutes * MINUTE
    all_times = compiled(ScheduleSpec(calendars=[spec], time_zone_name=name))
    left = compiled(ScheduleSpec(calendars=[spec], skip=[skip], time_zone_name=name))
    expected = [moment for moment, wall in meant(all_times, begin, begin + WINDOW) if not fits(skip, wall)]
    assert [moment for moment, _ in meant(left, begin, begin + WINDOW)] == expected


def meant(times: Times, after: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """With what clocks were meant to show."""
    (source,) = times.sources
    found: list[tuple[datetime, datetime]] = []
    for time in times.after(after, ""):
        if time.nominal > until:
            break
        one = source.after(time.nominal - timedelta(seconds=1))
        assert one is not None
        found.append(one)
    return found


# What is refused


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("* * * *", r"cron_expressions\[0\] '\* \* \* \*' has 4 fields: write 5"),
        ("", "has 0 fields"),
        ("61 * * * *", "its minute cannot be '61'"),
        ("* 24 * * *", "its hour cannot be '24'"),
        ("* * 0 * *", "its day of month cannot be '0'"),
        ("* * * 13 *", "its month cannot be '13'"),
        ("* * * * 8", "its day of week cannot be '8'"),
        ("* * * * MOON", "its day of week cannot be 'MOON'"),
        ("*/0 * * * *", "its minute cannot be '\\*/0'"),
        ("5-1 * * * *", "its minute cannot be '5-1'"),
        ("-1 * * * *", "its minute cannot be '-1'"),
        ("1,,2 * * * *", "its minute cannot be '1,,2'"),
        ("0 0 30 2 *", "fits no day"),
        ("0 0 1 1 * 20277", "its year cannot be '20277'"),
        ("0 0 1 1 * 1066", "its year cannot be '1066'"),
        ("@reboot", "'@reboot' is none of @yearly"),
        ("@every", "write its duration like 90s"),
        ("@every soon", "write its duration like 90s"),
        ("@every 0s", "must be a second at least"),
        ("@every 1h/2h", "an offset of 2:00:00, which must be less"),
        ("@every " + "9" * 300 + "d", "its duration is too long"),
        ("CRON_TZ=Mars/Olympus 0 0 * * *", "time zone of cron_expressions.* 'Mars/Olympus' is no time zone"),
        ("CRON_TZ=../../etc/passwd 0 0 * * *", "is no time zone"),
        ("0 0 * * *" + " " * 2_000, None),
        ("x" * 2_000, "has more than 1,000 characters"),
    ],
)
def test_a_line_that_is_none_is_refused_with_its_place(line: str, sentence: str | None) -> None:
    if sentence is None:
        sentence = "has more than 1,000 characters"
    with pytest.raises(ValueError, match=sentence):
        compiled(cron(line))


def calendar(**fields: object) -> ScheduleSpec:
    return ScheduleSpec(calendars=[ScheduleCalendarSpec(), ScheduleCalendarSpec(**fields)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            calendar(hour=[ScheduleRange(24)]),
            r"calendars\[1\]\.hour\[0\]\.start must be a whole number from 0 to 23",
        ),
        (
            calendar(minute=[ScheduleRange(0), ScheduleRange(5, 60)]),
            r"calendars\[1\]\.minute\[1\]\.end must be",
        ),
        (calendar(second=[ScheduleRange(0, 59, -1)]), r"second\[0\]\.step must be"),
        (calendar(day_of_week=[ScheduleRange(7)]), "day_of_week.* from 0 to 6"),
        (calendar(hour=[]), r"calendars\[1\]\.hour has no range"),
        (calendar(hour=3), r"calendars\[1\]\.hour must be a list of ScheduleRange, not 3"),
        (calendar(hour=[3]), r"calendars\[1\]\.hour\[0\] must be a ScheduleRange, not 3"),
        (calendar(month=[ScheduleRange(6)], day_of_month=[ScheduleRange(31)]), r"calendars\[1\] fits no day"),
        (calendar(comment=3), r"comment must be text"),
        (ScheduleSpec(cron_expressions="* * * * *"), "cron_expressions must be a list of str"),
        (ScheduleSpec(intervals=[ScheduleIntervalSpec(every=0)]), r"intervals\[0\] is every 0:00:00"),
        (ScheduleSpec(intervals=[ScheduleIntervalSpec(every=-5)]), r"intervals\[0\]\.every must be"),
        (ScheduleSpec(intervals=[ScheduleIntervalSpec(5, 5)]), r"intervals\[0\] has an offset"),
        (ScheduleSpec(time_zone_name="Europe/Atlantis"), "time_zone_name 'Europe/Atlantis' is no time zone"),
        (ScheduleSpec(time_zone_name="Europe"), "time_zone_name 'Europe' is no time zone"),
        (ScheduleSpec(jitter=-1), "jitter must be"),
        (ScheduleSpec(start_at="today"), "start_at must be a datetime"),  # type: ignore[arg-type]
        (ScheduleSpec(start_at=datetime.max), "start_at must be not later"),
        (ScheduleSpec(start_at=NEW_YEAR, end_at=NEW_YEAR - DAY), "end_at .* is earlier than start_at"),
        (
            ScheduleSpec(cron_expressions=["CRON_TZ=UTC 0 0 * * *"], time_zone_name=BERLIN),
            "has a time zone, and time_zone_name another",
        ),
        (None, "The spec must be a ScheduleSpec"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_with_what_and_where(spec: ScheduleSpec, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        compiled(spec)


def test_an_end_at_the_end_of_time_is_no_end() -> None:
    spec = cron("0 0 1 1 *")
    spec.end_at = datetime.max
    assert first(spec, NEW_YEAR) == ["2028-01-01 00:00:00"]


def test_of_many_lines_only_those_are_asked_for_a_later_time_that_have_had_one() -> None:
    times = compiled(cron(*(f"{minute} 0 * * *" for minute in range(60))))
    asked: list[datetime] = []
    after = Calendar.after

    def counted(calendar: Calendar, instant: datetime) -> tuple[datetime, datetime] | None:
        asked.append(instant)
        return after(calendar, instant)

    with patch.object(Calendar, "after", counted):
        assert len(list(islice(times.after(NEW_YEAR, "seed"), 600))) == 600
    assert len(asked) <= 60 + 601
