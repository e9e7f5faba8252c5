"""Rounds as a host would build them, with defaults for what a test does not care about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import (
    Fence,
    InstanceWrite,
    JournalRow,
    Round,
    RunChanged,
    RunOpened,
    SeenRow,
    SnapshotRow,
)
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST

HOUR = 3_600_000_000
RUNNING = WorkflowStatus.RUNNING


def journal_row(run_id: str, sequence: int, **changes: Any) -> JournalRow:
    defaults: dict[str, Any] = {
        "round": 1,
        "cause": "signal add",
        "partition": FIRST,
        "epoch": 1,
        "host": "host-a",
        "time": 1_000 + sequence,
        "events": b"events",
    }
    return JournalRow(run_id=run_id, sequence=sequence, **(defaults | changes))


def opened(workflow_id: str, run_id: str, **changes: Any) -> RunOpened:
    defaults: dict[str, Any] = {
        "workflow_type": "Order",
        "task_queue": "orders",
        "status": RUNNING,
        "started_at": 1_000,
    }
    return RunOpened(run_id=run_id, workflow_id=workflow_id, **(defaults | changes))


def snapshot(run_id: str, sequence: int, **changes: Any) -> SnapshotRow:
    defaults: dict[str, Any] = {"format": 1, "checksum": b"sum", "body": b"state"}
    return SnapshotRow(run_id=run_id, sequence=sequence, **(defaults | changes))


def seen(
    workflow_id: str, message_id: str, *, type_: str = "workflow.signal", time: int = 1_000, answer: str = ""
) -> SeenRow:
    return SeenRow(workflow_id=workflow_id, message_id=message_id, type=type_, time=time, answer=answer)


def signals(**answers: str) -> dict[tuple[str, str], str]:
    """As a reader tells them."""
    return {("workflow.signal", message_id): answer for message_id, answer in answers.items()}


def run_of(workflow_id: str) -> str:
    return f"run-of-{workflow_id}"


def creation(workflow_id: str, **changes: Any) -> InstanceWrite:
    """The first write of a workflow ID: its run, one journal row, sequence 1."""
    run_id = changes.get("run_id", run_of(workflow_id))
    defaults: dict[str, Any] = {
        "slot": 7,
        "partition": FIRST,
        "expected_run_id": None,
        "expected_sequence": 0,
        "run_id": run_id,
        "sequence": 1,
        "status": RUNNING,
        "wake_at": None,
        "journal": (journal_row(run_id, 1),),
        "opened": (opened(workflow_id, run_id),),
    }
    return InstanceWrite(workflow_id=workflow_id, **(defaults | changes))


def step(workflow_id: str, sequence: int, **changes: Any) -> InstanceWrite:
    """The write that takes an instance from `sequence - 1` to `sequence` with one journal row."""
    run_id = changes.get("run_id", run_of(workflow_id))
    defaults: dict[str, Any] = {
        "slot": 7,
        "partition": FIRST,
        "expected_run_id": run_id,
        "expected_sequence": sequence - 1,
        "run_id": run_id,
        "sequence": sequence,
        "status": RUNNING,
        "wake_at": None,
        "journal": (journal_row(run_id, sequence),),
    }
    return InstanceWrite(workflow_id=workflow_id, **(defaults | changes))


def changed(run_id: str, status: WorkflowStatus, **changes: Any) -> RunChanged:
    return RunChanged(run_id=run_id, status=status, **changes)


def round_of(
    *writes: InstanceWrite,
    host: str = "host-a",
    epochs: dict[PartitionID, int] | None = None,
    refused: Sequence[tuple[PartitionID, int, SeenRow]] = (),
) -> Round:
    """A round of `host`, fenced for the partitions it writes for, at epoch 1 unless `epochs` says otherwise."""
    used = {write.partition for write in writes} | {partition for partition, _, _ in refused}
    at = dict.fromkeys(used, 1) | (epochs or {})
    fences = tuple(Fence(partition, epoch) for partition, epoch in sorted(at.items()))
    return Round(host_id=host, fences=fences, instances=writes, seen=tuple(refused))
