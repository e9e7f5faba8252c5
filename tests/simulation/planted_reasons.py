"""Bugs to plant in what says why a workflow does not move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from dalsegno.reasons import explain
from dalsegno.reasons.of_activities import NoWorker
from tests.simulation.planted_releases import Plant


@contextmanager
def timers_are_no_reason() -> Iterator[None]:
    """Who waits for one alone is not explained."""
    with patch.object(explain, "_of_messages", lambda evidence: iter(())):
        yield


@contextmanager
def no_worker_is_said_of_whoever_waits() -> Iterator[None]:
    def scheduled(evidence: Any, activity: Any, about: dict[str, Any]) -> NoWorker:
        return NoWorker(**about, since=activity.scheduled_at)

    with patch.dict(explain._BY_STATE, {"scheduled": scheduled}):
        yield


@contextmanager
def the_other_end_of_a_timer() -> Iterator[None]:
    """When it was set, and not when it fires."""
    real = explain._timer

    def timer(evidence: Any, fires_at: int, number: int | None) -> Any:
        return real(evidence, evidence.run.moved_at or 0, number)

    with patch.object(explain, "_timer", timer):
        yield


REASON_BUGS: tuple[Plant, ...] = (
    timers_are_no_reason,
    no_worker_is_said_of_whoever_waits,
    the_other_end_of_a_timer,
)
