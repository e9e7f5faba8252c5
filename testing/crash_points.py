"""Where a scenario can be disturbed, and how.

commit      of an activation: the host is killed just before it, or just after
message     to a workflow, or a task to workers: it comes twice, or late
outcome     of an attempt at an activity: as a message, or its worker is lost just before or after it leaves
attempt     whose code waits for the first time: its worker is lost
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum


class PointKind(Enum):
    COMMIT = "commit"
    MESSAGE = "message"
    OUTCOME = "outcome"
    ATTEMPT = "attempt"


class CrashFault(Enum):
    HOST_KILLED_BEFORE = "host killed just before"
    HOST_KILLED_AFTER = "host killed just after"
    TWICE = "delivered twice"
    LATE = "delivered late"
    """When nothing else is under way any more."""
    WORKER_LOST_BEFORE = "worker lost just before"
    WORKER_LOST_AFTER = "worker lost just after"
    WORKER_LOST_AMID = "worker lost amid"


POSSIBLE: Mapping[PointKind, tuple[CrashFault, ...]] = {
    PointKind.COMMIT: (CrashFault.HOST_KILLED_BEFORE, CrashFault.HOST_KILLED_AFTER),
    PointKind.MESSAGE: (CrashFault.TWICE, CrashFault.LATE),
    PointKind.OUTCOME: (
        CrashFault.WORKER_LOST_BEFORE,
        CrashFault.WORKER_LOST_AFTER,
        CrashFault.TWICE,
        CrashFault.LATE,
    ),
    PointKind.ATTEMPT: (CrashFault.WORKER_LOST_AMID,),
}


@dataclass(frozen=True, slots=True)
class Point:
    """`what` names the step and the workflow; `nth` tells those apart that are alike."""

    kind: PointKind
    what: str
    nth: int = 1

    def __str__(self) -> str:
        again = f", time {self.nth}" if self.nth > 1 else ""
        return f"{self.kind.value} {self.what}{again}"


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault at a point. Its text names it, in reports and for `only=`."""

    point: Point
    fault: CrashFault

    def __str__(self) -> str:
        return f"{self.fault.value}: {self.point}"


RANDOM_ID = re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b")


class Crossings:
    """The points that one run crosses, and what is done to it there: each injection once."""

    def __init__(self, injections: Collection[Injection] = ()) -> None:
        self._planned = {injection.point: injection for injection in injections}
        self._times: Counter[tuple[PointKind, str]] = Counter()
        self._random_ids: dict[str, str] = {}
        self.steps = 0
        """What was not only said, but done."""
        self.crossed: list[Point] = []
        self.struck: list[Injection] = []

    @property
    def is_disturbed(self) -> bool:
        return bool(self._planned)

    def cross(self, kind: PointKind, what: str) -> CrashFault | None:
        """What is to happen there."""
        what = RANDOM_ID.sub(self._steady, what)
        self._times[kind, what] += 1
        self.steps += kind is not PointKind.MESSAGE
        point = Point(kind, what, self._times[kind, what])
        self.crossed.append(point)
        injection = self._planned.get(point)
        if injection is None:
            return None
        self.struck.append(injection)
        return injection.fault

    def _steady(self, found: re.Match[str]) -> str:
        """IDs that are drawn are others in each run; which is the how manieth is not."""
        return self._random_ids.setdefault(found[0], f"<ID {len(self._random_ids) + 1}>")

    @property
    def story(self) -> list[str]:
        """What was crossed, in order, and what was done there."""
        done = {injection.point: injection for injection in self.struck}
        return [
            f"{point}   <- {done[point].fault.value}" if point in done else str(point) for point in self.crossed
        ]
