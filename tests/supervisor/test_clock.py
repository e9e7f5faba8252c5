"""The estimate of database time, whatever is done to the database's clock."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from dalsegno.actors.supervisor.clock import DatabaseClock

SECOND = 1_000_000
HOUR = 3600 * SECOND
T0 = 1_800_000_000 * SECOND


class Clocks:
    """Ours, and the database's. `database_time` is put forward and back; both go at the same speed."""

    def __init__(self) -> None:
        self._monotonic = 1000 * SECOND
        self.database_time = T0
        self.clock = DatabaseClock(lambda: self._monotonic / 1e6)
        self.clock.heard(T0)

    def pass_time(self, microseconds: int) -> None:
        self._monotonic += microseconds
        self.database_time += microseconds

    def put(self, microseconds: int) -> None:
        self.database_time += microseconds
        self.clock.heard(self.database_time)


def test_it_goes_on_at_half_speed_while_the_database_is_behind_and_then_agrees_with_it() -> None:
    clocks = Clocks()
    before = clocks.clock.now()
    clocks.put(-HOUR)
    assert clocks.clock.now() == before
    clocks.pass_time(HOUR)
    assert clocks.clock.now() == before + HOUR // 2 == clocks.database_time + HOUR // 2
    clocks.pass_time(HOUR)
    assert clocks.clock.now() == clocks.database_time
    clocks.pass_time(HOUR)
    assert clocks.clock.now() == clocks.database_time


def test_it_does_not_stand_still_for_being_asked_every_microsecond() -> None:
    clocks = Clocks()
    before = clocks.clock.now()
    clocks.put(-HOUR)
    for _ in range(100):
        clocks.pass_time(1)
        clocks.clock.now()
    assert abs(clocks.clock.now() - before - 50) <= 1


def test_a_wall_clock_that_is_ahead_is_forgotten_when_the_database_is_heard_of() -> None:
    clock = DatabaseClock(lambda: 1000.0)
    assert clock.now() > SECOND
    clock.heard(SECOND)
    assert clock.now() == SECOND


@given(st.lists(st.tuples(st.integers(0, HOUR), st.one_of(st.none(), st.integers(-HOUR, HOUR)))))
@example([(0, -HOUR), (HOUR, None), (HOUR, -1), (5, HOUR)])
def test_it_never_goes_back_nor_stands_still_nor_runs_ahead(steps: list[tuple[int, int | None]]) -> None:
    clocks = Clocks()
    said, latest = clocks.clock.now(), clocks.database_time
    for elapsed, jump in steps:
        clocks.pass_time(elapsed)
        latest += elapsed
        if jump is not None:
            clocks.put(jump)
        latest = max(latest, clocks.database_time)
        now = clocks.clock.now()
        # A microsecond is lost to rounding, one to the float of the monotonic clock.
        assert now >= said + elapsed // 2 - 2
        assert now >= said
        assert clocks.database_time - 2 <= now <= latest + 2
        said = now
    lead = said - clocks.database_time
    clocks.pass_time(2 * max(lead, 0) + 4)
    assert abs(clocks.clock.now() - clocks.database_time) <= 2
