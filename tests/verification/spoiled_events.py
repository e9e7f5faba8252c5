"""Things that happened twice, early, or to nobody."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities import events as act
from dalsegno.actors.workflow_actor.run import events as ev
from dalsegno.actors.workflow_actor.signals.events import SignalReceived
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.timers import events as tim
from dalsegno.payload import Payload
from dalsegno.verification.finding import Invariant
from dalsegno.verification.rows import Page
from tests.verification.planting import appended, events_of, must_be_found_as, with_head, with_row
from tests.verification.stored import edited

HOUR = 3_600_000_000

# --- beginning and end ----------------------------------------------------------------------------------------


@must_be_found_as(Invariant.ENDS_ONCE)
def ends_twice(page: Page, random: Random) -> Page | None:
    closed = next(events_of(page, ev.RunClosed), None)
    return None if closed is None else appended(page, page.rows[-1].sequence, closed[1])


@must_be_found_as(Invariant.ENDS_ONCE)
def goes_on_behind_its_end(page: Page, random: Random) -> Page | None:
    closed = next(events_of(page, ev.RunClosed), None)
    return None if closed is None else appended(page, page.rows[-1].sequence, SignalReceived("late", ()))


@must_be_found_as(Invariant.ENDS_ONCE)
def starts_twice(page: Page, random: Random) -> Page | None:
    started = next(events_of(page, ev.RunStarted), None)
    return None if started is None or len(page.rows) < 2 else appended(page, page.rows[-1].sequence, started[1])


# --- what happened --------------------------------------------------------------------------------------------


@must_be_found_as(Invariant.CAUSES)
def a_message_is_applied_twice(page: Page, random: Random) -> Page | None:
    rows = [row for row in page.rows if row.sequence > 1]
    if len(rows) < 2:
        return None
    first, second = random.sample(rows, 2)
    if abs(second.time - first.time) > HOUR:
        return None
    return with_row(page, second.sequence - page.rows[0].sequence, cause=first.cause)


@must_be_found_as(Invariant.CAUSES)
def a_result_is_applied_twice_days_apart(page: Page, random: Random) -> Page | None:
    if len(page.rows) < 3:
        return None
    page = with_row(page, 1, cause="activity.completed result-1")
    return with_row(page, len(page.rows) - 1, cause="activity.completed result-1")


@must_be_found_as(Invariant.ACTIVITIES)
def a_result_is_applied_twice(page: Page, random: Random) -> Page | None:
    resolved = list(events_of(page, act.ActivityCompleted, act.ActivityFailed))
    if not resolved:
        return None
    row, event = random.choice(resolved)
    return appended(page, random.choice([r.sequence for r in page.rows if r.sequence >= row.sequence]), event)


@must_be_found_as(Invariant.ACTIVITIES)
def a_result_of_an_attempt_that_is_over_is_applied(page: Page, random: Random) -> Page | None:
    planned = list(events_of(page, act.RetryPlanned))
    if not planned:
        return None
    row, event = random.choice(planned)
    number, result = event.number, Payload("json/plain", b"1")

    def completed(record: ev.Record) -> ev.Record:
        place = record.events.index(event) + 1
        late = act.ActivityCompleted(number, result)
        return replace(record, events=(*record.events[:place], late, *record.events[place:]))

    return edited(page, row.sequence, completed)


@must_be_found_as(Invariant.ACTIVITIES)
def an_activity_that_nobody_wanted_is_resolved(page: Page, random: Random) -> Page | None:
    if not page.rows or page.rows[0].sequence != 1:
        return None
    stray = act.ActivityCompleted(10_000, Payload("json/plain", b"1"))
    return appended(page, random.choice(page.rows).sequence, stray)


@must_be_found_as(Invariant.ACTIVITIES)
def a_settled_activity_is_tried_again(page: Page, random: Random) -> Page | None:
    resolved = list(events_of(page, act.ActivityCompleted, act.ActivityFailed))
    if not resolved:
        return None
    row, event = random.choice(resolved)
    return appended(page, row.sequence, act.AttemptBegun(event.number, "worker-9"))


@must_be_found_as(Invariant.ACTIVITIES)
def an_activity_is_begun_anew_that_was_to_be_tried_again_anyway(page: Page, random: Random) -> Page | None:
    planned = list(events_of(page, act.RetryPlanned))
    if not planned or page.rows[0].sequence != 1:
        return None
    row, event = random.choice(planned)
    return appended(page, row.sequence, act.AttemptsRenewed(event.number, b"token"))


@must_be_found_as(Invariant.TIMERS)
def a_timer_fires_twice(page: Page, random: Random) -> Page | None:
    fired = list(events_of(page, tim.TimerElapsed))
    if not fired:
        return None
    row, event = random.choice(fired)
    return appended(page, random.choice([r.sequence for r in page.rows if r.sequence >= row.sequence]), event)


@must_be_found_as(Invariant.TIMERS)
def a_timer_fires_early(page: Page, random: Random) -> Page | None:
    fired = {event.number for _, event in events_of(page, tim.TimerElapsed)}
    for row, ran in events_of(page, ev.Ran):
        for want in ran.wants:
            if isinstance(want, tim.TimerWanted) and want.number in fired:
                return edited(page, row.sequence, partial(_later, number=want.number))
    return None


def _later(record: ev.Record, number: int) -> ev.Record:
    """The record with the timer set for a far later time."""

    def wanted(want: ev.Want) -> ev.Want:
        mine = isinstance(want, tim.TimerWanted) and want.number == number
        return tim.TimerWanted(number, want.fire_at + 10_000 * HOUR) if mine else want  # type: ignore[union-attr]

    events = tuple(
        replace(event, wants=tuple(map(wanted, event.wants))) if isinstance(event, ev.Ran) else event
        for event in record.events
    )
    return replace(record, events=events)


@must_be_found_as(Invariant.TIMERS)
def an_instance_does_not_wake_for_its_timer(page: Page, random: Random) -> Page | None:
    current = page.head.current
    if current is None or not page.head.is_current or page.head.closed_at is not None:
        return None
    if not _running_timers(page):
        return None
    late = None if random.random() < 0.5 else current.started_at or 0
    return with_head(page, current=replace(current, wake_at=late and late + 10**6 * HOUR))


def _running_timers(page: Page) -> set[int]:
    running: set[int] = set()
    for _, event in events_of(page, ev.Ran, tim.TimerElapsed):
        if isinstance(event, tim.TimerElapsed):
            running.discard(event.number)
            continue
        for want in event.wants:
            if isinstance(want, tim.TimerWanted):
                running.add(want.number)
            elif isinstance(want, tim.TimerUnwanted):
                running.discard(want.number)
    return running


# --- IDs ------------------------------------------------------------------------------------------------------


@must_be_found_as(Invariant.IDENTITY)
def an_activity_begins_twice(page: Page, random: Random) -> Page | None:
    return _wanted_again(page, act.ActivityWanted)


@must_be_found_as(Invariant.IDENTITY)
def a_timer_begins_twice(page: Page, random: Random) -> Page | None:
    return _wanted_again(page, tim.TimerWanted)


def _wanted_again(page: Page, kind: type[Any]) -> Page | None:
    for row, ran in events_of(page, ev.Ran):
        for want in ran.wants:
            if isinstance(want, kind):
                return appended(page, row.sequence, ev.Ran((), (want,)))
    return None


@must_be_found_as(Invariant.IDENTITY)
def a_token_is_of_another_activity(page: Page, random: Random) -> Page | None:
    for row, ran in events_of(page, ev.Ran):
        for want in ran.wants:
            if isinstance(want, act.ActivityWanted):
                spec = replace(want.spec, number=want.spec.number + 1_000)
                return appended(page, row.sequence, ev.Ran((), (replace(want, spec=spec),)))
    return None


@must_be_found_as(Invariant.IDENTITY)
def the_journal_is_of_another_run(page: Page, random: Random) -> Page | None:
    started = next(events_of(page, ev.RunStarted), None)
    if started is None:
        return None
    row, event = started
    other = replace(event, info=replace(event.info, run_id="run-of-another"))
    blob = CODEC.encode_record(replace(CODEC.decode_record(row.events), events=(other,)))
    return with_row(page, 0, events=blob)


@must_be_found_as(Invariant.IDENTITY)
def a_start_gave_another_run_id(page: Page, random: Random) -> Page | None:
    if not page.rows or page.rows[0].sequence != 1:
        return None
    return with_row(page, 0, cause="workflow.start message-of-another-run")
