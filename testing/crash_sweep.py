"""A scenario is run again and again, and disturbed wherever it can be.

    async def one_sale(env: WorkflowEnvironment) -> None:
        bank = Bank()
        async with env.worker(workflows=[Sale], activities=[bank.charge]):
            await env.client.execute_workflow(Sale.run, "o-1", id="o-1")
        assert bank.charged == ["o-1"]

    report = await crash_everywhere(one_sale, minimum_coverage=1.0)

First it is run undisturbed, twice, and every point that it crosses is noted. Then it is run once for each point
and each fault that is possible there (`crash_points`), and then some times with several, which the seed draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

from dalsegno import given
from dalsegno._log import muted
from dalsegno.errors import ConfigurationError
from dalsegno.testing.crash_points import POSSIBLE, Injection, Point
from dalsegno.testing.crashing_environment import DisturbedRun, Scenario, run
from dalsegno.testing.errors import BrokenByCrashError, CrashCoverageError, UnrepeatableScenarioError

AT_ONCE_MAX = 4
"""So many faults come together in a run, at most."""
STORY_SHOWN = 40


@dataclass(frozen=True, slots=True)
class CrashReport:
    """`crossed` are the points of the undisturbed run, `crashed` those of them at which it was disturbed."""

    crossed: tuple[str, ...]
    crashed: tuple[str, ...]
    runs: int
    seed: int

    @property
    def coverage(self) -> float:
        """Between 0 and 1."""
        return len(self.crashed) / len(self.crossed) if self.crossed else 1.0

    @property
    def missed(self) -> tuple[str, ...]:
        return tuple(point for point in self.crossed if point not in self.crashed)

    def __str__(self) -> str:
        return (
            f"crossed {len(self.crossed)} points, crashed at {len(self.crashed)} ({self.coverage:.0%}), "
            f"in {self.runs} runs with seed {self.seed}"
        )


async def crash_everywhere(
    scenario: Scenario,
    *,
    seed: int = 0,
    storms: int = 10,
    runs_max: int = 1000,
    minimum_coverage: float = 0.0,
    only: Sequence[str] = (),
    timeout: float = 30.0,
    **options: Any,
) -> CrashReport:
    """Raises BrokenByCrashError for the first fault, or the fewest, by which the scenario fails; its own error
    where it fails undisturbed; UnrepeatableScenarioError where it does so the second time; and
    CrashCoverageError.

    Nothing is logged, but by the first run, and with `only`.

    `storms` runs have several faults, drawn by `seed`. With more than `runs_max` faults to be tried, as many
    are drawn. `only`: one run, with these faults, as a report has named them. `timeout`: real seconds for each
    run. `options` are those of `WorkflowEnvironment.start_time_skipping`.
    """
    if not isinstance(minimum_coverage, int | float) or not 0 <= minimum_coverage <= 1:
        raise ConfigurationError(f"minimum_coverage must be from 0 to 1, not {given.shown(minimum_coverage)}.")
    sweep = _Sweep(scenario, seed, timeout, options)
    crossed = await sweep.undisturbed()
    faults = [Injection(point, fault) for point in crossed for fault in POSSIBLE[point.kind]]
    if only:
        await sweep.disturbed(_named(only, faults), is_heard=True)
        return sweep.report(crossed)
    random = Random(f"{seed} sampled")
    for number in sorted(random.sample(range(len(faults)), min(runs_max, len(faults)))):
        await sweep.disturbed([faults[number]])
    random = Random(f"{seed} storms")
    for _ in range(storms if len(crossed) > 1 else 0):
        points = random.sample(crossed, random.randint(2, min(AT_ONCE_MAX, len(crossed))))
        await sweep.disturbed([Injection(point, random.choice(POSSIBLE[point.kind])) for point in points])
    report = sweep.report(crossed)
    if report.coverage < minimum_coverage:
        raise CrashCoverageError(report, minimum_coverage)
    return report


def _named(names: Sequence[str], faults: Sequence[Injection]) -> list[Injection]:
    known = {str(fault): fault for fault in faults}
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"only: the scenario has no fault {name!r} (any more). Leave `only` out, and see which it has."
            )
    return [known[name] for name in names]


@dataclass(slots=True)
class _Sweep:
    scenario: Scenario
    seed: int
    timeout: float
    options: Mapping[str, Any]
    runs: int = 0
    crashed: set[Point] = field(default_factory=set)

    async def _run(self, injections: Sequence[Injection], *, is_heard: bool = False) -> DisturbedRun:
        """What hundreds of runs log would hide all else."""
        self.runs += 1
        with nullcontext() if is_heard else muted():
            return await run(self.scenario, injections, timeout=self.timeout, options=self.options)

    async def undisturbed(self) -> list[Point]:
        """What is crossed."""
        first = await self._run((), is_heard=True)
        if first.error is not None:
            raise first.error
        again = await self._run(())
        if again.error is not None:
            raise UnrepeatableScenarioError(
                f"undisturbed it passes, and then fails with {_shown(again.error)}"
            ) from again.error
        crossed, known = first.crossings.crossed, set(again.crossings.crossed)
        other = [point for point in crossed if point not in known]
        if 2 * len(other) > len(crossed):
            raise UnrepeatableScenarioError(f"{other[0]} is crossed the first time only")
        return crossed

    async def disturbed(self, injections: Sequence[Injection], *, is_heard: bool = False) -> None:
        ran = await self._run(injections, is_heard=is_heard)
        if ran.error is None and not ran.crossings.struck:  # it may not have come so far in just that order
            ran = await self._run(injections, is_heard=is_heard)
        if ran.error is None:
            self.crashed.update(injection.point for injection in ran.crossings.struck)
            return
        ran = await self._shrunk(ran)
        assert ran.error is not None
        raise BrokenByCrashError(
            _report_of(ran, self.seed), faults=tuple(map(str, ran.crossings.struck)), seed=self.seed
        ) from ran.error

    async def _shrunk(self, ran: DisturbedRun) -> DisturbedRun:
        """With the fewest faults that it takes: one after the other is left out."""
        for injection in ran.crossings.struck:
            rest = [other for other in ran.crossings.struck if other != injection]
            if rest and (again := await self._run(rest)).error is not None:
                return await self._shrunk(again)
        return ran

    def report(self, crossed: Sequence[Point]) -> CrashReport:
        return CrashReport(
            crossed=tuple(map(str, crossed)),
            crashed=tuple(str(point) for point in crossed if point in self.crashed),
            runs=self.runs,
            seed=self.seed,
        )


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().removesuffix(":")


def _report_of(ran: DisturbedRun, seed: int) -> str:
    assert ran.error is not None
    struck = [str(injection) for injection in ran.crossings.struck]
    story = ran.crossings.story
    left_out = len(story) - STORY_SHOWN
    lines = [
        f"Undisturbed the scenario passes. It fails with {_shown(ran.error)}",
        "when this is done to it:" if struck else "though nothing was done to it this time.",
        *(f"    {fault}" for fault in struck),
        "What it crossed:",
        *([f"    ... {left_out} before"] if left_out > 0 else []),
        *(f"    {line}" for line in story[-STORY_SHOWN:]),
        f"Again: crash_everywhere(..., seed={seed}, only={struck})",
    ]
    return "\n".join(lines)
