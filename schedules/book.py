"""What a schedule keeps at its sign: all that it knows, however old it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from dalsegno import given
from dalsegno.definition import BUILT_IN_PREFIX
from dalsegno.failure import Failure
from dalsegno.name_rules import NAME_BYTES_MAX
from dalsegno.payload import Payload
from dalsegno.schedules.action import StoredAction, require_startable
from dalsegno.schedules.cron import YEARS
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.schedule import (
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleBackfill,
    SchedulePolicy,
    ScheduleState,
)
from dalsegno.schedules.spec import ScheduleSpec
from dalsegno.schedules.times import compiled, moment

SCHEDULE = f"{BUILT_IN_PREFIX}schedule"
"""The type of the workflows that schedules are."""
ID_BYTES_MAX = NAME_BYTES_MAX - len(SCHEDULE) - 1
BACKFILLS_MAX = 100
INVALID = "ScheduleInvalid"
CHANGED = "ScheduleChanged"
"""Types of the errors with which its updates fail."""
ACTIONS_MAX = 2**53


def schedule_workflow_id(schedule_id: str) -> str:
    """Raises TypeError or ValueError for what can be no ID of a schedule."""
    plain = given.name("The ID of a schedule", schedule_id)
    if len(plain.encode()) > ID_BYTES_MAX:
        raise ValueError(
            f"The ID of a schedule may have {ID_BYTES_MAX} bytes, but {given.shown(plain)} has more."
        )
    return f"{SCHEDULE}.{plain}"


@dataclass(slots=True, kw_only=True)
class WrittenSchedule:
    """What a user has written of it."""

    action: StoredAction
    spec: ScheduleSpec = field(default_factory=ScheduleSpec)
    policy: SchedulePolicy = field(default_factory=SchedulePolicy)
    state: ScheduleState = field(default_factory=ScheduleState)


@dataclass(slots=True)
class UpcomingTime:
    nominal: datetime
    actual: datetime
    """With its jitter."""


@dataclass(slots=True)
class WaitingStart:
    """A workflow that is to be started as soon as its overlap policy lets it."""

    nominal: datetime
    actual: datetime
    overlap: ScheduleOverlapPolicy
    manual: bool = False
    """Somebody asked for it: it is started though the schedule is paused, and not counted."""


@dataclass(slots=True, kw_only=True)
class ScheduleBook:
    """Who starts a schedule gives `written` and what is to be done at once; the rest is the schedule's own."""

    written: WrittenSchedule
    backfills: list[ScheduleBackfill] = field(default_factory=list)
    """What is left of them."""
    trigger: bool = False
    """Whether one is to be started at once."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0
    """How often what is written of it was changed, also by itself: an update names the one that it has seen."""
    passed: datetime | None = None
    """All times up to here have been seen to."""
    upcoming: list[UpcomingTime] = field(default_factory=list)
    """The next times behind `passed`."""
    is_all: bool = False
    """Whether there are none behind `upcoming`."""
    waiting: list[WaitingStart] = field(default_factory=list)
    triggered_at: datetime | None = None
    """The time of the last start that was asked for, so that each has another."""
    running: ScheduleActionExecutionStartWorkflow | None = None
    stopping: ScheduleOverlapPolicy | None = None
    """As what `running` was asked to stop."""
    recent: list[ScheduleActionResult] = field(default_factory=list)
    started: int = 0
    missed: int = 0
    skipped: int = 0
    last_result: Payload | None = None
    """Of the last workflow that completed, of those whose ends it waits for."""
    last_failure: Failure | None = None
    """Why the last one failed, if it did."""


GIVEN = ("written", "backfills", "trigger")
"""What whoever starts a schedule says."""


def require_new(book: ScheduleBook) -> None:
    """Raises ValueError where its start says what is the schedule's own."""
    new = ScheduleBook(written=book.written)
    for name in (one.name for one in fields(book) if one.name not in GIVEN):
        if getattr(book, name) != getattr(new, name):
            raise ValueError(f"{name} {_NOT_GIVEN}")


def is_own(book: ScheduleBook, begun_at: datetime, now: datetime) -> bool:
    """Whether the schedule itself has written it, whose run has begun then: not a start that says that it was
    created."""
    created_at, passed = book.created_at, book.passed
    if created_at is None or passed is None or created_at.tzinfo is None:
        return False
    return begun_at <= created_at <= now


_NOT_GIVEN = (
    "is the schedule's own to say: give a start `written`, `backfills` and `trigger` alone, and leave it out."
)


def require_possible(written: WrittenSchedule) -> WrittenSchedule:
    """The same, if it can be. Raises TypeError or ValueError, which say what is wrong and where."""
    require_startable(written.action)
    compiled(written.spec)
    policy, state = written.policy, written.state
    given.choice("policy.overlap", policy.overlap, ScheduleOverlapPolicy)
    if policy.catchup_window is not None:
        given.microseconds("policy.catchup_window", policy.catchup_window)
    given.flag("policy.pause_on_failure", policy.pause_on_failure)
    if state.note is not None:
        given.text("state.note", state.note)
    given.flag("state.paused", state.paused)
    given.flag("state.limited_actions", state.limited_actions)
    remaining = given.whole("state.remaining_actions", state.remaining_actions, least=0, most=ACTIONS_MAX)
    if remaining and not state.limited_actions:
        raise ValueError(f"state.remaining_actions is {remaining}, but state.limited_actions is False.")
    return written


def require_backfills(backfills: Sequence[ScheduleBackfill]) -> list[ScheduleBackfill]:
    """With times of UTC. Raises TypeError or ValueError."""
    if not isinstance(backfills, list | tuple):
        raise given.wrong_type("backfill", backfills, "a list of ScheduleBackfill")
    if len(backfills) > BACKFILLS_MAX:
        raise ValueError(f"There may be {BACKFILLS_MAX} backfills at once, but there are {len(backfills):,}.")
    return [_possible(number, backfill) for number, backfill in enumerate(backfills)]


def _possible(number: int, backfill: ScheduleBackfill) -> ScheduleBackfill:
    if not isinstance(backfill, ScheduleBackfill):
        raise given.wrong_type(f"backfill[{number}]", backfill, "a ScheduleBackfill")
    start_at = moment(f"backfill[{number}].start_at", backfill.start_at)
    end_at = moment(f"backfill[{number}].end_at", backfill.end_at)
    if start_at is None or end_at is None:
        raise given.wrong_type(f"A time of backfill[{number}]", None, "a datetime")
    for name, at in (("start_at", start_at), ("end_at", end_at)):
        if at.year not in YEARS:
            raise ValueError(
                f"backfill[{number}].{name} must be in the years {YEARS[0]} to {YEARS[-1]}, and is {at}."
            )
    if end_at < start_at:
        raise ValueError(f"backfill[{number}].end_at is earlier than its start_at: no time is between them.")
    overlap = backfill.overlap
    if overlap is not None:
        overlap = given.choice(f"backfill[{number}].overlap", overlap, ScheduleOverlapPolicy)
    return ScheduleBackfill(start_at, end_at, overlap)
