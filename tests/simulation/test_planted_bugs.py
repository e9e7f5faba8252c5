"""A simulator that finds no bugs proves nothing: each of these is found, and soon."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.simulation.language import FULL_FROM, LONG_FROM, MOVING_FROM, SWITCHING_FROM, WHOLE_FROM
from tests.simulation.planted import BUGS, dedupe_dropped
from tests.simulation.planted_full import FULL_BUGS
from tests.simulation.planted_lasting import LASTING_BUGS, MOVING_BUGS
from tests.simulation.planted_reasons import REASON_BUGS
from tests.simulation.planted_releases import Plant
from tests.simulation.planted_switching import SWITCHING_BUGS
from tests.simulation.planted_words import WORD_BUGS
from tests.simulation.runner import run_seed, run_seeds, shrink

WITHIN_FAULTS = 10_000


def must_be_found(plant: Plant, seeds: range, *, by: Collection[str]) -> None:
    """By one of these invariants, before so many faults have happened."""
    with plant():
        summary = run_seeds(seeds, stop_at=1, fault_goal=WITHIN_FAULTS)
    assert summary.failures, f"{summary.fault_count} faults have not shown it"
    assert summary.failures[0].name in by, summary.failures[0].text
    print(f"found by {summary.failures[0].name} after {summary.fault_count} faults")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found_within_ten_thousand_faults(plant: Plant) -> None:
    must_be_found(plant, range(WITHIN_FAULTS), by=BUGS[plant])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", WORD_BUGS, ids=lambda plant: plant.__name__)
def test_one_of_the_whole_language_is_found_within_ten_thousand_faults(plant: Plant) -> None:
    must_be_found(plant, range(WHOLE_FROM, 2 * WHOLE_FROM), by=WORD_BUGS[plant])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", LASTING_BUGS, ids=lambda plant: plant.__name__)
def test_one_of_what_lasts_is_found_within_ten_thousand_faults(plant: Plant) -> None:
    must_be_found(plant, range(LONG_FROM, 2 * LONG_FROM), by=LASTING_BUGS[plant])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", MOVING_BUGS, ids=lambda plant: plant.__name__)
def test_one_of_a_namespace_that_moves_is_found_within_ten_thousand_faults(plant: Plant) -> None:
    must_be_found(plant, range(MOVING_FROM, 2 * MOVING_FROM), by=MOVING_BUGS[plant])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", FULL_BUGS, ids=lambda plant: plant.__name__)
def test_one_of_what_comes_with_starts_or_does_not_fit_or_is_listed_is_found(plant: Plant) -> None:
    must_be_found(plant, range(FULL_FROM, 2 * FULL_FROM), by=FULL_BUGS[plant])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", SWITCHING_BUGS, ids=lambda plant: plant.__name__)
def test_one_of_codecs_stores_and_interceptors_that_are_switched_on_is_found(plant: Plant) -> None:
    must_be_found(plant, range(SWITCHING_FROM, 2 * SWITCHING_FROM), by=SWITCHING_BUGS[plant])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", REASON_BUGS, ids=lambda plant: plant.__name__)
def test_one_that_gives_no_reason_or_a_false_one_is_found(plant: Plant) -> None:
    must_be_found(plant, range(WHOLE_FROM, 2 * WHOLE_FROM), by=("why",))


@pytest.mark.timeout(300)
def test_a_failure_is_narrowed_down_to_the_faults_that_it_takes() -> None:
    with dedupe_dropped():
        failure = run_seeds(range(100), stop_at=1).failures[0]
        narrowed = shrink(failure, seconds=60.0)
        _, again = run_seed(narrowed.seed, only=frozenset(narrowed.faults))
    assert again == narrowed
    assert len(narrowed.faults) <= 30 < len(failure.faults)
