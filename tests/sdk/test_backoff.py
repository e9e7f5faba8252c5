"""How long waits get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.backoff import Backoff, doubled
from dalsegno.client.timings import ClientTimings
from dalsegno.workers.settings import WorkerTiming

LONGEST_SECONDS = 2.0
TRIES = 50


@given(st.integers(1, 10**6), st.integers(0, 60))
def test_a_wait_doubles_up_to_the_longest(first: int, times: int) -> None:
    assert doubled(first, 10**9, times) == min(first * 2**times, 10**9)


@given(st.integers(64, 10**12))
def test_whoever_failed_for_years_waits_no_longer_than_the_longest(times: int) -> None:
    assert doubled(0.05, 5.0, times) == 5.0
    assert doubled(1_000_000, 600_000_000, times) == 600_000_000


@pytest.mark.parametrize(
    ("first", "longest"),
    [
        (WorkerTiming().reconnect_after, WorkerTiming().reconnect_after_max),
        (ClientTimings().pause_min, ClientTimings().pause_max),
    ],
    ids=["worker", "client"],
)
def test_a_broker_is_tried_every_two_seconds_however_long_it_was_away(first: float, longest: float) -> None:
    backoff = Backoff(first, longest)

    waits = [backoff.next_seconds() for _ in range(TRIES)]

    assert max(waits) <= LONGEST_SECONDS
    assert waits[0] <= first


def test_without_jitter_a_wait_is_exactly_that_long() -> None:
    backoff = Backoff(0.5, 5.0, jitter=False)

    assert [backoff.next_seconds() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_what_worked_begins_with_a_first_wait_again() -> None:
    backoff = Backoff(0.1, 10.0)
    for _ in range(TRIES):
        backoff.next_seconds()

    backoff.reset()

    assert backoff.next_seconds() <= 0.1
