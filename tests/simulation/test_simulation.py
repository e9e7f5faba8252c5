"""The engine in a world full of faults: whatever happens, what was promised holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from dalsegno.actors.workflow_actor.stored import snapshots
from tests.simulation.faults import KINDS, SWITCHED
from tests.simulation.language import FULL_FROM, LONG_FROM, MOVING_FROM, SWITCHING_FROM, WHOLE_FROM
from tests.simulation.runner import Summary, run_seed, run_seeds

ROOT = Path(__file__).parents[2]
PARTS = 4
FAULTS_PER_PART = 5_000
SEEDS_PER_PART = 1_000


def _report(summary: Summary) -> str:
    return "\n".join(
        f"{failure.text}\n{os.linesep.join(failure.trace)}\nscript/simulate --seed {failure.seed} --seeds 1"
        for failure in summary.failures
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_promise_is_broken_by_five_thousand_faults(part: int) -> None:
    first = part * SEEDS_PER_PART
    summary = run_seeds(range(first, first + SEEDS_PER_PART), stop_at=1, fault_goal=FAULTS_PER_PART)
    assert not summary.failures, _report(summary)
    assert summary.fault_count >= FAULTS_PER_PART
    print(f"{summary.faults_per_cpu_minute:,.0f} faults per CPU minute")


@pytest.mark.timeout(300)
def test_no_promise_is_broken_where_the_whole_language_is_spoken() -> None:
    summary = run_seeds(range(WHOLE_FROM, 2 * WHOLE_FROM), stop_at=1, fault_goal=FAULTS_PER_PART)
    assert not summary.failures, _report(summary)
    assert summary.fault_count >= FAULTS_PER_PART


@pytest.mark.timeout(300)
def test_no_promise_is_broken_where_runs_are_tried_again_and_persons_are_waited_for() -> None:
    summary = run_seeds(range(LONG_FROM, 2 * LONG_FROM), stop_at=1, fault_goal=FAULTS_PER_PART)
    assert not summary.failures, _report(summary)
    assert summary.fault_count >= FAULTS_PER_PART


@pytest.mark.timeout(300)
def test_no_promise_is_broken_while_a_namespace_moves_to_the_next_stored_format() -> None:
    summary = run_seeds(range(MOVING_FROM, 2 * MOVING_FROM), stop_at=1, fault_goal=FAULTS_PER_PART)
    assert not summary.failures, _report(summary)
    assert summary.fault_count >= FAULTS_PER_PART


@pytest.mark.timeout(300)
def test_no_promise_is_broken_where_updates_come_with_starts_and_some_do_not_fit_and_runs_are_listed() -> None:
    summary = run_seeds(range(FULL_FROM, 2 * FULL_FROM), stop_at=1, fault_goal=FAULTS_PER_PART)
    assert not summary.failures, _report(summary)
    assert summary.fault_count >= FAULTS_PER_PART


@pytest.mark.timeout(300)
def test_no_promise_is_broken_while_codecs_stores_and_interceptors_are_switched_on_and_off() -> None:
    summary = run_seeds(range(SWITCHING_FROM, 2 * SWITCHING_FROM), stop_at=1, fault_goal=FAULTS_PER_PART)
    assert not summary.failures, _report(summary)
    assert summary.fault_count >= FAULTS_PER_PART
    assert not set(SWITCHED) - summary.faults.keys()


@pytest.mark.timeout(300)
def test_every_kind_of_fault_happens() -> None:
    """Within eighty seeds; it has taken half of them."""
    rare = {"host killed: leases gained", "host killed: membership call", "signal the database refuses"}
    missing = set(KINDS) - rare - set(SWITCHED)
    for seed in range(20_000, 20_080):
        summary = run_seeds([seed], stop_at=1)
        assert not summary.failures, _report(summary)
        missing -= summary.faults.keys()
        if not missing:
            break
    assert not missing


def test_a_seed_gives_the_same_run_again() -> None:
    for seed in range(3):
        first, _ = run_seed(seed)
        again, _ = run_seed(seed)
        assert (first.scheduler.digest, first.scheduler.steps) == (
            again.scheduler.digest,
            again.scheduler.steps,
        )
        assert first.faults.happened == again.faults.happened


def test_a_seed_gives_the_same_run_whatever_the_hash_seed() -> None:
    program = (
        "from tests.simulation.runner import run_seed\n"
        "for seed in range(3):\n"
        "    simulation, failure = run_seed(seed)\n"
        "    print(simulation.scheduler.digest, simulation.scheduler.steps, failure)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4711")
    }
    assert len(outputs) == 1, outputs


def test_snapshots_that_are_made_over_several_activations_keep_all_promises() -> None:
    with (
        patch.object(snapshots, "ACTIVATIONS_MIN", 1),
        patch.object(snapshots, "LARGE", 0),
        patch.object(snapshots, "PORTION_BYTES", 200),
    ):
        summary = run_seeds(range(30_000, 30_020), stop_at=1)
    assert not summary.failures, _report(summary)
