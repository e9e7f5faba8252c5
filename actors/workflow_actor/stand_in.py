"""What stands in for the state of an instance that cannot be run for a defect: as much as is known without
reading it. Nothing of it is ever stored, but for its end, when somebody ends it."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.state import RunOutcome, Suspension, WorkflowState, blank
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.snapshots import snapshot_of
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.persistence.port import SnapshotRow
from dalsegno.policies import WorkflowStatus

UNKNOWN = "unknown"
"""The type of a run of which not even that is known."""


class KnownRun(Struct, frozen=True, kw_only=True):
    """As the visibility table shows it. `sequence` is the last one used. `outcome` is None while the run is
    open, and where it cannot be read."""

    run_id: str
    workflow_type: str = UNKNOWN
    task_queue: str = UNKNOWN
    status: WorkflowStatus = WorkflowStatus.SUSPENDED
    started_at: int = 0
    closed_at: int | None = None
    outcome: tuple[WorkflowStatus, Payload | None, Failure | None] | None = None
    sequence: int = 0
    memo: dict[str, Payload] = {}


def stand_in(
    workflow_id: str, run: KnownRun, *, reason: str, now: int, retry_at: int, fingerprint: str, python: str
) -> WorkflowState:
    """Suspended for that reason, or closed as the run is."""
    info = RunInfo(
        workflow_id=workflow_id,
        run_id=run.run_id,
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        started_at=run.started_at,
        memo=run.memo,
    )
    state = replace(blank(info, python=python), sequence=run.sequence, time=now)
    if run.status.closed:
        _, result, failure = run.outcome or (run.status, None, None)
        return replace(state, outcome=RunOutcome(run.status, result, failure, run.closed_at or now))
    return replace(state, suspension=Suspension("corrupt", reason, now, retry_at, fingerprint))


def seal(state: WorkflowState, codec: StoredCodec) -> SnapshotRow:
    """It takes the place of what cannot be read. What lies before it is kept, for people."""
    return snapshot_of(state, codec, trim_to=0)
