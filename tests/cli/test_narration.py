"""A history as lines for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dalsegno.broker.protocol.messages import HistoryEntry
from dalsegno.cli.narration import Line, Narrator, Printer

NOON = int(datetime(2020, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC).timestamp() * 1e6)
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


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"type": "ActivityCompleted", "number": 1, "result": {"a": 1}}, ("charge", "completed", '{"a": 1}')),
        ({"type": "ActivityCompleted", "number": 1, "result": None}, ("charge", "completed", "")),
        ({"type": "ActivityCompleted", "number": 9, "result": 1}, ("activity 9", "completed", "1")),
        ({"type": "ActivityFailed", "number": 1, "failure": DECLINED}, ("charge", "failed", "card declined")),
        (
            {"type": "RetryPlanned", "number": 1, "failure": {"message": "no answer"}, "retry_at": NOON},
            ("charge", "retrying", "no answer (again at 12:00:00.250)"),
        ),
        ({"type": "AttemptBegun", "number": 1, "worker": "w"}, ("charge", "running", "on w")),
        (
            {"type": "Ran", "wants": [{"number": 2, "fire_at": NOON}]},
            ("timer 2", "set", "to 12:00:00.250"),
        ),
        (
            {"type": "Ran", "wants": [{"spec": {"activity_type": "ship", "task_queue": "far"}}]},
            ("ship", "scheduled", "on far"),
        ),
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


@pytest.mark.parametrize("kind", ["CallerAdded", "EffectsParked", "TaskOverdue", "FromALaterVersion"])
def test_events_of_the_engine_itself_are_left_out(kind: str) -> None:
    assert told({"type": kind}) == []


def test_lines_are_aligned_and_a_day_that_is_not_today_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer()

    printer.print(Line(NOON, "charge", "scheduled"))
    printer.print(Line(NOON + 60_000_000, "charge\x1b[2J", "completed", "[red]", is_end=True))

    assert capsys.readouterr().out.splitlines() == [
        "2020-11-20 (UTC)",
        "12:00:00.250  charge        scheduled",
        r"12:01:00.250  charge\x1b[2J  completed   [red]",
    ]


def test_what_a_run_came_to_is_shown_in_full_and_other_details_are_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printer = Printer()

    printer.print(Line(NOON, "charge", "completed", "x" * 1000))
    printer.print(Line(NOON, "Order", "completed", "x" * 1000, is_end=True))

    _, charge, order = capsys.readouterr().out.splitlines()
    assert charge.endswith("xxx...")
    assert order.endswith("x" * 1000)
