"""A compensation in a run's state, from before its step until it is undone, or needed no more; and what a sign
keeps of it, so that the code behind the sign can undo it.

It is known by the number of the activity that is its step.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from dalsegno.failure import Failure
from dalsegno.payload import Payload

CompensationPhase = Literal["pending", "due", "failed"]
"""pending: nothing is undone yet. due: it is, or will be when those after it are undone. failed: for good."""


class Compensation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`saga` is the name that user code gave the saga ("": none), `name` what undoes, `step` what is undone."""

    saga: str
    name: str
    step: str
    pushed_at: int
    phase: CompensationPhase = "pending"
    failure: Failure | None = None


class KeptRetries(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A retry policy; intervals in microseconds."""

    initial_interval: int
    backoff_coefficient: float
    maximum_interval: int | None
    maximum_attempts: int
    non_retryable_error_types: tuple[str, ...]


class KeptCompensation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The activity that undoes step `number`, as it is to be called: `args` hold what the step returned, where
    it takes that. `task_queue` has the level behind it that was given (`:#1`, where it is the run's own)."""

    number: int
    saga: str
    activity_type: str
    args: tuple[Payload, ...]
    task_queue: str | None
    start_to_close: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    heartbeat_timeout: int | None
    retries: KeptRetries | None
    cancellation_type: Literal["try_cancel", "wait_cancellation_completed", "abandon"]
    activity_id: str | None
    line: str
    step_type: str
    pauses: bool = False
    fallback: KeptCompensation | None = None
    """What is called instead when that is exhausted."""
