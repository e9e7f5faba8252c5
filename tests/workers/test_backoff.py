"""How long waits get."""

from __future__ import annotations

from dalsegno.client.timings import ClientTimings, Pauses
from dalsegno.workers.backoff import Backoff
from dalsegno.workers.settings import WorkerTiming

LONGEST_SECONDS = 2.0
TRIES = 50


def test_a_worker_tries_to_reach_its_broker_every_two_seconds_however_long_it_was_away() -> None:
    timing = WorkerTiming()
    backoff = Backoff(timing.reconnect_after, timing.reconnect_after_max)

    waits = [backoff.next_seconds() for _ in range(TRIES)]

    assert max(waits) <= LONGEST_SECONDS
    assert waits[0] <= timing.reconnect_after


def test_so_does_a_client() -> None:
    pauses = Pauses(ClientTimings())

    assert max(pauses.next() for _ in range(TRIES)) <= LONGEST_SECONDS


def test_what_worked_begins_with_a_first_wait_again() -> None:
    backoff = Backoff(0.1, 10.0)
    for _ in range(TRIES):
        backoff.next_seconds()

    backoff.reset()

    assert backoff.next_seconds() <= 0.1
