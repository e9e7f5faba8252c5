"""What is stored of an activation beside its journal row, as the store takes it."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.activation import RunChange, RunStart, SnapshotDue
from dalsegno.persistence.port import RunChanged, RunOpened, SnapshotRow


def opened(start: RunStart) -> RunOpened:
    return RunOpened(
        run_id=start.run_id,
        workflow_id=start.workflow_id,
        workflow_type=start.workflow_type,
        task_queue=start.task_queue,
        status=start.status,
        started_at=start.started_at,
        reason=start.reason,
        memo=start.memo,
    )


def changed(change: RunChange) -> RunChanged:
    return RunChanged(
        run_id=change.run_id,
        status=change.status,
        closed_at=change.closed_at,
        reason=change.reason,
        result=change.outcome,
    )


def snapshot(due: SnapshotDue) -> SnapshotRow:
    return SnapshotRow(
        run_id=due.run_id,
        sequence=due.sequence,
        format=due.format,
        checksum=due.checksum,
        body=due.body,
        trim_to=due.trim_to,
    )
