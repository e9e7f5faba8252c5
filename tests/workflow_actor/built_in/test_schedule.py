"""A schedule as an instance: what it asks for, and what it keeps. It is loaded anew before each command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest

from dalsegno.actors.supervisor.wire.others import FORMS
from dalsegno.actors.workflow_actor.built_in import schedule as built_in
from dalsegno.actors.workflow_actor.children.sends import StartChildEffect
from dalsegno.actors.workflow_actor.externals.sends import ExternalEffect
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import OtherAnswered, OtherEnded, WakeUp
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from dalsegno.priority import level_in, named
from dalsegno.schedules import deciding, times
from dalsegno.schedules.action import StoredAction, StoredRetryPolicy
from dalsegno.schedules.book import SCHEDULE, ScheduleBook, WrittenSchedule
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.schedule import SchedulePolicy
from dalsegno.schedules.spec import ScheduleSpec
from dalsegno.schedules.zone import zone
from dalsegno.search_attributes import AttributeValue, SearchAttributeIndexedValueType
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, SECOND, Rig, answer, effects

HOUR = 3_600 * SECOND
SECRET = Payload("secret/aes", b"\x00what only workers can read")
BEGIN = datetime(2023, 11, 14, 22, tzinfo=UTC)
"""The hour before T0."""
Overlap = ScheduleOverlapPolicy


def written(overlap: Overlap = Overlap.SKIP, line: str = "0 * * * *", **policy: Any) -> WrittenSchedule:
    return WrittenSchedule(
        action=StoredAction(workflow="Report", id="report", task_queue="reports", args=[SECRET]),
        spec=ScheduleSpec(cron_expressions=[line]),
        policy=SchedulePolicy(overlap, **policy),
    )


def begun(asked: Any, **changes: Any) -> Rig:
    rig = Rig(WorkflowRegistry([]), passivating=True)
    rig.start(workflow_type=SCHEDULE, args=(to_payload(asked),), **changes)
    return rig


def woken(rig: Rig, hours: float) -> Activation:
    """So many hours after T0's."""
    at = int(BEGIN.timestamp() * SECOND) + int(hours * HOUR)
    return rig.send(WakeUp(), after=at - rig.now)


def started(activation: Activation) -> StartChildEffect:
    (only,) = effects(activation, StartChildEffect)
    assert isinstance(only, StartChildEffect)
    return only


def says_begun(rig: Rig, start: StartChildEffect) -> Activation:
    number = start.parent.number
    return rig.send(OtherAnswered(run_id="run-1", number=number, asked="start", by_run="child-run"))


def says_ended(rig: Rig, number: int, status: WorkflowStatus, **how: Any) -> Activation:
    return rig.send(OtherEnded(run_id="run-1", number=number, by_run="child-run", status=status, **how))


def told(rig: Rig, update: str, *args: Any) -> Activation:
    sent = Update(update_id=f"u-{rig.now}", name=update, args=tuple(map(to_payload, args)), caller=CALLER)
    return rig.send(sent, after=1)


def wake_at(rig: Rig) -> int | None:
    return rig.instance.wake_at


def book(rig: Rig) -> ScheduleBook:
    answered = answer(rig.send(Query(name="describe", caller=CALLER)))
    assert answered.result is not None
    found: ScheduleBook = from_payload(answered.result, ScheduleBook)
    return found


def test_it_sets_a_sign_at_once_and_sleeps_until_the_first_time() -> None:
    rig = begun(ScheduleBook(written=written()))
    assert rig.state.signed.signs == 1
    assert wake_at(rig) == int((BEGIN + timedelta(hours=1)).timestamp()) * SECOND
    assert len(book(rig).upcoming) == deciding.UPCOMING_MAX


def test_what_it_starts_has_an_id_of_the_time_and_arguments_that_nobody_has_looked_into() -> None:
    rig = begun(ScheduleBook(written=written()))
    start = started(woken(rig, 1))
    assert (start.spec.workflow_id, start.spec.workflow_type) == ("report-2023-11-14T23:00:00Z", "Report")
    assert (start.spec.task_queue, start.spec.args) == ("reports", (SECRET,))
    says_begun(rig, start)
    kept = book(rig)
    assert kept.running is not None
    assert kept.running.first_execution_run_id == "child-run"
    says_ended(rig, start.parent.number, WorkflowStatus.COMPLETED, result=SECRET)
    assert (book(rig).running, book(rig).last_result) == (None, SECRET)
    assert started(woken(rig, 2)).spec.workflow_id == "report-2023-11-15T00:00:00Z"


def test_one_whose_id_is_taken_is_not_started_and_the_next_one_is() -> None:
    rig = begun(ScheduleBook(written=written()))
    start = started(woken(rig, 1))
    refusal = ("already_started", "it runs")
    rig.send(OtherAnswered(run_id="run-1", number=start.parent.number, asked="start", error=refusal))
    assert (book(rig).started, book(rig).skipped, book(rig).running) == (0, 1, None)
    assert started(woken(rig, 2)).spec.workflow_id == "report-2023-11-15T00:00:00Z"


def test_a_sign_that_is_set_while_one_runs_waits_for_its_end_anew() -> None:
    rig = begun(ScheduleBook(written=written(pause_on_failure=True)))
    start = started(woken(rig, 1))
    says_begun(rig, start)
    signs = rig.state.signed.signs
    (asked,) = effects(
        told(rig, "update", written(pause_on_failure=True, line="30 * * * *"), 0), ExternalEffect
    )
    assert rig.state.signed.signs == signs + 1
    assert (asked.spec.asked, asked.spec.workflow_id) == ("end", "report-2023-11-14T23:00:00Z")
    says_ended(rig, start.parent.number, WorkflowStatus.COMPLETED)
    assert book(rig).running is not None, "of the child itself nothing is heard any more"
    failure = Failure(message="no paper", type="Jam")
    says_ended(rig, asked.spec.number, WorkflowStatus.FAILED, failure=failure)
    kept = book(rig)
    assert kept.running is None
    assert kept.written.state.note == "paused due to workflow failure: report-2023-11-14T23:00:00Z: no paper"


@pytest.mark.parametrize(
    ("overlap", "asked"), [(Overlap.CANCEL_OTHER, "cancel"), (Overlap.TERMINATE_OTHER, "terminate")]
)
@pytest.mark.parametrize("error", [None, ("closed", "it has ended")])
def test_the_other_is_stopped_and_the_next_is_started_when_it_has_ended(
    overlap: Overlap, asked: str, error: tuple[str, str] | None
) -> None:
    rig = begun(ScheduleBook(written=written(overlap)))
    first = started(woken(rig, 1))
    says_begun(rig, first)
    (stop,) = effects(woken(rig, 2), ExternalEffect)
    assert (stop.spec.asked, stop.spec.workflow_id) == (asked, first.spec.workflow_id)
    assert stop.spec.run_id is None, "it may have gone on as another run"
    rig.send(OtherAnswered(run_id="run-1", number=stop.spec.number, asked=asked, error=error))  # type: ignore[arg-type]
    after = says_ended(rig, first.parent.number, WorkflowStatus.CANCELED)
    assert started(after).spec.workflow_id == "report-2023-11-15T00:00:00Z"
    assert not book(rig).written.state.paused, "it was stopped on purpose"


def fits(start: StartChildEffect) -> None:
    """Raises MessageTooLargeError."""
    FORMS[StartChildEffect].message(start, "id", None)


def test_what_has_no_room_in_a_start_is_not_told_and_the_schedule_goes_on() -> None:
    def text(size: int) -> Payload:
        return to_payload("x" * size)

    asked = written()
    asked.action.args = [text(600_000)]
    rig = begun(ScheduleBook(written=asked))
    first = started(woken(rig, 1))
    says_begun(rig, first)
    says_ended(rig, first.parent.number, WorkflowStatus.COMPLETED, result=text(600_000))
    second = started(woken(rig, 2))
    fits(second)
    assert second.spec.last_result is None
    says_begun(rig, second)
    failure = Failure(message="no paper", type="Jam", details=(text(590_000),))
    says_ended(rig, second.parent.number, WorkflowStatus.FAILED, failure=failure)
    third = started(woken(rig, 3))
    fits(third)
    assert third.spec.last_failure is not None
    assert (third.spec.last_failure.message, third.spec.last_failure.details) == ("no paper", ())


def test_each_is_told_what_the_last_one_that_completed_has_given() -> None:
    rig = begun(ScheduleBook(written=written()))
    first = started(woken(rig, 1))
    assert first.spec.last_result is None
    says_begun(rig, first)
    says_ended(rig, first.parent.number, WorkflowStatus.COMPLETED, result=SECRET)
    second = started(woken(rig, 2))
    assert second.spec.last_result == SECRET
    says_begun(rig, second)
    failure = Failure(message="no paper", type="Jam")
    says_ended(rig, second.parent.number, WorkflowStatus.FAILED, failure=failure)
    third = started(woken(rig, 3)).spec
    assert third.last_result == SECRET
    assert third.last_failure is not None
    assert third.last_failure.message == "no paper"
    assert second.spec.last_failure is None


def test_what_it_starts_has_all_that_its_action_says() -> None:
    anna = AttributeValue(SearchAttributeIndexedValueType.KEYWORD, "anna")
    asked = written()
    asked.action = StoredAction(
        workflow="Report",
        id="report",
        execution_timeout=timedelta(hours=2),
        run_timeout=timedelta(hours=1),
        retry_policy=StoredRetryPolicy(initial_interval=timedelta(seconds=3), maximum_attempts=2),
        search_attributes={"Customer": anna},
        priority=1,
    )
    spec = started(woken(begun(ScheduleBook(written=asked)), 1)).spec
    assert (spec.execution_timeout, spec.run_timeout) == (2 * HOUR, HOUR)
    assert spec.retry is not None
    assert (spec.retry.initial_interval, spec.retry.maximum_attempts) == (3 * SECOND, 2)
    assert spec.search_attributes == {"Customer": anna}
    assert (named(spec.task_queue), level_in(spec.task_queue)) == ("default", 1)


def test_those_that_may_run_side_by_side_are_let_go() -> None:
    rig = begun(ScheduleBook(written=written(Overlap.ALLOW_ALL)))
    for hour in (1, 2, 3):
        says_begun(rig, started(woken(rig, hour)))
    assert (book(rig).started, book(rig).running) == (3, None)
    for number in (1, 2, 3):
        says_ended(rig, number, WorkflowStatus.FAILED, failure=Failure(message="no paper", type="Jam"))
    assert not book(rig).written.state.paused
    assert dict(rig.state.children) == {}


def test_years_of_it_are_as_small_as_its_first_day() -> None:
    rig = begun(ScheduleBook(written=written()))
    sizes: list[int] = []
    for hour in range(1, 300):
        start = started(woken(rig, hour))
        says_begun(rig, start)
        says_ended(rig, start.parent.number, WorkflowStatus.COMPLETED)
        rig.settle()
        sizes.append(len(rig.state.log))
    assert max(sizes) <= 4 * built_in.TURNS
    signs = rig.state.signed.signs
    assert 300 // built_in.TURNS <= signs <= 3 * 300 // built_in.TURNS, "not one for each time"
    assert book(rig).started == 299


def test_other_time_zones_than_those_that_were_computed_with_do_not_bring_it_to_a_stop() -> None:
    rig = begun(ScheduleBook(written=written()))
    with patch.object(times.Interval, "after", _refused), patch.object(times.Times, "after", _refused):
        start = started(woken(rig, 1))
        says_begun(rig, start)
        says_ended(rig, start.parent.number, WorkflowStatus.COMPLETED)
        assert started(woken(rig, 2)).spec.workflow_id == "report-2023-11-15T00:00:00Z"
    assert rig.status() is WorkflowStatus.RUNNING


def _refused(*_: Any) -> Any:
    raise AssertionError("what was computed is kept")


def test_what_it_is_asked_is_done_and_told() -> None:
    rig = begun(ScheduleBook(written=written()))
    told(rig, "pause", "holidays")
    assert (book(rig).written.state.paused, book(rig).written.state.note) == (True, "holidays")
    assert wake_at(rig) is None
    start = started(told(rig, "trigger", Overlap.ALLOW_ALL))
    says_begun(rig, start)
    assert start.spec.workflow_id.startswith("report-2023-11-14T22:13")
    told(rig, "unpause", "back")
    assert wake_at(rig) is not None
    assert book(rig).revision == 2


@pytest.mark.parametrize(
    ("update", "args", "reason"),
    [
        ("update", (written(line="whenever"), None), "cron_expressions[0] 'whenever' has 1 fields"),
        ("update", (written(), 7), "The schedule has changed since it was looked at."),
        ("backfill", ([{"start_at": "2027-01-01T00:00:00Z", "end_at": "2026-01-01T00:00:00Z"}],), "is earlier"),
        ("trigger", ("perhaps",), "does not fit"),
        ("pause", (7,), "does not fit"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(update: str, args: Any, reason: str) -> None:
    rig = begun(ScheduleBook(written=written()))
    before = book(rig)
    failed = answer(told(rig, update, *args))
    assert failed.failure is not None
    assert reason in failed.failure.message
    assert book(rig) == before


LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)
GIVEN_BY_HAND = {
    "written": {"action": {"workflow": "Report", "id": "r"}, "spec": {"cron_expressions": ["@daily"]}}
}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (ScheduleBook(written=written(line="0 0 30 2 *")), "fits no day"),
        (ScheduleBook(written=WrittenSchedule(action=StoredAction(workflow="", id="a"))), "workflow"),
        ({"written": {"action": {"workflow": "Report", "id": "x" * 300}}}, "id"),
        (ScheduleBook(written=written(), created_at=LONG_AGO), "created_at is the schedule's own to say"),
        (
            ScheduleBook(written=written(), created_at=LONG_AGO, passed=LONG_AGO),
            "created_at is the schedule's own",
        ),
        (ScheduleBook(written=written(), created_at=datetime(2150, 1, 1, tzinfo=UTC)), "created_at is the"),
        (ScheduleBook(written=written(), started=7), "started is the schedule's own"),
        (
            {**GIVEN_BY_HAND, "created_at": "2020-01-01T00:00:00", "passed": "2020-01-01T00:00:00"},
            "created_at is",
        ),
    ],
)
def test_one_that_cannot_be_fails_at_once_whoever_has_sent_it(asked: Any, reason: str) -> None:
    rig = begun(asked)
    assert rig.status() is WorkflowStatus.FAILED
    outcome = rig.state.outcome
    assert outcome is not None
    assert (failure := outcome.failure) is not None
    assert failure.type == "ScheduleInvalid"
    assert reason in failure.message


@pytest.mark.parametrize("args", [(), ({"no": "book"},), (7,), (ScheduleBook(written=written()), 1)])
def test_one_that_is_started_with_something_else_fails_and_waits_for_no_other_code(args: Any) -> None:
    rig = Rig(WorkflowRegistry([]))
    rig.start(workflow_type=SCHEDULE, args=tuple(map(to_payload, args)))
    assert rig.status() is WorkflowStatus.FAILED
    assert rig.state.reason is not None
    assert "cannot take the arguments of its start" in rig.state.reason


def test_a_time_that_is_a_lifetime_away_is_waited_for() -> None:
    rig = begun(ScheduleBook(written=written(line="0 0 1 1 * 2190")))
    assert wake_at(rig) == int(datetime(2190, 1, 1, tzinfo=UTC).timestamp()) * SECOND


def test_time_zones_are_read_though_workflow_code_may_open_no_files() -> None:
    zone.cache_clear()
    ZoneInfo.clear_cache()
    asked = written()
    asked.spec.time_zone_name = "Asia/Kathmandu"
    rig = begun(ScheduleBook(written=asked))
    assert wake_at(rig) == int((BEGIN + timedelta(minutes=15)).timestamp()) * SECOND
