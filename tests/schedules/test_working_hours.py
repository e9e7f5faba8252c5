"""When so much working time has passed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from dalsegno import WorkingHours

MONDAY = datetime(2026, 11, 30, 10, tzinfo=UTC)
"""At ten."""
HOUR = timedelta(hours=1)
BERLIN = WorkingHours(time_zone_name="Europe/Berlin")


@pytest.mark.parametrize(
    ("hours", "end"),
    [
        (0, MONDAY),
        (1, MONDAY + HOUR),
        (7, datetime(2026, 11, 30, 17, tzinfo=UTC)),
        (7.5, datetime(2026, 12, 1, 9, 30, tzinfo=UTC)),
        (8 * 4 + 7, datetime(2026, 12, 4, 17, tzinfo=UTC)),
        (8 * 4 + 8, datetime(2026, 12, 7, 10, tzinfo=UTC)),
    ],
)
def test_nights_and_weekends_do_not_count(hours: float, end: datetime) -> None:
    assert WorkingHours().after(MONDAY, hours * HOUR) == end


@pytest.mark.parametrize(
    "begin", [datetime(2026, 11, 28, 3, tzinfo=UTC), datetime(2026, 11, 27, 17, tzinfo=UTC)]
)
def test_what_begins_outside_of_them_begins_with_the_next(begin: datetime) -> None:
    assert WorkingHours().after(begin, timedelta()) == datetime(2026, 11, 30, 9, tzinfo=UTC)
    assert WorkingHours().after(begin, HOUR) == datetime(2026, 11, 30, 10, tzinfo=UTC)


def test_nobody_works_on_a_holiday_nor_between_two_parts_of_a_day() -> None:
    office = WorkingHours(
        hours=[(time(9), time(12)), (time(13), time(17))], holidays={date(2026, 12, 1), date(2026, 12, 2)}
    )
    assert office.after(MONDAY, 2 * HOUR) == datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert office.after(MONDAY, 3 * HOUR) == datetime(2026, 11, 30, 14, tzinfo=UTC)
    assert office.after(MONDAY, 7 * HOUR) == datetime(2026, 12, 3, 10, tzinfo=UTC)


def test_they_are_those_of_clocks_and_last_as_long_as_time_does() -> None:
    """In the night to 29 March 2026 clocks go from two to three, and to 25 October from three to two."""
    assert BERLIN.after(MONDAY, HOUR) == MONDAY + HOUR
    nights = WorkingHours(days=["sun"], hours=[(time(0), time(0))], time_zone_name="Europe/Berlin")
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 1), 24)):
        begin = datetime.combine(day - timedelta(days=1), time(12), tzinfo=UTC)
        first, last = nights.after(begin, timedelta()), nights.after(begin, hours * HOUR)
        assert last - first == hours * HOUR
        assert nights.after(begin, hours * HOUR + HOUR) - last > timedelta(days=5)


def test_what_never_comes_is_refused() -> None:
    with pytest.raises(ValueError, match="not over within ten years"):
        WorkingHours().after(MONDAY, timedelta(days=1_000))
    holidays = {date(2026, 1, 1) + timedelta(days=day) for day in range(5_000)}
    with pytest.raises(ValueError, match="not over within ten years"):
        WorkingHours(holidays=holidays).after(MONDAY, HOUR)
    with pytest.raises(ValueError, match="not over within ten years"):
        WorkingHours().after(datetime(9999, 12, 30, tzinfo=UTC), timedelta(days=3))


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"days": "mon"}, "days of working hours"),
        ({"days": []}, "days of working hours"),
        ({"days": ["Monday"]}, "days of working hours"),
        ({"days": [[]]}, "days of working hours"),
        ({"days": 5}, "days of working hours"),
        ({"hours": []}, "hours of working hours"),
        ({"hours": 5}, "hours of working hours"),
        ({"hours": [(9, 17)]}, "hours of working hours"),
        ({"hours": [(time(17), time(9))]}, "hours of working hours"),
        ({"hours": [(time(9), time(9))]}, "hours of working hours"),
        ({"hours": [(time(9), time(13)), (time(12), time(17))]}, "hours of working hours"),
        ({"hours": [(time(9), time(0)), (time(12), time(17))]}, "hours of working hours"),
        ({"hours": [(time(9, tzinfo=UTC), time(17))]}, "hours of working hours"),
        ({"holidays": ["2026-12-25"]}, "holiday of working hours"),
        ({"holidays": [MONDAY]}, "holiday of working hours"),
        ({"holidays": 5}, "holidays of working hours"),
        ({"time_zone_name": "Mars/Olympus"}, "time_zone_name of working hours"),
        ({"time_zone_name": 5}, "time_zone_name of working hours"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(odd: dict[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        WorkingHours(**odd)


@pytest.mark.parametrize(
    ("moment", "span", "says"),
    [
        (MONDAY, -HOUR, "The working time must be none or more"),
        (MONDAY.replace(tzinfo=None), HOUR, "time zone"),
    ],
)
def test_no_time_passes_backwards_nor_from_a_moment_of_no_zone(
    moment: datetime, span: timedelta, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        WorkingHours().after(moment, span)
