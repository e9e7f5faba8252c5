"""Runs that follow each other name each other: verify finds where they do not."""

from __future__ import annotations

from contextlib import closing

import pytest

from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.events import Event, Record, RunClosed, RunStarted
from dalsegno.actors.workflow_actor.run.succession import next_run_id
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import JournalRow
from dalsegno.policies import WorkflowStatus
from dalsegno.verification.identity import Identity
from dalsegno.verification.used_ids import UsedIDs

SECOND = next_run_id("run-1")


def found(run_id: str, event: Event) -> list[str]:
    row = JournalRow(
        run_id=run_id,
        sequence=1,
        round=1,
        cause="wake-up",
        partition=PartitionID(1, 0),
        epoch=1,
        host="h",
        time=1,
        events=b"",
    )
    with closing(UsedIDs(remembered=1)) as used:
        return [one.text for one in Identity("w", used).on_record(row, Record(1, 1, False, (), (event,)))]


def started(run_id: str, before: str) -> RunStarted:
    info = RunInfo(
        workflow_id="w",
        run_id=run_id,
        workflow_type="t",
        task_queue="q",
        started_at=1,
        first_run_id="run-1",
        continued_run_id=before,
    )
    return RunStarted(info, (), (), "3.11")


def test_a_run_that_follows_is_the_one_that_the_run_before_names() -> None:
    assert found(SECOND, started(SECOND, "run-1")) == []
    assert found("run-1", RunClosed(WorkflowStatus.CONTINUED_AS_NEW, next_run_id=SECOND)) == []


@pytest.mark.parametrize(
    ("run_id", "event", "text"),
    [
        ("run-9", started("run-9", "run-1"), "not the one that run run-1 gives"),
        ("run-1", RunClosed(WorkflowStatus.FAILED, next_run_id="run-9"), "is said to be run-9"),
    ],
)
def test_one_that_is_another_is_found(run_id: str, event: Event, text: str) -> None:
    (only,) = found(run_id, event)
    assert text in only
