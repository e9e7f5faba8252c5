"""What a schedule does next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno.failure import Failure
from dalsegno.schedules.action import StoredAction
from dalsegno.schedules.book import ScheduleBook, WaitingStart, WrittenSchedule
from dalsegno.schedules.deciding import (
    TAKEN_MAX,
    WAITING_MAX,
    Acts,
    ask_for_start,
    begin,
    has_ended,
    has_failed,
    needs_refill,
    next_wake,
    refill,
    set_paused,
    settle,
    take_due,
    was_started,
    write_anew,
)
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.schedule import (
    ScheduleBackfill,
    SchedulePolicy,
    ScheduleState,
)
from dalsegno.schedules.spec import ScheduleSpec

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Overlap = ScheduleOverlapPolicy


class Life:
    """A schedule that fires at each full hour (or as the `line` says), and what it has started."""

    def __init__(
        self,
        overlap: Overlap = Overlap.SKIP,
        *,
        line: str = "0 * * * *",
        window: timedelta | None = None,
        state: ScheduleState | None = None,
        **book: object,
    ) -> None:
        written = WrittenSchedule(
            action=StoredAction(workflow="Report", id="report"),
            spec=ScheduleSpec(cron_expressions=[line]),
            policy=SchedulePolicy(overlap, window),
            state=state or ScheduleState(),
        )
        self.book = ScheduleBook(written=written, **book)  # type: ignore[arg-type]
        self.now = NOON
        self.acts: list[Acts] = []
        self.started: list[str] = []
        begin(self.book, self.now)
        self._act()

    def at(self, now: datetime) -> Life:
        """It wakes when it wants to, and at last at `now`."""
        while (wake := next_wake(self.book)) is not None and wake <= now:
            self.now = max(wake, self.now)
            self._act()
        return self.asleep_until(now)

    def asleep_until(self, now: datetime) -> Life:
        """Nobody wakes it before."""
        self.now = now
        self._act()
        return self

    def ended(self) -> Life:
        has_ended(self.book, self.now)
        self._act()
        return self

    def _act(self) -> None:
        for _ in range(10_000):
            take_due(self.book, self.now)
            acts = settle(self.book)
            self.acts.append(acts)
            self.book.stopping = acts.stop or self.book.stopping
            for start in [*acts.beside, *([acts.alone] if acts.alone else [])]:
                self._start(start)
            if not needs_refill(self.book):
                return
            refill(self.book, "hourly", self.now)
        raise AssertionError("it does not come to rest")

    def _start(self, start: WaitingStart) -> None:
        workflow_id = self.book.written.action.workflow_id(start.nominal)
        was_started(self.book, start, workflow_id, f"run {len(self.started)}", self.now)
        self.started.append(workflow_id.removeprefix("report-2027-01-"))

    @property
    def stops(self) -> list[Overlap]:
        return [acts.stop for acts in self.acts if acts.stop is not None]


def test_it_starts_a_workflow_whenever_it_is_time() -> None:
    life = Life()
    assert next_wake(life.book) == NOON + HOUR
    assert life.at(NOON + 59 * MINUTE).started == []
    assert life.at(NOON + HOUR).started == ["01T13:00:00Z"]
    assert life.ended().at(NOON + 2 * HOUR).started == ["01T13:00:00Z", "01T14:00:00Z"]
    assert life.book.started == 2
    assert [one.action.first_execution_run_id for one in life.book.recent] == ["run 0", "run 1"]


def test_skip_starts_nothing_while_the_last_one_runs_and_goes_on_with_the_next_time() -> None:
    life = Life().at(NOON + 4.5 * HOUR)
    assert life.started == ["01T13:00:00Z"]
    assert life.ended().started == ["01T13:00:00Z"]
    assert life.book.skipped == 3
    assert life.at(NOON + 5 * HOUR).started == ["01T13:00:00Z", "01T17:00:00Z"]


def test_a_long_run_wakes_a_schedule_that_skips_only_when_it_knows_no_further_times() -> None:
    life = Life().at(NOON + HOUR)
    wakes = len(life.acts)
    assert life.at(NOON + 60 * HOUR).started == ["01T13:00:00Z"]
    assert len(life.acts) == wakes + 1, "nothing but our own look"
    assert life.ended().started == ["01T13:00:00Z"]
    assert life.book.skipped == 59


@pytest.mark.parametrize("hours", [64, 65, 66, 200, 1000])
def test_a_run_that_is_longer_than_the_times_that_are_known_is_never_followed_by_one_that_was_skipped(
    hours: int,
) -> None:
    life = Life().at(NOON + HOUR).at(NOON + hours * HOUR + MINUTE).ended()
    assert life.started == ["01T13:00:00Z"]
    assert life.book.skipped == hours - 1


def test_buffer_one_starts_one_of_those_that_were_due_meanwhile() -> None:
    life = Life(Overlap.BUFFER_ONE).at(NOON + 4.5 * HOUR)
    assert life.ended().started == ["01T13:00:00Z", "01T14:00:00Z"]
    assert life.book.skipped == 2


def test_what_is_buffered_is_not_too_late_however_long_the_other_ran() -> None:
    life = Life(Overlap.BUFFER_ONE, window=10 * MINUTE).at(NOON + 4.5 * HOUR)
    assert life.ended().started == ["01T13:00:00Z", "01T14:00:00Z"]
    assert life.book.missed == 0


def test_buffer_all_starts_all_of_them_one_after_the_other() -> None:
    life = Life(Overlap.BUFFER_ALL).at(NOON + 4.5 * HOUR)
    assert life.started == ["01T13:00:00Z"]
    for _ in range(3):
        life.ended()
    assert life.started == ["01T13:00:00Z", "01T14:00:00Z", "01T15:00:00Z", "01T16:00:00Z"]
    assert life.ended().at(NOON + 4.9 * HOUR).book.running is None


def test_what_waits_is_bounded() -> None:
    life = Life(Overlap.BUFFER_ALL, line="* * * * *").at(NOON + timedelta(minutes=WAITING_MAX + 50))
    assert len(life.book.waiting) == WAITING_MAX
    assert life.book.skipped == 49
    with pytest.raises(ValueError, match="1,000 starts wait already"):
        ask_for_start(life.book, life.now, None)


@pytest.mark.parametrize("overlap", [Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER])
def test_the_other_is_stopped_once_and_the_newest_is_started_when_it_has_ended(overlap: Overlap) -> None:
    life = Life(overlap).at(NOON + 4.5 * HOUR)
    assert life.started == ["01T13:00:00Z"]
    assert life.stops == [overlap]
    assert life.ended().started == ["01T13:00:00Z", "01T16:00:00Z"]
    assert life.book.skipped == 2
    assert life.at(NOON + 5 * HOUR).stops == [overlap, overlap]


def test_what_was_asked_to_stop_may_be_terminated_all_the_same() -> None:
    life = Life(Overlap.CANCEL_OTHER).at(NOON + 2 * HOUR)
    ask_for_start(life.book, life.now, Overlap.TERMINATE_OTHER)
    life.at(life.now)
    assert life.stops == [Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER]
    ask_for_start(life.book, life.now, Overlap.CANCEL_OTHER)
    assert life.at(life.now).stops == [Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER]


def test_allow_all_starts_each_and_waits_for_none() -> None:
    life = Life(Overlap.ALLOW_ALL).at(NOON + 3 * HOUR)
    assert life.started == ["01T13:00:00Z", "01T14:00:00Z", "01T15:00:00Z"]
    assert life.book.running is None


# After an outage


def test_after_an_outage_times_in_the_catch_up_window_are_made_up_for() -> None:
    life = Life(Overlap.ALLOW_ALL, window=timedelta(hours=2)).asleep_until(NOON + 4 * HOUR)
    assert life.started == ["01T14:00:00Z", "01T15:00:00Z", "01T16:00:00Z"]
    assert life.book.missed == 1


def test_by_default_all_that_a_year_has_missed_is_made_up_for() -> None:
    life = Life(Overlap.ALLOW_ALL).asleep_until(NOON + 10 * DAY)
    assert len(life.started) == len(set(life.started)) == 240


def test_a_window_of_less_than_ten_seconds_is_ten() -> None:
    life = Life(window=timedelta()).asleep_until(NOON + HOUR + timedelta(seconds=9))
    assert life.started == ["01T13:00:00Z"]


def test_with_skip_the_first_of_those_missed_is_started_and_the_others_find_it_running() -> None:
    life = Life().asleep_until(NOON + 4 * HOUR)
    assert life.started == ["01T13:00:00Z"]
    assert life.book.skipped == 3


def test_with_stopping_others_only_the_newest_of_those_missed_is_started() -> None:
    life = Life(Overlap.CANCEL_OTHER).asleep_until(NOON + 4 * HOUR)
    assert (life.started, life.stops) == (["01T16:00:00Z"], [])


def test_more_than_can_be_taken_at_once_is_taken_in_portions() -> None:
    life = Life(line="* * * * * * *")
    life.now += timedelta(seconds=2 * TAKEN_MAX)
    take_due(life.book, life.now)
    refill(life.book, "s", life.now)
    assert needs_refill(life.book), "it is left to the next time"
    life.asleep_until(life.now)
    assert life.book.skipped + len(life.started) == 2 * TAKEN_MAX


# Limits, pauses, failures


def test_a_limited_schedule_starts_so_many_and_no_more() -> None:
    life = Life(Overlap.ALLOW_ALL, state=ScheduleState(limited_actions=True, remaining_actions=2))
    assert life.at(NOON + 9 * HOUR).started == ["01T13:00:00Z", "01T14:00:00Z"]
    assert life.book.written.state.remaining_actions == 0
    assert next_wake(life.book) is None
    ask_for_start(life.book, life.now, None)
    assert len(life.at(life.now).started) == 3, "what is asked for is not counted"


@pytest.mark.parametrize("overlap", Overlap)
def test_limits_hold_for_what_was_missed_too(overlap: Overlap) -> None:
    life = Life(overlap, state=ScheduleState(limited_actions=True, remaining_actions=2))
    life.asleep_until(NOON + 9 * HOUR)
    for _ in range(9):
        life.ended()
    assert len(life.started) + life.book.written.state.remaining_actions == 2


def test_while_it_is_paused_times_pass_and_are_not_made_up_for() -> None:
    life = Life()
    set_paused(life.book, life.now, True, "for the holidays")
    assert life.at(NOON + 100 * HOUR).started == []
    assert (life.book.written.state.note, next_wake(life.book)) == ("for the holidays", None)
    set_paused(life.book, life.now, False, "back")
    assert life.at(NOON + 100.5 * HOUR).started == []
    assert life.at(NOON + 101 * HOUR).started == ["05T17:00:00Z"]
    assert (life.book.missed, life.book.skipped, life.book.revision) == (0, 0, 2)


def test_what_waits_when_it_is_paused_is_not_started_but_what_was_asked_for() -> None:
    life = Life(Overlap.BUFFER_ALL).at(NOON + 2 * HOUR)
    ask_for_start(life.book, life.now, Overlap.BUFFER_ALL)
    set_paused(life.book, life.now, True, "")
    assert life.ended().started == ["01T13:00:00Z", "01T14:00:00.000001Z"]
    assert life.ended().book.running is None


def test_a_failure_pauses_it_where_it_is_told_so() -> None:
    life = Life()
    failure = Failure(message="no paper", type="Jam")
    has_failed(life.book, "failure: report-1: no paper", failure)
    assert not life.book.written.state.paused
    life.book.written.policy.pause_on_failure = True
    has_failed(life.book, "failure: report-2: no paper", failure)
    state = life.book.written.state
    assert (state.paused, state.note) == (True, "paused due to workflow failure: report-2: no paper")


# What is asked for


def test_a_start_that_is_asked_for_has_the_time_at_which_it_was_and_each_another() -> None:
    life = Life(Overlap.ALLOW_ALL, trigger=True)
    ask_for_start(life.book, NOON, None)
    assert life.at(NOON).started == ["01T12:00:00.000001Z", "01T12:00:00.000002Z"]


def test_a_backfill_goes_through_times_that_are_over() -> None:
    life = Life(backfills=[ScheduleBackfill(NOON - 3 * HOUR, NOON - HOUR, Overlap.ALLOW_ALL)])
    assert life.started == ["01T10:00:00Z", "01T11:00:00Z"], "its start is not in it, its end is"
    assert life.book.backfills == []


def test_a_backfill_of_more_than_can_wait_goes_on_when_there_is_room() -> None:
    backfill = ScheduleBackfill(NOON - 2 * DAY, NOON - timedelta(minutes=1), Overlap.BUFFER_ALL)
    life = Life(line="* * * * *", backfills=[backfill])
    assert len(life.book.waiting) == WAITING_MAX
    for _ in range(3_000):
        life.ended()
    assert len(life.started) == len(set(life.started)) == 2 * 24 * 60 - 1


def test_a_backfill_of_a_paused_schedule_is_done() -> None:
    backfill = ScheduleBackfill(NOON - HOUR, NOON)
    assert Life(state=ScheduleState(paused=True), backfills=[backfill]).started == ["01T12:00:00Z"]


def test_a_schedule_that_is_written_anew_fires_at_its_new_times_from_now_on() -> None:
    life = Life().at(NOON + HOUR).ended()
    life.now = NOON + 1.6 * HOUR
    anew = WrittenSchedule(
        action=StoredAction(workflow="Report", id="report"), spec=ScheduleSpec(cron_expressions=["30 * * * *"])
    )
    write_anew(life.book, life.now, anew)
    assert life.at(NOON + 2.6 * HOUR).started == ["01T13:00:00Z", "01T14:30:00Z"]


def test_a_schedule_without_times_never_wakes() -> None:
    assert next_wake(Life(line="0 0 1 1 * 1999").book) is None


# Whatever happens


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(Overlap),
    st.lists(
        st.tuples(st.sampled_from(["at", "asleep", "ended", "ask", "pause", "go on"]), st.integers(0, 300))
    ),
)
def test_nothing_is_started_twice_or_too_early_or_beside_another(
    overlap: Overlap, steps: list[tuple[str, int]]
) -> None:
    life = Life(overlap, line="*/10 * * * *")
    for what, minutes in steps:
        before, running = len(life.started), life.book.running
        match what:
            case "at":
                life.at(life.now + minutes * MINUTE)
            case "asleep":
                life.asleep_until(life.now + minutes * MINUTE)
            case "ended":
                life.ended()
                running = None
            case "ask":
                ask_for_start(life.book, life.now, None)
                life.at(life.now)
            case _:
                set_paused(life.book, life.now, what == "pause", "")
                life.at(life.now)
        begun = life.started[before:]
        if overlap is not Overlap.ALLOW_ALL:
            assert len(begun) <= (running is None), "one at a time"
        if life.book.written.state.paused and what in ("at", "asleep"):
            assert begun == []
    assert len(set(life.started)) == len(life.started)
    assert all(f"2027-01-{one}" <= life.now.replace(tzinfo=None).isoformat() + "Z" for one in life.started)
    assert len(life.book.waiting) <= WAITING_MAX


def test_an_update_of_something_else_leaves_out_no_time_that_is_due() -> None:
    life = Life(Overlap.ALLOW_ALL, line="* * * * *")
    anew = replace(life.book.written, spec=ScheduleSpec(cron_expressions=["* * * * *"]))
    write_anew(life.book, NOON + 3 * HOUR, anew)
    assert len(life.asleep_until(NOON + 3 * HOUR).started) == 180


def test_an_update_of_something_else_leaves_out_no_time_that_waits_for_its_jitter() -> None:
    life = Life(Overlap.ALLOW_ALL)
    life.book.upcoming[0].actual += 30 * MINUTE
    write_anew(life.book, NOON + HOUR + MINUTE, replace(life.book.written, state=ScheduleState("as before")))
    assert life.at(NOON + 1.5 * HOUR).started == ["01T13:00:00Z"]


def test_what_changes_of_it_by_itself_is_a_revision_so_that_no_update_takes_it_back() -> None:
    life = Life(state=ScheduleState(limited_actions=True, remaining_actions=3))
    life.book.written.policy.pause_on_failure = True
    seen = life.book.revision
    assert life.at(NOON + HOUR).book.written.state.remaining_actions == 2
    assert life.book.revision > seen
    seen = life.book.revision
    has_failed(life.book, "failure: report-1: no paper", Failure(message="no paper"))
    assert life.book.revision > seen


def test_a_long_backfill_takes_no_room_from_the_times() -> None:
    backfill = ScheduleBackfill(NOON - 100 * DAY, NOON, Overlap.BUFFER_ALL)
    life = Life(Overlap.ALLOW_ALL, backfills=[backfill])
    assert len(life.book.waiting) == WAITING_MAX
    assert life.at(NOON + 2 * HOUR).started[-2:] == ["01T13:00:00Z", "01T14:00:00Z"]
