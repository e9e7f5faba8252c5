"""A stored run becomes a history."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from importlib.metadata import version

from dalsegno.actors.workflow_actor.stored.codec import (
    CODEC,
    CorruptStateError,
    NewerStateError,
    UnloadableStateError,
)
from dalsegno.actors.workflow_actor.stored.formats import NewerBlobError, UnreadableError
from dalsegno.actors.workflow_actor.stored.loading import load_state
from dalsegno.actors.workflow_actor.stored.snapshots import checksum
from dalsegno.definition import BUILT_IN_PREFIX
from dalsegno.errors import UnreadableRowError, WorkflowNotFoundError
from dalsegno.persistence.port import JournalRow, LoadedInstance
from dalsegno.persistence.reader_port import PeopleReader
from dalsegno.rehearsal.history import HistoryRow, HistorySnapshot, UnusableHistoryError, WorkflowHistory
from dalsegno.rehearsal.open_runs import OPEN
from dalsegno.rehearsal.redaction import Redaction

SALT_BYTES = 32


def history_of(
    reader: PeopleReader,
    hash_seed: int | None,
    workflow_id: str,
    run_id: str | None = None,
    *,
    redaction: Redaction | None = None,
) -> WorkflowHistory:
    """Of the run named, or the workflow's newest. Hosts may go on meanwhile; `hash_seed` is theirs.

    Raises WorkflowNotFoundError, UnloadableStateError, and what the reader raises.
    """
    run = reader.run(workflow_id, run_id)
    if run is None:
        which = (
            f"workflow {workflow_id!r} has no run {run_id!r}"
            if run_id
            else f"no workflow has the ID {workflow_id!r}"
        )
        raise WorkflowNotFoundError(which)
    loaded = reader.load_run(run.run_id)
    if loaded is None:
        raise CorruptStateError(run.run_id, 0, "no instance names its workflow")
    clean, salt = redaction or Redaction(), os.urandom(SALT_BYTES)
    snapshot = None
    if loaded.snapshot is not None:
        snapshot = _snapshot(loaded, clean, salt)
    history = WorkflowHistory(
        workflow_id=workflow_id,
        run_id=run.run_id,
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        status=run.status,
        reason=clean.said(run.reason),
        started_at=run.started_at,
        closed_at=run.closed_at,
        exported_at=time.time_ns() // 1_000,
        written_by=version("dalsegno"),
        hash_seed=hash_seed,
        redacted=clean.rules,
        snapshot=snapshot,
        journal=tuple(_row(row, clean, salt) for row in _kept(reader, loaded)),
    )
    history.state()
    return history


def all_histories(
    reader: PeopleReader,
    hash_seed: int,
    *,
    workflow_types: Collection[str] = (),
    sample: int | None = None,
    closed: bool = False,
) -> Iterator[WorkflowHistory]:
    """Of open runs, the newest first, and with `closed` of others, too; with `sample` so many of each type.
    What cannot be read, and what has gone meanwhile, is left out. Raises what the reader raises."""
    seen: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        statuses = () if closed else OPEN
        page, cursor = reader.runs(statuses=statuses, workflow_types=workflow_types, before=cursor)
        for run in page:
            seen[run.workflow_type] += 1
            if run.workflow_type.startswith(BUILT_IN_PREFIX) or (
                sample is not None and seen[run.workflow_type] > sample
            ):
                continue
            with suppress(
                UnloadableStateError, UnusableHistoryError, UnreadableRowError, WorkflowNotFoundError
            ):
                yield history_of(reader, hash_seed, run.workflow_id, run.run_id)
        if cursor is None:
            return


def _kept(reader: PeopleReader, loaded: LoadedInstance) -> list[JournalRow]:
    """What is there of the journal, up to the row with which it was loaded. What was before a row that a host
    has trimmed while it was read is left out."""
    until = 0 if loaded.snapshot is None else loaded.snapshot.sequence
    rows: list[JournalRow] = []
    for row in _read(reader, loaded.run_id, until) if until else ():
        if rows and row.sequence != rows[-1].sequence + 1:
            rows.clear()
        rows.append(row)
    if rows and loaded.journal and loaded.journal[0].sequence != rows[-1].sequence + 1:
        rows.clear()
    return [*rows, *loaded.journal]


def _read(reader: PeopleReader, run_id: str, until: int) -> Iterator[JournalRow]:
    after: int | None = 0
    while after is not None and after < until:
        rows, after = reader.history(run_id, after=after, limit=min(200, until - after))
        yield from (row for row in rows if row.sequence <= until)


def _row(row: JournalRow, clean: Redaction, salt: bytes) -> HistoryRow:
    try:
        events = clean.of_record(row.events, salt)
    except NewerBlobError as error:
        raise NewerStateError(row.run_id, row.sequence, f"the journal row cannot be read: {error}") from error
    except UnreadableError as error:
        raise CorruptStateError(row.run_id, row.sequence, f"the journal row cannot be read: {error}") from error
    return HistoryRow(row.sequence, row.time, row.cause, events)


def _snapshot(loaded: LoadedInstance, clean: Redaction, salt: bytes) -> HistorySnapshot:
    at = loaded.snapshot
    assert at is not None
    state = load_state(loaded.workflow_id, loaded.run_id, (at.sequence, at.format, at.checksum, at.body), ())
    body = clean.of_state(state, salt)
    return HistorySnapshot(
        sequence=at.sequence,
        format=CODEC.newest,
        checksum=checksum(body, loaded.run_id, at.sequence),
        body=body,
    )
