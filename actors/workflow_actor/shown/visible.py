"""What lists show of a run: its row in the visibility table."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.incidents.shown import why
from dalsegno.actors.workflow_actor.program.code_error import place_of_bug
from dalsegno.actors.workflow_actor.run.state import Suspension, WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.persistence.port import RunChanged, RunOpened
from dalsegno.policies import WorkflowStatus

REASON_LIMIT = 4000
"""Characters of a reason that are shown in lists."""


def run_opened(state: WorkflowState, codec: StoredCodec) -> RunOpened:
    """A run that has begun in this activation. If it has ended in it too, a change follows that says so."""
    info = state.info
    return RunOpened(
        run_id=info.run_id,
        workflow_id=info.workflow_id,
        workflow_type=info.workflow_type,
        task_queue=info.task_queue,
        status=WorkflowStatus.RUNNING if state.is_closed else state.status,
        started_at=info.started_at,
        reason=None if state.is_closed else _short(state.reason),
        memo=codec.encode_memo(info.memo),
    )


def run_changed(
    before: WorkflowState, after: WorkflowState, codec: StoredCodec, *, started: bool
) -> RunChanged | None:
    """None when nothing visible has changed. `started`: the run began in this activation."""
    outcome = after.outcome
    if started and outcome is None:
        return None
    if (
        outcome is before.outcome
        and after.suspension is before.suspension
        and after.compensating == before.compensating
        and after.incidents is before.incidents
    ):  # all that is shown comes from them
        return None
    same = (before.status, before.reason) == (after.status, after.reason)
    if same and after.incidents is before.incidents:
        return None
    return RunChanged(
        run_id=after.info.run_id,
        status=after.status,
        closed_at=None if outcome is None else outcome.closed_at,
        reason=_short(after.reason or (why(after) if after.incidents else None)),
        result=None if outcome is None else codec.encode_outcome(outcome),
    )


def is_stuck_alike(before: Suspension | None, after: Suspension | None) -> bool:
    """Reasons may hold what is another at each try: the address of an object, a time."""
    if before is None or after is None or (before.kind, before.fingerprint) != (after.kind, after.fingerprint):
        return False
    if after.kind == "bug":
        return place_of_bug(before.reason) == place_of_bug(after.reason)
    return after.kind in ("nondeterminism", "corrupt") or before.reason == after.reason


def shown_reason(state: WorkflowState) -> str | None:
    """Why it is suspended, how it failed, or what a person is waited for."""
    return _short(state.reason or (why(state) if state.incidents else None))


def _short(reason: str | None) -> str | None:
    # A database takes no NUL in a text.
    return None if reason is None else reason[:REASON_LIMIT].replace("\0", "\ufffd")
