"""Runs seeds, and tells of a failure what it takes: the seed, the faults that matter, and the end of the
trace."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.simulation.faults import KINDS, FaultID
from tests.simulation.language import FULL_FROM, LONG_FROM, MOVING_FROM, SWITCHING_FROM, WHOLE_FROM
from tests.simulation.scheduler import SECOND
from tests.simulation.switching import SwitchingSimulation
from tests.simulation.violation import Violation
from tests.simulation.world import Simulation

TRACE_SHOWN = 60
SHRINKING_SECONDS = 120.0
FIRST = (
    f"the first (default: 0); from {WHOLE_FROM:,} on the whole language is spoken, from {LONG_FROM:,} on "
    "runs are tried again and persons are waited for, too; "
    f"from {MOVING_FROM:,} on the namespace moves from one stored format to the next meanwhile; "
    f"from {FULL_FROM:,} on there are updates that come with starts, what does not fit, and search attributes; "
    f"from {SWITCHING_FROM:,} on codecs, a payload store and interceptors are switched on, process by process"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """`name` is the invariant's. `faults` are those that led to it."""

    seed: int
    name: str
    text: str
    faults: tuple[FaultID, ...]
    trace: tuple[str, ...]


@dataclass(slots=True)
class Summary:
    seeds: int = 0
    steps: int = 0
    cpu_seconds: float = 0.0
    simulated_seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    @property
    def fault_count(self) -> int:
        return sum(self.faults.values())

    @property
    def faults_per_cpu_minute(self) -> float:
        return self.fault_count / max(self.cpu_seconds, 1e-9) * 60


def run_seed(
    seed: int, *, only: frozenset[FaultID] | None = None, keep_trace: bool = False
) -> tuple[Simulation, Failure | None]:
    """One simulation. An error of any class is a failure: nothing here may raise."""
    kind = SwitchingSimulation if seed >= SWITCHING_FROM else Simulation
    simulation = kind(seed, only=only, keep_trace=keep_trace)
    try:
        simulation.run()
    except Violation as violation:
        return simulation, _failure(simulation, violation.name, str(violation))
    except Exception as error:  # noqa: BLE001 - whatever it is, it comes with its seed
        text = "".join(traceback.format_exception(error)[-6:])
        return simulation, _failure(simulation, type(error).__name__, text)
    return simulation, None


def _failure(simulation: Simulation, name: str, text: str) -> Failure:
    faults = tuple(simulation.faults.happened)
    return Failure(simulation.seed, name, text, faults, tuple(_lines(simulation)[-TRACE_SHOWN:]))


def _lines(simulation: Simulation) -> list[str]:
    return [f"{at / SECOND:10.4f} {who:8} {what}" for at, who, what in simulation.scheduler.lines]


def run_seeds(seeds: Iterable[int], *, stop_at: int | None = None, fault_goal: int | None = None) -> Summary:
    """`stop_at` that many failures; or when there were `fault_goal` faults."""
    summary = Summary()
    for seed in seeds:
        began = time.process_time()
        simulation, failure = run_seed(seed)
        summary.cpu_seconds += time.process_time() - began
        summary.seeds += 1
        summary.steps += simulation.scheduler.steps
        summary.simulated_seconds += simulation.scheduler.now / SECOND
        summary.faults.update(kind for kind, _ in simulation.faults.happened)
        if failure is not None:
            summary.failures.append(failure)
        if stop_at is not None and len(summary.failures) >= stop_at:
            break
        if fault_goal is not None and summary.fault_count >= fault_goal:
            break
    return summary


def shrink(failure: Failure, *, seconds: float = SHRINKING_SECONDS) -> Failure:
    """Leave out what the failure does not take: half of its faults, a quarter, and so on down to single
    ones."""
    end = time.monotonic() + seconds
    best = failure
    size = len(best.faults)
    while size >= 1:
        start = 0
        while start < len(best.faults) and time.monotonic() < end:
            rest = frozenset(best.faults[:start] + best.faults[start + size :])
            _, found = run_seed(best.seed, only=rest)
            if found is not None and found.name == best.name and len(found.faults) < len(best.faults):
                best = found
            else:
                start += size
        size //= 2
    return best


# --- the command -------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help=FIRST)
    parser.add_argument("--stop-at", type=int, default=3, help="so many failures (default: 3)")
    parser.add_argument("--no-shrinking", action="store_true", help="show failures as they are found")
    parser.add_argument("--trace", action="store_true", help="show all that happens with one seed")
    options = parser.parse_args(arguments)
    console = Console()
    if options.trace:
        return _show_trace(console, options.seed)
    seeds = range(options.seed, options.seed + options.seeds)
    summary = run_seeds(_with_progress(seeds, console), stop_at=options.stop_at)
    for failure in summary.failures:
        _show_failure(console, failure if options.no_shrinking else shrink(failure))
    _show_summary(console, summary)
    return 1 if summary.failures else 0


def _with_progress(seeds: range, console: Console) -> Iterable[int]:
    if not console.is_terminal:
        return seeds
    return track(seeds, description="seeds", console=console)


def _show_trace(console: Console, seed: int) -> int:
    simulation, failure = run_seed(seed, keep_trace=True)
    for line in _lines(simulation):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if failure is not None:
        console.print(failure.text, style="bold red", markup=False, soft_wrap=True)
    return 0 if failure is None else 1


def _show_failure(console: Console, failure: Failure) -> None:
    console.rule(f"seed {failure.seed}: {failure.name}")
    for line in failure.trace:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(failure.text, style="bold red", markup=False, soft_wrap=True)
    kinds = Counter(kind for kind, _ in failure.faults)
    console.print("It takes: " + ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items())))
    console.print(f"Again: script/simulate --seed {failure.seed} --seeds 1")


def _show_summary(console: Console, summary: Summary) -> None:
    table = Table("fault", "times")
    for kind in KINDS:
        table.add_row(kind, str(summary.faults[kind]))
    console.print(table)
    speed = summary.simulated_seconds / max(summary.cpu_seconds, 1e-9)
    console.print(
        f"{summary.seeds} seeds, {summary.fault_count} faults, {summary.steps} steps in "
        f"{summary.cpu_seconds:.1f} s of CPU: {summary.faults_per_cpu_minute:,.0f} faults a minute, "
        f"{speed:,.0f} times real time; {len(summary.failures)} failures"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
