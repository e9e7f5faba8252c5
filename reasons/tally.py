"""How many open instances wait for the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dalsegno.reasons.reason import Reason, Why

EXAMPLES_MAX = 3


@dataclass(frozen=True, slots=True)
class WhyGroup:
    """`count` instances have a reason of this kind and topic; `reason` is the first one's. `examples` are the
    workflow IDs of some of them."""

    group: str
    count: int
    reason: Reason
    examples: tuple[str, ...]

    @property
    def is_stuck(self) -> bool:
        return self.reason.is_stuck

    def as_map(self) -> Mapping[str, Any]:
        """For machines."""
        return {
            "group": self.group,
            "kind": self.reason.kind,
            "stuck": self.is_stuck,
            "count": self.count,
            "examples": list(self.examples),
            "reason": self.reason.as_map(),
        }


class WhyTally:
    """Counts what it is given; it remembers some of each group, and no more."""

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[str, int] = {}
        self._first: dict[str, Reason] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, told: Why) -> None:
        group = told.reason.group
        self.count += 1
        self._counts[group] = self._counts.get(group, 0) + 1
        self._first.setdefault(group, told.reason)
        examples = self._examples.setdefault(group, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(told.workflow_id)

    @property
    def groups(self) -> tuple[WhyGroup, ...]:
        """The worst first: those that are stuck, and of them the most."""
        found = (
            WhyGroup(group, count, self._first[group], tuple(self._examples[group]))
            for group, count in self._counts.items()
        )
        return tuple(sorted(found, key=lambda one: (not one.is_stuck, -one.count, one.group)))
