"""I33: the rows that people see, and by which an instance is found, are what the journal's last state says."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.run.state import WorkflowState, blank
from dalsegno.actors.workflow_actor.shown.visible import run_changed, run_opened
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.formats import NewerBlobError, UnreadableError
from dalsegno.policies import WorkflowStatus
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.rows import Head

OPEN = frozenset(status for status in WorkflowStatus if not status.closed)


def visibility(head: Head, state: WorkflowState | None) -> Iterator[Violation]:
    """`state` is that at the end of the journal; None when it is not known."""
    texts = [*_instance(head)]
    if state is not None:
        texts += [*_never_changing(head, state), *_ever_changing(head, state)]
    yield from (Violation(Invariant.VISIBILITY, None, text) for text in texts)
    if state is not None:
        yield from _blobs(head, state)


def _instance(head: Head) -> Iterator[str]:
    current = head.current
    if current is None:
        yield "its workflow ID has no instance"
    elif head.is_current:
        if current.status != head.status:
            yield f"its row says {head.status}, its instance {current.status}"
    else:
        if current.started_at is not None and head.started_at > current.started_at:
            yield f"it began later than run {current.run_id}, which the instance of its workflow ID names"
        if head.status in OPEN or head.closed_at is None:
            yield f"its row is open, and the current run is {current.run_id}"


def _never_changing(head: Head, state: WorkflowState) -> Iterator[str]:
    info = state.info
    for name, shown, is_ in (
        ("workflow type", head.workflow_type, info.workflow_type),
        ("task queue", head.task_queue, info.task_queue),
        ("time of its start", head.started_at, info.started_at),
    ):
        if shown != is_:
            yield f"its row has another {name} ({shown}) than its journal ({is_})"


def _ever_changing(head: Head, state: WorkflowState) -> Iterator[str]:
    if head.status is WorkflowStatus.SUSPENDED and state.status.goes_on:
        yield f"it is suspended, because it cannot be run: {head.reason}"
        return
    if head.status != state.status:
        yield f"its row says {head.status}, its journal {state.status}"
    closed_at = None if state.outcome is None else state.outcome.closed_at
    if head.closed_at != closed_at:
        yield f"its row is closed at {head.closed_at}, its journal at {closed_at}"
    change = run_changed(blank(state.info, python=state.python), state, CODEC, started=False)
    if head.reason != (None if change is None else change.reason):
        yield "its row has another reason than its journal"


def _blobs(head: Head, state: WorkflowState) -> Iterator[Violation]:
    change = run_changed(blank(state.info, python=state.python), state, CODEC, started=False)
    outcome = None if change is None else change.result
    try:
        if _outcome(head.result) != _outcome(outcome):
            yield Violation(Invariant.VISIBILITY, None, "its row has another result than its journal")
        if CODEC.decode_memo(head.memo) != CODEC.decode_memo(run_opened(state, CODEC).memo):
            yield Violation(Invariant.VISIBILITY, None, "its row has another memo than its journal")
    except UnreadableError as error:
        text = f"the result or memo of its row cannot be read: {error}"
        yield Violation(Invariant.VISIBILITY, None, text, isinstance(error, NewerBlobError))


def _outcome(blob: bytes | None) -> object:
    return None if blob is None else CODEC.decode_outcome(blob)
