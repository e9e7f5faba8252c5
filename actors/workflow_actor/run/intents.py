"""Intents: what user code wants, as its program reports them after one input, in order.

The engine turns them into events. On recovery the program is stepped with the logged inputs, and must want
the same again: `digest` is what is remembered and compared (never payloads: arguments may change with code).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.inputs import SignedState
from dalsegno.failure import Failure
from dalsegno.payload import Payload

CancellationType = Literal["try_cancel", "wait_cancellation_completed", "abandon"]


class RetrySchedule(Struct, frozen=True, kw_only=True, array_like=True):
    """RetryPolicy in microseconds. `maximum_attempts` 0 means no limit. Stored as an array: new fields go to
    the end, with a default."""

    initial_interval: int = 1_000_000
    backoff_coefficient: float = 2.0
    maximum_interval: int = 100_000_000
    maximum_attempts: int = 0
    non_retryable_error_types: tuple[str, ...] = ()


class ScheduleActivity(Struct, frozen=True, kw_only=True):
    """`number` counts the run's activities from 1; `activity_id` is str(number) unless the user named it."""

    number: int
    activity_id: str
    activity_type: str
    task_queue: str
    args: tuple[Payload, ...]
    start_to_close: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    heartbeat_timeout: int | None
    retry: RetrySchedule
    cancellation_type: CancellationType = "try_cancel"
    line: str = ""
    """Where user code asked for it ("file.py:12"), for messages about nondeterminism; not compared."""

    @property
    def digest(self) -> str:
        return f"activity {self.number} {self.activity_type}"


class CancelActivity(Struct, frozen=True, kw_only=True):
    number: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"cancel activity {self.number}"


class StartTimer(Struct, frozen=True, kw_only=True):
    """`fire_at` is absolute: the input's time plus the delay."""

    number: int
    fire_at: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"timer {self.number}"


class CancelTimer(Struct, frozen=True, kw_only=True):
    number: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"cancel timer {self.number}"


class SetSign(Struct, frozen=True, kw_only=True):
    """A sign: everything before is needed no more. The program has already entered `run` again with this
    state; the intents that follow are of the code after the sign."""

    signed: SignedState
    line: str = ""

    @property
    def digest(self) -> str:
        return "sign"


class CompleteRun(Struct, frozen=True, kw_only=True):
    result: Payload
    line: str = ""

    @property
    def digest(self) -> str:
        return "complete"


class FailRun(Struct, frozen=True, kw_only=True):
    """User code raised a FailureError on purpose."""

    failure: Failure
    line: str = ""

    @property
    def digest(self) -> str:
        return "fail"


class CancelRun(Struct, frozen=True, kw_only=True):
    """User code let the requested cancellation through."""

    failure: Failure
    line: str = ""

    @property
    def digest(self) -> str:
        return "canceled"


class AskContinue(Struct, frozen=True, kw_only=True):
    """The step was cut after many signs in a row: give it a `Continue` input in a later activation."""

    line: str = ""

    @property
    def digest(self) -> str:
        return "continue"


Intent = (
    ScheduleActivity
    | CancelActivity
    | StartTimer
    | CancelTimer
    | SetSign
    | CompleteRun
    | FailRun
    | CancelRun
    | AskContinue
)
