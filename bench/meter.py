"""CPU by role over process trees, percentiles, and the machine's speed of the moment."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all below it, with the children that it has reaped. Of this very
    process only its own: all that is measured is below it."""
    if pid == os.getpid():
        return time.process_time()
    total = 0.0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
    except psutil.NoSuchProcess:
        return total
    return total


def calibrate() -> float:
    """A fixed bit of pure Python, best of three, in milliseconds: these machines drift by up to two times."""
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        x = 0
        for i in range(200_000):
            x += i & 7
        best = min(best, time.perf_counter() - begin)
    return best * 1e3


class Meter:
    """Wall and CPU seconds between enter and exit, by role. A role is a PID whose whole tree counts."""

    def __init__(self, roles: Mapping[str, int]) -> None:
        self._roles = dict(roles)
        self.cpu: dict[str, float] = {}
        self.wall = 0.0

    def __enter__(self) -> Self:
        self.calibration_ms = calibrate()
        self._cpu = {role: cpu_seconds(pid) for role, pid in self._roles.items()}
        self._begin = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall = time.perf_counter() - self._begin
        self.cpu = {role: cpu_seconds(pid) - self._cpu[role] for role, pid in self._roles.items()}


def percentile(values: Sequence[float], p: float) -> float:
    ordered = sorted(values)
    at = (len(ordered) - 1) * p / 100
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def throughput_row(count: int, meter: Meter) -> dict[str, Any]:
    return {
        "n": count,
        "wall_s": round(meter.wall, 3),
        "workflows_per_s": round(count / meter.wall, 1),
        "cpu_ms_per_workflow": round(sum(meter.cpu.values()) / count * 1e3, 3),
        "cpu_ms_by_role": {role: round(seconds / count * 1e3, 3) for role, seconds in meter.cpu.items()},
        "calib_ms": round(meter.calibration_ms, 2),
    }


def latency_row(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "n": len(seconds),
        **{f"p{p}_ms": round(percentile(seconds, p) * 1e3, 3) for p in (50, 95, 99)},
        "mean_ms": round(statistics.fmean(seconds) * 1e3, 3),
    }


def emit(subject: str, figure: str, **row: Any) -> dict[str, Any]:
    """One JSON line per figure, on standard output."""
    line = {"subject": subject, "figure": figure, **row}
    print(json.dumps(line), flush=True)
    return line
