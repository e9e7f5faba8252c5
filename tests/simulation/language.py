"""What the programs of a simulation may say: in most of them what every stored format has a place for, in the
others the whole language. There all hosts are of the newest release, and write its format from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from tests.simulation import full_stories, long_stories, stories, whole_stories
from tests.simulation.full_workflows import FULL_WORKFLOWS
from tests.simulation.long_workflows import LONG_WORKFLOWS
from tests.simulation.stories import Plan
from tests.simulation.whole_workflows import WHOLE_WORKFLOWS
from tests.simulation.workflows import WORKFLOWS


class DoneByHosts:
    """The activities that hosts do themselves, where they are asked to."""

    names: ClassVar = ["flaky"]

    def find(self, name: str) -> object | None:
        return name if name in self.names else None


WHOLE_FROM = 1_000_000
"""The seeds from here on are of the whole language, so that those below give the runs that they always gave."""

LONG_FROM = 10_000_000
"""The seeds from here on also have what lasts: runs that are tried again, time that runs out, and persons."""

MOVING_FROM = 20_000_000
"""The seeds from here on say the same, while their namespace moves from stored format 2 to 3."""

FULL_FROM = 30_000_000
"""The seeds from here on have that and the rest: updates that come with starts, updates that do not fit and
signals that persons see to, and search attributes."""

SWITCHING_FROM = 40_000_000
"""The seeds from here on have all that (the even ones) or move between formats (the odd ones), while payload
codecs, a payload store and interceptors are switched on, and perhaps off again, process by process."""


@dataclass(frozen=True, slots=True)
class Language:
    code: WorkflowRegistry
    kinds: Sequence[Callable[[Random], Plan]]
    is_whole: bool
    lasts: bool = False
    """Persons are waited for, and time runs out."""
    moves: bool = False
    """The namespace is of an older format at first, that has no place for much of it."""

    is_full: bool = False
    """Persons see to signals that do not fit, too, and search attributes are declared."""

    @staticmethod
    def of(seed: int) -> Language:
        if seed >= SWITCHING_FROM:
            return MOVING if seed % 2 else FULL
        if seed >= FULL_FROM:
            return FULL
        if seed >= LONG_FROM:
            return LONG if seed < MOVING_FROM else MOVING
        return WHOLE if seed >= WHOLE_FROM else OF_EVERY_FORMAT


OF_EVERY_FORMAT = Language(WorkflowRegistry([(cls, None) for cls in WORKFLOWS]), stories.KINDS, is_whole=False)
WHOLE = Language(
    WorkflowRegistry([(cls, None) for cls in (*WORKFLOWS, *WHOLE_WORKFLOWS)], local_activities=DoneByHosts()),
    (*stories.KINDS, *whole_stories.KINDS),
    is_whole=True,
)
LONG = Language(
    WorkflowRegistry(
        [(cls, None) for cls in (*WORKFLOWS, *WHOLE_WORKFLOWS, *LONG_WORKFLOWS)], local_activities=DoneByHosts()
    ),
    (*stories.KINDS, *whole_stories.KINDS, *long_stories.KINDS, *long_stories.KINDS),
    is_whole=True,
    lasts=True,
)
MOVING = replace(LONG, moves=True)
FULL = Language(
    WorkflowRegistry(
        [(cls, None) for cls in (*WORKFLOWS, *WHOLE_WORKFLOWS, *LONG_WORKFLOWS, *FULL_WORKFLOWS)],
        local_activities=DoneByHosts(),
    ),
    (*long_stories.KINDS, *full_stories.KINDS, *full_stories.KINDS),
    is_whole=True,
    lasts=True,
    is_full=True,
)
