"""All named points at which processes are killed: the test plan's table, on this code.

Some moments that one might look for do not exist here; docs/how-it-is-tested.md says which, and why.
"""

from __future__ import annotations

from tests.crash.between_points import BETWEEN_POINTS
from tests.crash.crossing import Crossing, Page
from tests.crash.outside_points import CLIENT_POINTS, WORKER_POINTS
from tests.crash.point import Point
from tests.crash.round_points import ROUND_POINTS
from tests.crash.tenure_points import TENURE_POINTS

POINTS = (*ROUND_POINTS, *TENURE_POINTS, *BETWEEN_POINTS, *WORKER_POINTS, *CLIENT_POINTS)
BY_NAME = {point.name: point for point in POINTS}


def points_on(broker: str, database: str) -> list[Point]:
    """Those that there are with these kinds."""
    return [point for point in POINTS if point.only in (None, broker, database)]


def number_of(point: Point) -> int:
    """What a page knows it by."""
    return POINTS.index(point) + 1


def surround_production_code(page: Page) -> None:
    """Put every point in its place. Once per process, before anything runs."""
    for number, point in enumerate(POINTS, start=1):
        for site in point.sites:
            site(Crossing(page, number))
