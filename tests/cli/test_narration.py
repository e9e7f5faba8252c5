"""A history as lines for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.broker.protocol.messages import HistoryEntry
from dalsegno.cli.narration import DETAIL_COLUMN, Line, Narrator, Printer, wrapped

NOON = int(datetime(2020, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC).timestamp() * 1e6)
DAY = 86_400_000_000
DECLINED = {"kind": "activity", "message": "activity charge failed", "cause": {"message": "card declined"}}


def told(*events: dict[str, Any]) -> list[tuple[str, str, str]]:
    """As of a run of the type Order that has scheduled charge (1) and a timer (2)."""
    beginning: tuple[dict[str, object], ...] = (
        {"type": "RunStarted", "info": {"workflow_type": "Order"}},
        {"type": "Ran", "wants": [{"spec": {"number": 1, "activity_type": "charge"}}]},
    )
    narrator = Narrator()
    list(narrator.tell(HistoryEntry(sequence=1, time=NOON, cause="", events=beginning)))
    lines = narrator.tell(HistoryEntry(sequence=2, time=NOON, cause="", events=events))
    return [(line.subject, line.verb, line.detail) for line in lines]


def test_what_became_of_an_update_is_told_under_its_name() -> None:
    came = {"type": "UpdateAdmitted", "update_id": "u-7", "name": "add", "args": ["pen"]}
    done = {"type": "Ran", "wants": [{"type": "UpdateCompleted", "update_id": "u-7", "result": 1}]}
    assert told(came, done) == [("add", "update", '"pen"'), ("add", "completed", "1")]


def test_a_patch_is_told_where_the_run_takes_it() -> None:
    taken = {"type": "Ran", "wants": [{"type": "PatchTaken", "patch_id": "new-way"}]}
    assert told(taken) == [("patch new-way", "taken", "")]


def test_deadlines_are_told_of_by_their_names() -> None:
    wanted = {"type": "DeadlineSet", "number": 3, "name": "shipped", "due_at": NOON + DAY}
    events = [
        {"type": "Ran", "wants": [wanted]},
        {"type": "DeadlineAtRisk", "number": 3},
        {"type": "DeadlineOverdue", "number": 3},
        {"type": "Ran", "wants": [{"type": "DeadlineMet", "number": 3, "late": True}]},
        {"type": "DeadlineOverdue", "number": 9},
    ]
    (first, *others) = told(*events)
    assert first[:2] == ("deadline shipped", "set")
    assert others == [
        ("deadline shipped", "at risk", ""),
        ("deadline shipped", "overdue", ""),
        ("deadline shipped", "met", "late"),
        ("deadline #9", "overdue", ""),
    ]


def test_children_and_other_workflows_are_told_of_by_their_names() -> None:
    spec = {"workflow_type": "Shipment", "workflow_id": "s-7", "args": ["book"]}
    other = {"number": 2, "asked": "signal", "workflow_id": "o-1", "name": "go"}
    wants = [
        {"type": "ChildWanted", "number": 1, "spec": spec},
        {"type": "ExternalWanted", "spec": other},
        {"type": "ChildUnwanted", "number": 1},
    ]
    events = [
        {"type": "Ran", "wants": wants},
        {"type": "ChildBegun", "number": 1, "run_id": "r"},
        {"type": "ExternalAnswered", "number": 2, "refusal": ["not_found", "there is none"]},
        {"type": "ChildClosed", "number": 1, "status": "completed", "result": 3},
        {"type": "ChildRefused", "number": 4, "reason": "it is there"},
    ]
    assert told(*events) == [
        ("Shipment s-7", "child", '"book"'),
        ("o-1", "asked", "signal go"),
        ("Shipment s-7", "cancel", "asked for by the workflow"),
        ("Shipment s-7", "running", "run r"),
        ("o-1", "refused", "there is none"),
        ("Shipment s-7", "completed", "3"),
        ("workflow #4", "refused", "it is there"),
    ]


def test_what_is_undone_is_told_with_the_step_that_it_undoes() -> None:
    pushed = {"type": "CompensationPushed", "number": 1, "name": "refund", "step": "charge", "saga": ""}
    begun = {"type": "CompensationBegun", "numbers": [1, 3]}
    failed = {"type": "CompensationSettled", "number": 3, "failure": DECLINED}
    wants = [pushed, begun, {"type": "CompensationSettled", "number": 1}, failed]
    assert told({"type": "Ran", "wants": wants}) == [
        ("Order", "undoing", "refund of charge, compensation 3"),
        ("refund of charge", "undone", ""),
        ("compensation 3", "failed", "card declined"),
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            {"type": "ActivityCompleted", "number": 1, "result": {"a": 1}},
            ("charge #1", "completed", '{"a": 1}'),
        ),
        ({"type": "ActivityCompleted", "number": 1, "result": None}, ("charge #1", "completed", "")),
        ({"type": "LocalActivityCompleted", "number": 1, "result": 1}, ("charge #1", "completed", "1")),
        ({"type": "LocalActivityBegun", "number": 1}, ("charge #1", "running", "on the host, again")),
        ({"type": "ActivityCompleted", "number": 9, "result": 1}, ("activity #9", "completed", "1")),
        (
            {"type": "ActivityFailed", "number": 1, "failure": DECLINED},
            ("charge #1", "failed", "card declined"),
        ),
        (
            {"type": "RetryPlanned", "number": 1, "failure": {"message": "no answer"}, "retry_at": NOON},
            ("charge #1", "retrying", "no answer (again at 12:00:00.250)"),
        ),
        (
            {"type": "Ran", "wants": [{"number": 2, "fire_at": NOON + 86_400_000_000}]},
            ("timer 2", "set", "to 2020-11-21 12:00:00.250"),
        ),
        (
            {"type": "RetryPlanned", "number": 1, "failure": {"message": "no"}, "retry_at": 2**62},
            ("charge #1", "retrying", "no (again at 9999-12-31 23:59:59.387)"),
        ),
        ({"type": "UpdateAdmitted", "update_id": "u", "name": "add", "args": [1]}, ("add", "update", "1")),
        (
            {"type": "Ran", "wants": [{"type": "UpdateCompleted", "update_id": "u", "result": 2}]},
            ("update u", "completed", "2"),
        ),
        (
            {"type": "Ran", "wants": [{"type": "UpdateCompleted", "update_id": "u", "failure": DECLINED}]},
            ("update u", "failed", "card declined"),
        ),
        ({"type": "AttemptBegun", "number": 1, "worker": "w"}, ("charge #1", "running", "on w")),
        (
            {"type": "Ran", "wants": [{"number": 2, "fire_at": NOON}]},
            ("timer 2", "set", "to 12:00:00.250"),
        ),
        (
            {"type": "Ran", "wants": [{"spec": {"number": 3, "activity_type": "ship", "task_queue": "far"}}]},
            ("ship #3", "scheduled", "on far"),
        ),
        (
            {
                "type": "Ran",
                "wants": [{"spec": {"number": 3, "activity_type": "ship", "task_queue": "far:#1"}}],
            },
            ("ship #3", "scheduled", "on far, priority 1"),
        ),
        (
            {
                "type": "Ran",
                "wants": [{"spec": {"number": 3, "activity_type": "ship", "task_queue": "default:#5"}}],
            },
            ("ship #3", "scheduled", "priority 5"),
        ),
        (
            {"type": "Ran", "wants": [{"spec": {"number": 3, "activity_type": "ship", "args": ["Ann", 2]}}]},
            ("ship #3", "scheduled", '"Ann" 2'),
        ),
        (
            {"type": "Ran", "wants": [{"spec": {"number": 3, "activity_type": "ship", "args": ["x" * 60]}}]},
            ("ship #3", "scheduled", ""),
        ),
        (
            {"type": "Ran", "wants": [{"type": "TimerWanted", "number": 2, "fire_at": NOON + DAY}]},
            ("timer 2", "set", "to 2020-11-21 12:00:00.250"),
        ),
        (
            {"type": "RetryPlanned", "number": 1, "failure": {"message": "no"}, "retry_at": NOON + DAY},
            ("charge #1", "retrying", "no (again at 2020-11-21 12:00:00.250)"),
        ),
        (
            {"type": "Ran", "wants": [{"type": "ActivityUnwanted", "number": 1}]},
            ("charge #1", "cancel", "asked for by the workflow"),
        ),
        ({"type": "Ran", "wants": [{"type": "TimerUnwanted", "number": 2}]}, ("timer 2", "canceled", "")),
        ({"type": "TimerElapsed", "number": 2}, ("timer 2", "elapsed", "")),
        ({"type": "SignalReceived", "name": "approve", "args": [True]}, ("approve", "signal", "true")),
        ({"type": "Suspended", "reason": "a bug"}, ("Order", "suspended", "a bug")),
        ({"type": "Resumed"}, ("Order", "resumed", "")),
        ({"type": "RunClosed", "status": "completed", "result": 1}, ("Order", "completed", "1")),
        (
            {"type": "RunClosed", "status": "failed", "failure": DECLINED},
            ("Order", "failed", "card declined"),
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_each_event_that_says_something_is_one_line(event: dict[str, Any], line: tuple[str, str, str]) -> None:
    assert told(event) == [line]


def test_activities_of_one_type_are_told_apart_by_their_ids() -> None:
    wants = [
        {"spec": {"number": 3, "activity_id": "3", "activity_type": "reserve"}},
        {"spec": {"number": 4, "activity_id": "the-lamp", "activity_type": "reserve"}},
    ]

    lines = told({"type": "Ran", "wants": wants}, {"type": "ActivityFailed", "number": 4, "failure": DECLINED})

    assert [line[:2] for line in lines] == [
        ("reserve #3", "scheduled"),
        ("reserve #the-lamp", "scheduled"),
        ("reserve #the-lamp", "failed"),
    ]


@pytest.mark.parametrize("kind", ["CallerAdded", "EffectsParked", "TaskOverdue", "FromALaterVersion"])
def test_events_of_the_engine_itself_are_left_out(kind: str) -> None:
    assert told({"type": kind}) == []


def test_lines_are_aligned_and_a_day_that_is_not_today_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer()

    printer.print(Line(NOON, "charge", "scheduled"))
    printer.print(Line(NOON + 60_000_000, "charge\x1b[2J", "completed", "[red]", in_full=True))

    assert capsys.readouterr().out.splitlines() == [
        "2020-11-20 (UTC)",
        "12:00:00.250  charge            scheduled",
        r"12:01:00.250  charge\x1b[2J     completed   [red]",
    ]


def test_reasons_and_what_a_run_came_to_are_shown_in_full_and_other_details_are_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printer = Printer()
    failed: dict[str, object] = {"type": "ActivityFailed", "number": 1, "failure": {"message": "x" * 1000}}
    completed: dict[str, object] = {"type": "ActivityCompleted", "number": 1, "result": "x" * 1000}
    closed: dict[str, object] = {"type": "RunClosed", "status": "completed", "result": "x" * 1000}

    for line in Narrator().tell(
        HistoryEntry(sequence=2, time=NOON, cause="", events=(failed, completed, closed))
    ):
        printer.print(line)

    _, reason, cut, order = capsys.readouterr().out.splitlines()
    assert reason.endswith(f"failed      {'x' * 1000}")
    assert cut.endswith("xxx...")
    assert order.endswith(f'"{"x" * 1000}"')


def test_on_a_terminal_a_detail_is_folded_between_its_words_below_its_column() -> None:
    reason = "there is no stock of it in any of our warehouses, nor on its way to one"

    first, *others = wrapped(reason, DETAIL_COLUMN, 80).splitlines()

    assert " ".join([first, *(line.strip() for line in others)]) == reason
    assert len(first) <= 80 - DETAIL_COLUMN
    assert all(len(line) <= 80 and line[:DETAIL_COLUMN].isspace() for line in others)


@given(st.text("ab c-", max_size=300), st.integers(0, 60), st.integers(1, 200))
def test_folding_loses_nothing_whatever_the_terminal(detail: str, column: int, columns: int) -> None:
    folded = wrapped(detail, column, columns)

    assert "".join(folded.split()) == "".join(detail.split())


def test_tries_of_suspended_code_with_the_same_reason_are_one_line() -> None:
    def entry(sequence: int, *events: dict[str, Any]) -> HistoryEntry:
        return HistoryEntry(sequence=sequence, time=NOON + sequence, cause="", events=events)

    bug, other = {"type": "Suspended", "reason": "a bug"}, {"type": "Suspended", "reason": "another"}
    resumed, signal = {"type": "Resumed"}, {"type": "SignalReceived", "name": "approve"}
    entries = [
        entry(1, bug),
        entry(2, resumed, bug),
        entry(3, resumed, bug),
        entry(4, resumed, signal, bug),
        entry(5, resumed, other),
        entry(6, resumed, other),
    ]
    narrator = Narrator()
    lines = [line for entry in entries for line in narrator.tell(entry)] + list(narrator.rest())
    assert [(line.time - NOON, line.verb, line.detail) for line in lines] == [
        (1, "suspended", "a bug"),
        (4, "suspended", "tried again 3 times, the reason is the same"),
        (4, "signal", ""),
        (5, "resumed", ""),
        (5, "suspended", "another"),
        (6, "suspended", "tried again once, the reason is the same"),
    ]
    assert list(narrator.rest()) == []
