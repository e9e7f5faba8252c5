"""What a schedule is told, by whoever: the form of it, and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dalsegno import RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from dalsegno.data_converter import DataConverter
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.schedules.action import (
    ScheduleActionStartWorkflow,
    StoredAction,
    StoredRetryPolicy,
    shown_action,
    stored_action,
)
from dalsegno.schedules.book import (
    BACKFILLS_MAX,
    ScheduleBook,
    WrittenSchedule,
    require_backfills,
    require_possible,
    schedule_workflow_id,
)
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.schedule import ScheduleBackfill, SchedulePolicy, ScheduleState
from dalsegno.schedules.spec import ScheduleIntervalSpec, ScheduleSpec
from dalsegno.search_attributes import AttributeValue, SearchAttributeIndexedValueType
from tests.default_converter import from_payload, to_payload

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol-client.md"
KEYWORD = AttributeValue(SearchAttributeIndexedValueType.KEYWORD, "x")
ACTION = StoredAction(workflow="Report", id="report")
DAY = datetime(2027, 1, 1, tzinfo=UTC)


def test_the_document_that_the_page_on_the_protocol_shows_is_a_schedule() -> None:
    section = PROTOCOL.read_text().partition("## Schedules")[2]
    (document,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    book: ScheduleBook = from_payload(Payload(JSON_PLAIN, document.encode()), ScheduleBook)
    written = require_possible(book.written)
    assert written.action.args == [to_payload("sales")]
    assert written.action.execution_timeout == timedelta(hours=1)
    assert written.spec.intervals == [ScheduleIntervalSpec(timedelta(hours=1), timedelta(minutes=5))]
    assert written.policy.overlap is ScheduleOverlapPolicy.BUFFER_ONE
    assert (written.state.remaining_actions, book.trigger) == (3, True)
    assert require_backfills(book.backfills)[0].overlap is ScheduleOverlapPolicy.BUFFER_ALL


def test_what_is_left_out_is_as_in_the_classes() -> None:
    book: ScheduleBook = from_payload(
        Payload(JSON_PLAIN, b'{"written": {"action": {"workflow": "Report", "id": "report"}}}'), ScheduleBook
    )
    assert book == ScheduleBook(written=WrittenSchedule(action=ACTION))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"policy": SchedulePolicy(overlap="both")}, r"policy\.overlap must be one of ScheduleOverlapPolicy"),  # type: ignore[arg-type]
        ({"policy": SchedulePolicy(catchup_window=-1)}, r"policy\.catchup_window must be"),
        ({"policy": SchedulePolicy(pause_on_failure=1)}, r"policy\.pause_on_failure must be True or False"),  # type: ignore[arg-type]
        ({"state": ScheduleState(note=7)}, r"state\.note must be text"),  # type: ignore[arg-type]
        ({"state": ScheduleState(paused="no")}, r"state\.paused must be True or False"),  # type: ignore[arg-type]
        ({"state": ScheduleState(limited_actions=True, remaining_actions=-1)}, r"state\.remaining_actions"),
        ({"state": ScheduleState(remaining_actions=1)}, "but state.limited_actions is False"),
        ({"spec": ScheduleSpec(time_zone_name="Mars")}, "time_zone_name 'Mars'"),
        ({"action": StoredAction(workflow="", id="report")}, "The action's workflow"),
        ({"action": StoredAction(workflow="Report", id="x" * 230)}, "is too long: the time is put behind it"),
        ({"action": StoredAction(workflow="Report", id="a", task_queue="\0")}, "task_queue"),
        (
            {
                "action": StoredAction(
                    workflow="Report", id="a", retry_policy=StoredRetryPolicy(initial_interval=timedelta())
                )
            },
            "RetryPolicy.initial_interval",
        ),
        (
            {"action": StoredAction(workflow="Report", id="a", search_attributes={"two\nlines": KEYWORD})},
            "The name of a search attribute",
        ),
        (
            {"action": StoredAction(workflow="Report", id="a", execution_timeout=timedelta())},
            "execution_timeout must be",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(parts: dict[str, Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        require_possible(WrittenSchedule(**({"action": ACTION} | parts)))


@pytest.mark.parametrize(
    ("backfills", "sentence"),
    [
        (ScheduleBackfill(DAY, DAY), "backfill must be a list of ScheduleBackfill"),
        ([DAY], r"backfill\[0\] must be a ScheduleBackfill"),
        ([ScheduleBackfill(DAY, DAY - timedelta(days=1))], r"backfill\[0\]\.end_at is earlier"),
        ([ScheduleBackfill(datetime.min, DAY)], r"backfill\[0\]\.start_at must be in the years 1970 to 2199"),
        ([ScheduleBackfill(DAY, datetime.max)], r"backfill\[0\]\.end_at must be in the years 1970 to 2199"),
        ([ScheduleBackfill(DAY, None)], r"backfill\[0\] must be a datetime"),  # type: ignore[arg-type]
        ([ScheduleBackfill("now", DAY)], r"backfill\[0\]\.start_at must be a datetime"),  # type: ignore[arg-type]
        ([ScheduleBackfill(DAY, DAY, "both")], r"backfill\[0\]\.overlap must be one of"),  # type: ignore[arg-type]
        ([ScheduleBackfill(DAY, DAY)] * (BACKFILLS_MAX + 1), "There may be 100 backfills at once"),
    ],
)
def test_backfills_that_cannot_be_are_refused(backfills: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        require_backfills(backfills)


def test_times_of_backfills_without_a_zone_are_utc() -> None:
    naive = ScheduleBackfill(datetime(2027, 1, 1), datetime(2027, 1, 2))
    assert require_backfills([naive]) == [ScheduleBackfill(DAY, DAY + timedelta(days=1))]


@pytest.mark.parametrize("schedule_id", ["", "x" * 250, "a\nb", 7, None])
def test_an_id_that_none_can_have_is_refused(schedule_id: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="ID of a schedule"):
        schedule_workflow_id(schedule_id)


def test_an_action_that_was_shown_is_stored_again_as_it_was() -> None:
    action = ScheduleActionStartWorkflow(
        "Report",
        *(1, {"a": 2}),
        id="report",
        memo={"for": "Ann"},
        execution_timeout=90,
        run_timeout=timedelta(minutes=1),
        retry_policy=RetryPolicy(initial_interval=0.5, non_retryable_error_types=["Jam"]),
        typed_search_attributes=TypedSearchAttributes(
            [SearchAttributePair(SearchAttributeKey.for_datetime("Due"), DAY)]
        ),
        task_queue="reports",
    )
    stored = stored_action(action, DataConverter.default)
    assert stored_action(shown_action(stored), DataConverter.default) == stored
    assert stored.execution_timeout == timedelta(seconds=90)
    payload = DataConverter.default.to_payload(stored, StoredAction)
    assert DataConverter.default.from_payload(payload, StoredAction) == stored


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ScheduleActionStartWorkflow("Report", 1, args=[2], id="a"), "one by one or as args"),
        (lambda: ScheduleActionStartWorkflow("Report", id=""), "The action's id"),
        (lambda: ScheduleActionStartWorkflow("Report", args="text", id="a"), "args must be a list or tuple"),
        (
            lambda: ScheduleActionStartWorkflow("Report", id="a", execution_timeout=0),
            "execution_timeout must be",
        ),
        (lambda: ScheduleActionStartWorkflow("Report", id="a", memo="x"), "memo must be a dict"),  # type: ignore[arg-type]
        (lambda: ScheduleActionStartWorkflow("R", id="a", retry_policy=3), "retry_policy must be"),  # type: ignore[arg-type]
        (lambda: ScheduleActionStartWorkflow("R", id="a", run_timeout=0), "run_timeout must be"),
        (
            lambda: ScheduleActionStartWorkflow("R", id="a", typed_search_attributes={}),  # type: ignore[arg-type]
            "typed_search_attributes must be",
        ),
        (lambda: ScheduleActionStartWorkflow(print, id="a"), "has no name in dalsegno"),
        (lambda: "Report", "The action must be a ScheduleActionStartWorkflow"),
    ],
)
def test_an_action_that_cannot_be_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        stored_action(make(), DataConverter.default)
