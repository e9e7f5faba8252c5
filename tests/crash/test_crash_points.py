"""Hosts, workers and clients die with -9 at every named point, on the embedded broker and SQLite.

CRASH_SEED=<seed> repeats the choices of a run; the seed is printed.
"""

from __future__ import annotations

import os
import secrets

import pytest

from tests.crash.point import EMBEDDED, SQLITE, Need, Point
from tests.crash.points import points_on
from tests.crash.runner import plan
from tests.crash.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

STAGE = "embedded"
ROUNDS = 3
FEWER_ROUNDS = {Need.TAKE_OVER: 2, Need.IDLE: 2, Need.RUNS: 1}
"""Those take long; for these there is one on servers, too."""
SEED = os.environ.get("CRASH_SEED") or secrets.token_hex(4)
POINTS = points_on(EMBEDDED, SQLITE)


@pytest.mark.parametrize("point", POINTS, ids=[point.name for point in POINTS])
async def test_everything_ends_once_whoever_dies_at(stage: Stage, point: Point) -> None:
    print(f"CRASH_SEED={SEED}")
    for round_ in range(FEWER_ROUNDS.get(point.need, ROUNDS)):
        kill, chance = plan(SEED, round_, point)
        assert await stage.kill(kill, chance) == [], f"{kill}"
