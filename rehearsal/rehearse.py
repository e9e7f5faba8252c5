"""One run: its code is run again with what has happened since its last sign, and must want what it wanted then.
That is what a host does when it takes the run to memory, so that what is said here is what would be there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError, LiveProgram
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import NewerStateError, UnloadableStateError
from dalsegno.actors.workflow_actor.stored.loading import load_state
from dalsegno.persistence.port import LoadedInstance


class Outlook(StrEnum):
    """What would become of a run under the code."""

    FITS = "fits"
    DIFFERS = "differs"
    """Run again, it wants something else than it wanted then."""
    NO_STATE = "state cannot be restored"
    """What it has signed cannot be read by the code."""
    NO_TYPE = "no such workflow"
    """There is no code for its type and task queue."""
    BUG = "fails"
    """The code raises what it did not mean as a failure."""
    NO_ACTIVITY = "activity is gone"
    """It waits for an activity that is in none of the modules."""
    UNREADABLE = "cannot be read"
    """What is stored of it is damaged, whatever the code."""
    NEWER = "written by a newer version"


_BY_KIND = {
    "nondeterminism": Outlook.DIFFERS,
    "corrupt": Outlook.NO_STATE,
    "unknown_type": Outlook.NO_TYPE,
    "bug": Outlook.BUG,
}


@dataclass(frozen=True)
class Rehearsed:
    """One run, and what would become of it; `reason` is for people. `is_suspended`: it is so now, and goes on
    with the code if it fits."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    outlook: Outlook
    reason: str = ""
    is_suspended: bool = False

    @property
    def fits(self) -> bool:
        return self.outlook is Outlook.FITS


def rehearse(
    row: LoadedInstance, code: Code, *, has_activity: Callable[[str], bool] | None = None
) -> Rehearsed | None:
    """None for a run that has ended. `has_activity` says whether there is an activity of that type, where that
    is known."""
    snapshot = row.snapshot
    try:
        state = load_state(
            row.workflow_id,
            row.run_id,
            None
            if snapshot is None
            else (snapshot.sequence, snapshot.format, snapshot.checksum, snapshot.body),
            [(r.run_id, r.sequence, r.time, r.events) for r in row.journal],
        )
    except UnloadableStateError as error:
        return unread(row.workflow_id, row.run_id, error)
    if state.is_closed:
        return None
    outlook, reason = _outlook(state, code)
    if outlook is Outlook.FITS and has_activity is not None:
        for activity_type in _awaited_activities(state):
            if not has_activity(activity_type):
                outlook, reason = Outlook.NO_ACTIVITY, f"it waits for activity {activity_type!r}"
                break
    info = state.info
    return Rehearsed(
        workflow_id=row.workflow_id,
        run_id=row.run_id,
        workflow_type=info.workflow_type,
        task_queue=info.task_queue,
        outlook=outlook,
        reason=reason,
        is_suspended=state.suspension is not None,
    )


def unread(workflow_id: str, run_id: str, error: Exception) -> Rehearsed:
    """One that no code could be tried on."""
    outlook = Outlook.NEWER if isinstance(error, NewerStateError) else Outlook.UNREADABLE
    return Rehearsed(workflow_id, run_id, "", "", outlook, str(error))


def _outlook(state: WorkflowState, code: Code) -> tuple[Outlook, str]:
    live = LiveProgram(code, python=f"{sys.version_info.major}.{sys.version_info.minor}")
    try:
        for _ in live.rebuild(state):
            continue
        if state.processed < len(state.log):
            # Suspended, or not begun yet: what it would want where it stands now is looked at by nobody.
            live.step(state)
    except CodeStuckError as stuck:
        return _BY_KIND.get(stuck.kind, Outlook.BUG), stuck.reason
    finally:
        live.forget()
    return Outlook.FITS, ""


def _awaited_activities(state: WorkflowState) -> Iterator[str]:
    """That will be begun, or begun again."""
    for activity in state.activities.values():
        yield activity.spec.activity_type
    for local in state.local_activities.values():
        yield local.spec.activity_type
    for kept in state.signed.compensations:
        yield kept.activity_type
