"""How urgent work is, and how a task queue's name says it.

Each level of a task queue but the ordinary one has a queue of its own: what is urgent must not stand behind a
backlog, and brokers that know priorities within a queue are new. Its name is the task queue's with the level
behind it (`orders:#1`), which is no name that a user may give. Whatever declares, looks or sends again by the
name of a task queue does so for each of these queues as for any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from dalsegno import given
from dalsegno.name_rules import LEVEL_MARK, TASK_QUEUE_BYTES_MAX, is_level

LEVELS: Final = range(1, 6)
"""The most urgent first."""
ORDINARY: Final = 3
"""What has no priority is of this level, and waits in the task queue itself."""

_SUFFIX_LENGTH = len(LEVEL_MARK) + 1

_FAIRNESS = ("fairness_key", "fairness_weight")


class Priority:
    """How urgent a workflow or an activity is: `priority_key` is a whole number from 1 (the most urgent) to 5.
    Where none is given, it is that of the workflow that asks, or 3.

    Raises TypeError and ValueError for what is none.
    """

    __slots__ = ("_key",)

    default: ClassVar[Priority]
    """Says nothing."""

    def __init__(self, priority_key: int | None = None, **unknown: object) -> None:
        for name in unknown:
            if name in _FAIRNESS:
                raise TypeError(
                    f"Priority has no {name}: dalsegno has no fairness between keys. Give those who must not "
                    "keep each other waiting a task queue each (docs/coming-from-temporal.md)."
                )
            raise TypeError(f"Priority has no {name!r}: it has a priority_key, from 1 to 5.")
        self._key = (
            None
            if priority_key is None
            else given.whole("priority_key", priority_key, least=LEVELS[0], most=LEVELS[-1])
        )

    @property
    def priority_key(self) -> int | None:
        return self._key

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Priority) else NotImplemented

    def __hash__(self) -> int:
        return hash((Priority, self._key))

    def __repr__(self) -> str:
        return f"Priority(priority_key={self._key})"


Priority.default = Priority()

OF_LEVEL: Final[Mapping[int | None, Priority]] = {
    None: Priority(ORDINARY),
    **{level: Priority(level) for level in LEVELS},
}
"""That which holds."""


def given_level(priority: object) -> int | None:
    """The level that an option `priority` gives; None if it gives none. Raises TypeError."""
    if priority is None:
        return None
    if not isinstance(priority, Priority):
        raise given.wrong_type(
            "priority", priority, "a dalsegno.Priority, as Priority(priority_key=1), or None"
        )
    return priority.priority_key


def at_level(task_queue: str, level: int | None) -> str:
    """Where tasks of that level wait. One that stands at a level keeps it. A name that leaves no room for the
    level has no levels."""
    if level is None or level == ORDINARY or is_level(task_queue):
        return task_queue
    if len(task_queue) > TASK_QUEUE_BYTES_MAX - _SUFFIX_LENGTH:
        return task_queue
    return f"{task_queue}{LEVEL_MARK}{level}"


def named(name: str) -> str:
    """The task queue, as users know it, that this is a level of, or is."""
    return name[:-_SUFFIX_LENGTH] if LEVEL_MARK in name and is_level(name) else name


def level_in(name: str) -> int | None:
    """None for a task queue itself."""
    return int(name[-1]) if is_level(name) else None
