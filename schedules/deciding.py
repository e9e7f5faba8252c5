"""What a schedule does next: pure functions of its book and the time.

Times are *taken* when they are due, and wait; what waits is *settled*: started, dropped, or left waiting, by
its overlap policy and whether the workflow that was started last still runs. Times are computed in `refill`
alone, and what it has computed is kept: hosts with other time zone data do not differ over what was decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

import msgspec
from msgspec.structs import replace

from dalsegno import given
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.schedules.book import ScheduleBook, UpcomingTime, WaitingStart, WrittenSchedule
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.schedule import (
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleBackfill,
    ScheduleState,
)
from dalsegno.schedules.times import ScheduledTime, compiled

UPCOMING_MAX = 64
"""Times that are computed beforehand."""
TAKEN_MAX = 5_000
"""Times that are taken in one go, after an outage."""
WAITING_MAX = 1_000
RECENT_MAX = 10
START_BYTES_MAX = 950_000
"""Of the action, and what the last one has given or failed by: beside names and IDs they have one message."""
CATCHUP_WINDOW = timedelta(days=365)
CATCHUP_WINDOW_MIN = timedelta(seconds=10)
_MICROSECOND = timedelta(microseconds=1)

_ALLOW_ALL, _SKIP = ScheduleOverlapPolicy.ALLOW_ALL, ScheduleOverlapPolicy.SKIP
_BUFFER_ONE, _BUFFER_ALL = ScheduleOverlapPolicy.BUFFER_ONE, ScheduleOverlapPolicy.BUFFER_ALL
_CANCEL, _TERMINATE = ScheduleOverlapPolicy.CANCEL_OTHER, ScheduleOverlapPolicy.TERMINATE_OTHER
_STOP_OTHER = (_CANCEL, _TERMINATE)


# Time passes


def begin(book: ScheduleBook, now: datetime) -> None:
    """The first thing of a schedule's life."""
    book.created_at = book.passed = now
    if book.trigger:
        book.trigger = False
        ask_for_start(book, now, None)


def take_due(book: ScheduleBook, now: datetime) -> None:
    """See to the times that are due, of those that are known."""
    policy = book.written.policy
    while book.upcoming and book.upcoming[0].actual <= now:
        due = book.upcoming.pop(0)
        book.passed = due.nominal
        if not may_start(book.written.state):
            continue
        # Whether that comes late is not asked of one that would have been skipped in time, either.
        if _is_full(book) or _has_no_room(book):
            book.skipped += 1
        elif now - due.actual > catchup_window(policy.catchup_window):
            book.missed += 1
        else:
            book.waiting.append(WaitingStart(due.nominal, due.actual, policy.overlap))
    if not book.upcoming and not may_start(book.written.state):
        # Times pass, and nothing comes of them.
        book.passed = max(now, book.passed or now)


def catchup_window(written: given.Duration | None) -> timedelta:
    if written is None:
        return CATCHUP_WINDOW
    return max(CATCHUP_WINDOW_MIN, timedelta(microseconds=given.microseconds("catchup_window", written)))


def may_start(state: ScheduleState) -> bool:
    """Whether workflows are started because it is time."""
    return not state.paused and not (state.limited_actions and state.remaining_actions <= 0)


def needs_refill(book: ScheduleBook) -> bool:
    """Whether times are to be computed: none is known, or backfills wait that there is room for."""
    if book.backfills and len(book.waiting) < WAITING_MAX:
        return True
    return not book.upcoming and not book.is_all and may_start(book.written.state)


def refill(book: ScheduleBook, schedule_id: str, now: datetime) -> None:
    """Compute times: those of backfills, and the next ones, of which what is due already is taken."""
    _refill_backfills(book, schedule_id)
    times = compiled(book.written.spec)
    for _ in range(TAKEN_MAX // UPCOMING_MAX):
        if book.upcoming or book.is_all or not may_start(book.written.state):
            return
        coming = list(islice(times.after(book.passed or now, schedule_id), UPCOMING_MAX))
        book.upcoming = [UpcomingTime(time.nominal, time.actual) for time in coming]
        book.is_all = len(coming) < UPCOMING_MAX
        take_due(book, now)


def _refill_backfills(book: ScheduleBook, schedule_id: str) -> None:
    times = compiled(book.written.spec)
    while book.backfills and (room := WAITING_MAX - len(book.waiting)) > 0:
        backfill = book.backfills.pop(0)
        found: list[ScheduledTime] = []
        for time in islice(times.after(backfill.start_at, schedule_id), room):
            if time.nominal > backfill.end_at:
                break
            found.append(time)
        overlap = backfill.overlap or book.written.policy.overlap
        book.waiting += [WaitingStart(time.nominal, time.actual, overlap, manual=True) for time in found]
        if len(found) == room:
            book.backfills.insert(0, ScheduleBackfill(found[-1].nominal, backfill.end_at, backfill.overlap))


def next_wake(book: ScheduleBook) -> datetime | None:
    """When it is next to look at the time. While something runs and another time would change nothing, that is
    when no further one is known; the others are taken then, or when what runs has ended."""
    if not book.upcoming or not may_start(book.written.state):
        return None
    return book.upcoming[-1 if _is_full(book) else 0].actual


def _has_no_room(book: ScheduleBook) -> bool:
    """What somebody has asked for takes none from the times: a long backfill would."""
    return len(book.waiting) >= WAITING_MAX <= sum(not start.manual for start in book.waiting)


def _is_full(book: ScheduleBook) -> bool:
    if book.running is None:
        return False
    overlap = book.written.policy.overlap
    if overlap is _BUFFER_ONE:
        return _has_one(book.waiting)
    return overlap is _SKIP


# What waits is settled


@dataclass(slots=True)
class Acts:
    """What is to be done now."""

    alone: WaitingStart | None = None
    """To be started, and its end to be waited for."""
    beside: list[WaitingStart] = field(default_factory=list)
    """To be started and let go."""
    stop: ScheduleOverlapPolicy | None = None
    """How what runs is to be stopped."""


def settle(book: ScheduleBook) -> Acts:
    """Takes what can be started out of what waits."""
    acts = Acts()
    left: list[WaitingStart] = []
    for start in book.waiting:
        if not start.manual and not may_start(book.written.state):
            continue
        if start.overlap is _ALLOW_ALL:
            _count(book, start, -1)
            acts.beside.append(start)
        elif book.running is None and acts.alone is None:
            _count(book, start, -1)
            acts.alone = start
        elif start.overlap in _STOP_OTHER and acts.alone is not None:
            # The other is not even started: this one goes in its place.
            _count(book, acts.alone, +1)
            _count(book, start, -1)
            book.skipped += 1
            acts.alone = start
        elif start.overlap in _STOP_OTHER:
            acts.stop = _TERMINATE if _TERMINATE in (start.overlap, acts.stop, book.stopping) else _CANCEL
            kept = [one for one in left if one.overlap not in _STOP_OTHER]
            book.skipped += len(left) - len(kept)
            left = [*kept, start]
        elif start.overlap is _BUFFER_ALL or (start.overlap is _BUFFER_ONE and not _has_one(left)):
            left.append(start)
        else:
            book.skipped += 1
    book.waiting = left
    if acts.stop == book.stopping:
        acts.stop = None  # it is asked already
    return acts


def _has_one(waiting: list[WaitingStart]) -> bool:
    return any(start.overlap is _BUFFER_ONE for start in waiting)


def _count(book: ScheduleBook, start: WaitingStart, change: int) -> None:
    state = book.written.state
    if not start.manual and state.limited_actions:
        state.remaining_actions += change
        book.revision += 1


def was_started(book: ScheduleBook, start: WaitingStart, workflow_id: str, run_id: str, now: datetime) -> None:
    """`start` has become a run."""
    execution = ScheduleActionExecutionStartWorkflow(workflow_id, run_id)
    book.started += 1
    book.recent = [*book.recent, ScheduleActionResult(start.actual, now, execution)][-RECENT_MAX:]
    if start.overlap is not _ALLOW_ALL:
        book.running = execution


def has_ended(book: ScheduleBook, now: datetime) -> None:
    """What ran is over. Times that have passed meanwhile have found it running."""
    take_due(book, now)
    beside = [start for start in book.waiting if start.overlap is _ALLOW_ALL]
    book.waiting = [start for start in book.waiting if start.overlap is not _ALLOW_ALL]
    settle(book)
    book.waiting = [*beside, *book.waiting]
    book.running = book.stopping = None


def has_completed(book: ScheduleBook, result: Payload) -> None:
    book.last_result, book.last_failure = result, None


def told_of_last(book: ScheduleBook) -> tuple[Payload | None, Failure | None]:
    """What the next one is told of the last: what that has given, and why the last one failed. What has no room
    beside the action is left out, or nothing would be started any more."""
    action = book.written.action
    left = START_BYTES_MAX - _size((action.args, action.memo, action.search_attributes))
    result, failure = book.last_result, book.last_failure
    if result is not None and _size(result) > left:
        result = None
    if failure is not None and _size((result, failure)) > left:
        failure = replace(failure, details=(), stack="", cause=None, parts=())
    return result, failure


def _size(value: object) -> int:
    return len(msgspec.msgpack.encode(value))


def has_failed(book: ScheduleBook, why: str, failure: Failure) -> None:
    """`why`: "failure: orders-...: no such account". The last one has failed, or timed out."""
    book.last_failure = failure
    state = book.written.state
    if book.written.policy.pause_on_failure and not state.paused:
        state.paused = True
        state.note = f"paused due to workflow {why}"
        book.revision += 1


# What is asked of it


def ask_for_start(book: ScheduleBook, now: datetime, overlap: ScheduleOverlapPolicy | None) -> None:
    """Raises ValueError when too much waits already."""
    if len(book.waiting) >= WAITING_MAX:
        raise ValueError(f"{WAITING_MAX:,} starts wait already: ask again when fewer do.")
    # Each such start has a time of its own, that no other has, for its workflow ID is made of it.
    if book.triggered_at is not None:
        now = max(now, book.triggered_at + _MICROSECOND)
    if not now.microsecond:
        now += _MICROSECOND
    book.triggered_at = now
    book.waiting.append(WaitingStart(now, now, overlap or book.written.policy.overlap, manual=True))


def set_paused(book: ScheduleBook, now: datetime, paused: bool, note: str) -> None:
    take_due(book, now)
    book.written.state = ScheduleState(
        note, paused, book.written.state.limited_actions, book.written.state.remaining_actions
    )
    _was_changed(book, now)


def write_anew(book: ScheduleBook, now: datetime, written: WrittenSchedule) -> None:
    """What waits and what runs stays; so do the times, if they are said as before."""
    take_due(book, now)
    if written.spec != book.written.spec:
        book.passed, book.is_all = now, False
        book.upcoming.clear()
    book.written = written
    _was_changed(book, now)


def _was_changed(book: ScheduleBook, now: datetime) -> None:
    book.updated_at = now
    book.revision += 1
