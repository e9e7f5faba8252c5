"""One run: its code is run again with what has happened since its last sign, and must want what it wanted then.
That is what a host does when it takes the run to memory, so that what is said here is what would be there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.program.port import Code, WorkflowCodeError
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError, LiveProgram
from dalsegno.actors.workflow_actor.run.intents import FailRun
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import NewerStateError
from dalsegno.actors.workflow_actor.stored.loading import load_state
from dalsegno.persistence.port import ListedRun, LoadedInstance


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
    LOOPS = "loops for ever"
    """The code does not yield."""
    RUN_FAILS = "fails the run"
    """Its last step, taken anew, ends the run with a failure."""
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


HasActivity = Callable[[str, bool], bool]
"""Whether there is an activity of that type; True for a local one, which the host itself must have."""


def rehearse(row: LoadedInstance, code: Code, *, has_activity: HasActivity | None = None) -> Rehearsed | None:
    """None for a run that has ended. `has_activity` is None where it is not known which there are. Raises
    UnloadableStateError."""
    at = row.snapshot
    state = load_state(
        row.workflow_id,
        row.run_id,
        None if at is None else (at.sequence, at.format, at.checksum, at.body),
        [(r.run_id, r.sequence, r.time, r.events) for r in row.journal],
    )
    return None if state.is_closed else rehearse_state(state, code, has_activity=has_activity)


def rehearse_state(state: WorkflowState, code: Code, *, has_activity: HasActivity | None = None) -> Rehearsed:
    """The same of a state that has been loaded, also of a run that has ended: as `outlook_of`."""
    outlook, reason = outlook_of(state, code)
    if outlook is Outlook.FITS and has_activity is not None:
        missing = missing_activity(state, has_activity)
        if missing is not None:
            outlook, reason = Outlook.NO_ACTIVITY, missing
    info = state.info
    return Rehearsed(
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        workflow_type=info.workflow_type,
        task_queue=info.task_queue,
        outlook=outlook,
        reason=reason,
        is_suspended=state.suspension is not None,
    )


def unread(run: ListedRun, error: Exception) -> Rehearsed:
    """One that no code could be tried on."""
    outlook = Outlook.NEWER if isinstance(error, NewerStateError) else Outlook.UNREADABLE
    return Rehearsed(run.workflow_id, run.run_id, run.workflow_type, run.task_queue, outlook, str(error))


def outlook_of(state: WorkflowState, code: Code) -> tuple[Outlook, str]:
    """And why, if it does not fit. Of a run that has ended it is whether the code wants what it wanted then."""
    live = LiveProgram(code, python=f"{sys.version_info.major}.{sys.version_info.minor}")
    try:
        for _ in live.rebuild(state):
            continue
        if not state.is_closed and state.processed < len(state.log):  # it is suspended, or has not begun yet
            live.run_ahead(state)
    except CodeStuckError as stuck:
        return _BY_KIND.get(stuck.kind, Outlook.BUG), stuck.reason
    finally:
        live.forget()
    return Outlook.FITS, ""


def outlook_of_end(state: WorkflowState, code: Code) -> tuple[Outlook, str]:
    """The same, but for the last step that code has taken, which is taken anew: it may end otherwise."""
    if not state.processed:
        return outlook_of(state, code)
    before = replace(state, processed=state.processed - 1)
    live = LiveProgram(code, python=f"{sys.version_info.major}.{sys.version_info.minor}")
    last = state.log[before.processed]
    try:
        intents = live.at(before).step(last.input, now=last.time, replaying=False)
    except CodeStuckError as stuck:
        return _BY_KIND.get(stuck.kind, Outlook.BUG), stuck.reason
    except WorkflowCodeError as error:
        return Outlook.BUG, error.reason
    finally:
        live.forget()
    for intent in intents:
        if isinstance(intent, FailRun):
            at = f", at {intent.line}" if intent.line else ""
            return Outlook.RUN_FAILS, f"{intent.failure.type}: {intent.failure.message}{at}"
    return Outlook.FITS, ""


def missing_activity(state: WorkflowState, has_activity: HasActivity) -> str | None:
    """The first that it waits for and that is not there, in words."""
    for activity_type, is_local in awaited_activities(state):
        if not has_activity(activity_type, is_local):
            return f"it waits for activity {activity_type!r}"
    return None


def awaited_activities(state: WorkflowState) -> Iterator[tuple[str, bool]]:
    """That will be begun, or begun again; and whether by the host itself."""
    for activity in state.activities.values():
        yield activity.spec.activity_type, False
    for local in state.local_activities.values():
        yield local.spec.activity_type, True
    if state.is_closed:
        return
    for kept in state.signed.compensations:
        yield kept.activity_type, False
