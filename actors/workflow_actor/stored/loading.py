"""From the newest snapshot and the journal behind it to the state: nothing else is read, no user code runs."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.actors.workflow_actor.interface.steps import Steps, at_once
from dalsegno.actors.workflow_actor.run.apply import IllegalEventError, folding
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import (
    CODEC,
    CorruptStateError,
    NewerStateError,
    StoredCodec,
    UnloadableStateError,
)
from dalsegno.actors.workflow_actor.stored.formats import NewerBlobError, UnreadableError
from dalsegno.actors.workflow_actor.stored.snapshots import checksum
from dalsegno.actors.workflow_actor.stored.splitting import PORTION_BYTES

StoredSnapshot = tuple[int, int, bytes, bytes]
"""(sequence, format, checksum, body)"""
StoredRow = tuple[str, int, int, bytes]
"""(run ID, sequence, time, events)"""


def load_state(
    workflow_id: str,
    run_id: str,
    snapshot: StoredSnapshot | None,
    journal: Sequence[StoredRow],
    codec: StoredCodec = CODEC,
) -> WorkflowState:
    """Raises CorruptStateError or NewerStateError, which name the row that cannot be read or does not fit."""
    return at_once(loading_state(workflow_id, run_id, snapshot, journal, codec))


def loading_state(
    workflow_id: str,
    run_id: str,
    snapshot: StoredSnapshot | None,
    journal: Sequence[StoredRow],
    codec: StoredCodec = CODEC,
) -> Steps[WorkflowState]:
    """The same in steps: there may be thousands of rows, and thousands of things in one."""
    state = None
    if snapshot is not None:
        state = yield from _of_snapshot(run_id, snapshot, codec)
        yield
    for row in journal:
        state = yield from _after(run_id, state, row, codec)
        yield
    if state is None:
        raise CorruptStateError(run_id, 0, "there is neither a snapshot nor a journal")
    if state.info.workflow_id != workflow_id:
        reason = f"it is a run of workflow {state.info.workflow_id!r}, not of {workflow_id!r}"
        raise CorruptStateError(run_id, state.sequence, reason)
    return state


def _of_snapshot(run_id: str, snapshot: StoredSnapshot, codec: StoredCodec) -> Steps[WorkflowState]:
    sequence, format_, expected, body = snapshot
    if not (isinstance(sequence, int) and isinstance(format_, int) and isinstance(body, bytes)):
        # SQLite lets any type into any column.
        raise CorruptStateError(run_id, 0, "the snapshot has a column of another type")
    if format_ > codec.newest:  # its checksum may be made otherwise
        raise _unloadable(run_id, sequence, "snapshot", NewerBlobError(format_, codec.newest))
    if checksum(body, run_id, sequence) != expected:
        raise CorruptStateError(run_id, sequence, "the snapshot does not match its checksum")
    try:
        if len(body) > PORTION_BYTES:
            yield
            state = yield from codec.decoding_state(body)
        else:
            state = codec.decode_state(body)
    except UnreadableError as error:
        raise _unloadable(run_id, sequence, "snapshot", error) from error
    if (state.info.run_id, state.sequence) != (run_id, sequence):
        found = f"run {state.info.run_id}, sequence {state.sequence}"
        raise CorruptStateError(run_id, sequence, f"the snapshot is of {found}")
    return state


def _after(
    run_id: str, state: WorkflowState | None, row: StoredRow, codec: StoredCodec
) -> Steps[WorkflowState]:
    row_run_id, sequence, time, events = row
    before = 0 if state is None else state.sequence
    if row_run_id != run_id or sequence != before + 1:
        reason = f"after sequence {before} comes run {row_run_id}, sequence {sequence}: the journal has a gap"
        raise CorruptStateError(run_id, before + 1, reason)
    try:
        is_large = type(events) is bytes and len(events) > PORTION_BYTES
        record = (yield from codec.decoding_record(events)) if is_large else codec.decode_record(events)
        if (record.sequence, record.time) != (sequence, time):
            raise UnreadableError(f"its events are of sequence {record.sequence}, time {record.time}")
        after = yield from folding(state, record)
    except UnreadableError as error:
        raise _unloadable(run_id, sequence, "journal row", error) from error
    except (IllegalEventError, LookupError) as error:
        raise CorruptStateError(run_id, sequence, f"the journal row cannot be read: {error!r}") from error
    if after.info.run_id != run_id:
        raise CorruptStateError(run_id, sequence, f"the journal row starts run {after.info.run_id}")
    return after


def _unloadable(run_id: str, sequence: int, what: str, error: UnreadableError) -> UnloadableStateError:
    if isinstance(error, NewerBlobError):
        return NewerStateError(run_id, sequence, f"the {what} cannot be read: {error}")
    return CorruptStateError(run_id, sequence, f"the {what} cannot be read: {error}")
