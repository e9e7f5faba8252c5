"""Passing a point, and dying there.

A page of shared memory is between a process and who wants it dead: this side writes which point is armed, and
at which passing; the process counts passings, and notes that it dies before it does. What is in the page
outlives the process, so nobody needs to guess where it died; and whoever is started with the same page later
goes on unharmed.
"""

from __future__ import annotations

import mmap
import os
import signal
import threading
from enum import IntEnum
from pathlib import Path

SIZE = 4096
_ARMED, _PASSING, _MANNER, _PASSED, _DIED = range(5)

PATIENCE_SECONDS = 1.0
"""From the SIGTERM to the SIGKILL of an impatient operator."""


class Manner(IntEnum):
    """How a process dies at a point."""

    KILLED = 0
    """SIGKILL, there and then."""
    ASKED_THEN_KILLED = 1
    """SIGTERM there and then; SIGKILL when it is still there after PATIENCE_SECONDS."""


class Page:
    """Machine words in a file; `path` must exist and have SIZE bytes."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), SIZE)).cast("Q")

    @classmethod
    def made(cls, path: Path) -> Page:
        path.write_bytes(bytes(SIZE))
        return cls(path)

    def arm(self, point: int, *, passing: int, manner: Manner) -> None:
        """The process dies at its `passing`-th passing (from 1) of the point with that number (from 1)."""
        self._words[_DIED] = self._words[_PASSED] = 0
        self._words[_PASSING] = passing
        self._words[_MANNER] = manner
        self._words[_ARMED] = point

    def disarm(self) -> None:
        self._words[_ARMED] = 0

    @property
    def passed(self) -> int:
        """How often the armed point was passed."""
        return self._words[_PASSED]

    @property
    def has_died(self) -> bool:
        """The process met its end at the armed point."""
        return bool(self._words[_DIED])

    def is_armed(self, point: int) -> bool:
        return self._words[_ARMED] == point and not self._words[_DIED]

    def cross(self, point: int) -> None:
        words = self._words
        if not self.is_armed(point):
            return
        words[_PASSED] += 1
        if words[_PASSED] == words[_PASSING]:
            words[_DIED] = 1
            _die(Manner(words[_MANNER]))

    def kills_next(self, point: int) -> bool:
        words = self._words
        return (
            self.is_armed(point) and words[_MANNER] == Manner.KILLED and words[_PASSED] + 1 == words[_PASSING]
        )


class Crossing:
    """One point, as the code around it sees it."""

    def __init__(self, page: Page, point: int) -> None:
        self._page = page
        self._point = point

    def __call__(self) -> None:
        """Pass the point: the process may end here."""
        self._page.cross(self._point)

    def kills_next(self) -> bool:
        """Whether the next passing ends the process there and then."""
        return self._page.kills_next(self._point)


def _die(manner: Manner) -> None:
    if manner is Manner.KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGTERM)
    impatience = threading.Timer(PATIENCE_SECONDS, os.kill, (os.getpid(), signal.SIGKILL))
    impatience.daemon = True  # who has ended in good order by then is not kept
    impatience.start()
