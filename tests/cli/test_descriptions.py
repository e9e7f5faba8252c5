"""What people see of a workflow that they describe."""

from __future__ import annotations

import pytest

from dalsegno.broker.protocol.messages import (
    Description,
    ListedDeadline,
    PendingActivity,
    PendingCompensation,
    PendingUpdate,
    RunDeadline,
)
from dalsegno.cli import deadlines
from dalsegno.cli.descriptions import show
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

START = 1_800_000_000_000_000


def described(**more: object) -> Description:
    return Description(
        workflow_id="o-1",
        run_id="r-1",
        workflow_type="Order",
        task_queue="default",
        sequence=3,
        started_at=START,
        **{"status": WorkflowStatus.RUNNING, **more},  # type: ignore[arg-type]
    )


def facts(text: str) -> dict[str, str]:
    return {name: fact.strip() for name, _, fact in (line.partition("  ") for line in text.splitlines())}


def test_input_and_outcome_are_shown_and_what_is_long_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    given = (Payload("json/plain", b'{"item": "book"}'), Payload("json/plain", b"[" + b"1," * 400 + b"1]"))
    show(described(status=WorkflowStatus.COMPLETED, input=given, result=Payload("json/plain", b'"done"')))

    told = facts(capsys.readouterr().out)
    assert told["input"].startswith('{"item": "book"} [1, 1, ')
    assert told["input"].endswith("...")
    assert told["result"] == '"done"'


def test_a_failure_is_shown_by_the_type_and_message_that_say_most(capsys: pytest.CaptureFixture[str]) -> None:
    cause = Failure(kind="application", type="LookupError", message="no such card")
    failure = Failure(kind="activity", message="activity charge failed", cause=cause)
    show(described(status=WorkflowStatus.FAILED, failure=failure))

    assert facts(capsys.readouterr().out)["failure"] == "LookupError: no such card"


def test_of_an_activity_one_sees_who_works_on_it_since_when_and_when_it_is_tried_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    running = PendingActivity(
        activity_id="1",
        activity_type="render",
        task_queue="gpu",
        attempt=1,
        state="started",
        scheduled_at=START,
        started_at=START + 1_000_000,
        last_heartbeat_at=START + 9_000_000,
        worker="dalsegno.worker.machine.7",
        cancel_requested=True,
    )
    waiting = PendingActivity(
        activity_id="2",
        activity_type="charge",
        task_queue="default",
        attempt=3,
        state="backing_off",
        scheduled_at=START,
        next_attempt_at=START + 60_000_000,
        last_failure=Failure(kind="application", type="LookupError", message="no such card"),
    )

    show(described(pending_activities=(running, waiting)))

    _, text = capsys.readouterr().out.split("pending activities\n")
    header, *rows = text.splitlines()
    assert "render" in rows[0]
    assert "started, asked to stop" in rows[0]
    assert rows[0][header.index("worker") :].split()[0] == "machine.7"
    assert rows[0][header.index("last heartbeat (UTC)") :].startswith("2027-01-15 08:00:09")
    assert rows[0][header.index("started (UTC)") :].startswith("2027-01-15 08:00:01")
    assert rows[1][header.index("next attempt (UTC)") :].startswith("2027-01-15 08:01:00")
    assert rows[1].endswith("LookupError: no such card")
    assert "backing off" in rows[1]


def test_open_updates_are_named_with_how_far_they_have_come_and_the_others_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    updates = (
        PendingUpdate(update_id="u-7", name="add", stage="accepted", admitted_at=1),
        PendingUpdate(update_id="u-8", name="drop", stage="admitted", admitted_at=2),
    )
    show(described(updates=updates, updates_open=5, updates_completed=12))
    shown = " ".join(capsys.readouterr().out.split())
    assert "open updates add accepted (u-7), drop admitted (u-8), 3 more" in shown
    assert "updates completed 12" in shown
    show(described())
    assert "update" not in capsys.readouterr().out


def test_what_is_to_be_undone_is_named_with_its_step_and_why_it_could_not_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack = (
        PendingCompensation(number=3, name="release", step="reserve", phase="due", pushed_at=1),
        PendingCompensation(
            number=2, name="refund", step="charge", phase="failed", pushed_at=1, failure="no card"
        ),
    )
    show(described(compensations=stack, compensations_count=3))
    shown = " ".join(capsys.readouterr().out.split())
    assert "to be undone release (reserve), refund (charge) failed: no card, 1 more" in shown
    show(described())
    assert "undone" not in capsys.readouterr().out


def test_deadlines_are_shown_with_how_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    known = (
        RunDeadline(number=1, name="shipped", status="at_risk", set_at=START, due_at=START),
        RunDeadline(number=2, name="paid", status="met_late", set_at=START, due_at=START, met_at=START),
    )
    show(described(deadlines=known))
    told = facts(capsys.readouterr().out)["deadlines (UTC)"]
    assert told == "shipped due 2027-01-15 08:00:00 (at risk), paid due 2027-01-15 08:00:00 (met late)"


def test_what_is_late_in_a_namespace_is_listed_with_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    deadlines.show(
        [
            ListedDeadline(
                workflow_id="o-1",
                run_id="r-1",
                workflow_type="Order",
                workflow_status=WorkflowStatus.SUSPENDED,
                number=1,
                name="shipped",
                status="overdue",
                due_at=START,
                risk_at=START,
            )
        ]
    )
    told = capsys.readouterr().out.splitlines()[-1].split()
    assert told == ["o-1", "Order", "suspended", "shipped", "overdue", "2027-01-15", "08:00:00"]
