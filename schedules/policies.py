"""What a schedule may be told to do, as plain values."""

from __future__ import annotations

from enum import StrEnum


class ScheduleOverlapPolicy(StrEnum):
    """What happens when it is time, and the workflow that was started last still runs."""

    SKIP = "skip"
    """Nothing is started. The next time is the next chance."""
    BUFFER_ONE = "buffer_one"
    """It is started as soon as the other has ended; one at most waits so."""
    BUFFER_ALL = "buffer_all"
    """It is started when the other has ended, and those that wait already (a thousand at most)."""
    CANCEL_OTHER = "cancel_other"
    """The other is asked to stop; it is started when that has ended."""
    TERMINATE_OTHER = "terminate_other"
    """The other is terminated, and it is started."""
    ALLOW_ALL = "allow_all"
    """It is started. Nobody waits for the end of such workflows: their failures do not pause the schedule, and
    the next one is not told of their results."""
