"""From the newest snapshot and the journal behind it to the state: nothing else is read, no user code runs."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.actors.workflow_actor.run.apply import IllegalEventError, fold
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import (
    SNAPSHOT_FORMAT,
    CorruptStateError,
    UnreadableError,
    checksum,
    decode_record,
    decode_state,
)

StoredSnapshot = tuple[int, int, bytes, bytes]
"""(sequence, format, checksum, body)"""
StoredRow = tuple[str, int, int, bytes]
"""(run ID, sequence, time, events)"""


def load_state(
    workflow_id: str, run_id: str, snapshot: StoredSnapshot | None, journal: Sequence[StoredRow]
) -> WorkflowState:
    """Raises CorruptStateError, which names the row that cannot be read or does not fit."""
    state = None if snapshot is None else _of_snapshot(run_id, snapshot)
    for row in journal:
        state = _after(run_id, state, row)
    if state is None:
        raise CorruptStateError(run_id, 0, "there is neither a snapshot nor a journal")
    if state.info.workflow_id != workflow_id:
        reason = f"it is a run of workflow {state.info.workflow_id!r}, not of {workflow_id!r}"
        raise CorruptStateError(run_id, state.sequence, reason)
    return state


def _of_snapshot(run_id: str, snapshot: StoredSnapshot) -> WorkflowState:
    sequence, format_, expected, body = snapshot
    if not (isinstance(sequence, int) and isinstance(format_, int) and isinstance(body, bytes)):
        # SQLite lets any type into any column.
        raise CorruptStateError(run_id, 0, "the snapshot has a column of another type")
    if checksum(body, run_id, sequence) != expected:
        raise CorruptStateError(run_id, sequence, "the snapshot does not match its checksum")
    if format_ > SNAPSHOT_FORMAT:
        reason = f"the snapshot's format {format_} is newer than this host, which knows up to {SNAPSHOT_FORMAT}"
        raise CorruptStateError(run_id, sequence, reason)
    try:
        state = decode_state(body)
    except UnreadableError as error:
        raise CorruptStateError(run_id, sequence, f"the snapshot cannot be read: {error}") from error
    if (state.info.run_id, state.sequence) != (run_id, sequence):
        found = f"run {state.info.run_id}, sequence {state.sequence}"
        raise CorruptStateError(run_id, sequence, f"the snapshot is of {found}")
    return state


def _after(run_id: str, state: WorkflowState | None, row: StoredRow) -> WorkflowState:
    row_run_id, sequence, time, events = row
    before = 0 if state is None else state.sequence
    if row_run_id != run_id or sequence != before + 1:
        reason = f"after sequence {before} comes run {row_run_id}, sequence {sequence}: the journal has a gap"
        raise CorruptStateError(run_id, before + 1, reason)
    try:
        record = decode_record(events)
        if (record.sequence, record.time) != (sequence, time):
            raise UnreadableError(f"its events are of sequence {record.sequence}, time {record.time}")
        after = fold(state, record)
    except (UnreadableError, IllegalEventError, LookupError) as error:
        raise CorruptStateError(run_id, sequence, f"the journal row cannot be read: {error!r}") from error
    if after.info.run_id != run_id:
        raise CorruptStateError(run_id, sequence, f"the journal row starts run {after.info.run_id}")
    return after
