"""What user code asks for."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.payload import Payload

CancellationType = Literal["try_cancel", "wait_cancellation_completed", "abandon"]


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
    headers: dict[str, Payload] = {}
    line: str = ""
    """Where user code asked for it ("file.py:12"), for messages about nondeterminism; not compared."""

    @property
    def digest(self) -> str:
        return f"activity {self.number} {self.activity_type}"


class PauseWhenExhausted(Struct, frozen=True, kw_only=True):
    """The activity was asked for right before. When its attempts are exhausted, it waits for a person."""

    number: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"pause activity {self.number} when it is exhausted"


class CancelActivity(Struct, frozen=True, kw_only=True):
    number: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"cancel activity {self.number}"


class ScheduleLocalActivity(Struct, frozen=True, kw_only=True):
    """One that the host itself runs. Numbers and IDs are those of all activities."""

    number: int
    activity_id: str
    activity_type: str
    args: tuple[Payload, ...]
    start_to_close: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    retry: RetrySchedule
    retry_threshold: int
    cancellation_type: CancellationType = "try_cancel"
    summary: str = ""
    headers: dict[str, Payload] = {}
    line: str = ""

    @property
    def digest(self) -> str:
        return f"local activity {self.number} {self.activity_type}"


class CancelLocalActivity(Struct, frozen=True, kw_only=True):
    number: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"cancel local activity {self.number}"
