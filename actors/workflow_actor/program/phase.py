"""The life of a program: what it does now, and so what it may be given."""

from __future__ import annotations

from enum import Enum, auto

SIGNS_BETWEEN_PAUSES = 100
"""A run that sets sign after sign without waiting is cut after each of these, so that its host keeps up. That
follows from the number of the sign alone, so that a program built from that sign is cut there too."""


class ProgramPhase(Enum):
    NEW = auto()
    """Nothing has run yet."""
    RUNNING = auto()
    """The run method was entered and has not ended."""
    LEAVING = auto()
    """The run method was left for a sign; signal handlers are still running."""
    PAUSED = auto()
    """The sign is set; the run method is entered at the next Continue."""
    CLOSED = auto()
    """The run has ended."""
    BROKEN = auto()
    """User code had a bug. Nothing runs any more."""
    DROPPED = auto()
    """It was let go of; its coroutines are closed."""
