"""A round taken apart into rows per table: the same for both databases, which then write them in their way.

The first value of each row is the key by which it is allowed in: the workflow ID whose compare-and-set must
have matched, or (`created`, `updated`, `refused`) the partition whose lease must be held.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from dalsegno.persistence.attribute_rows import attribute_rows
from dalsegno.persistence.port import Aside, InstanceWrite, Round, RunChanged, RunOpened, SnapshotRow

Row = tuple[Any, ...]


class Part(StrEnum):
    """The groups of rows of a round, in the order in which they are written."""

    CREATED = "created"
    """partition, workflow_id, slot, run_id, sequence, status, wake_at"""
    UPDATED = "updated"
    """partition, workflow_id, expected_run_id, expected_sequence, run_id, sequence, status, wake_at"""
    FORCED = "forced"
    """as CREATED"""
    UNLESS = "unless"
    """workflow_id, message_id, type: see `InstanceWrite.unless` and `MailRow.unless`"""
    REFUSED = "refused"
    """partition, slot, workflow_id, message_id, type, time, answer"""
    JOURNAL = "journal"
    """workflow_id, run_id, sequence, round, cause, partition, epoch, host, time, events"""
    SNAPSHOTS = "snapshots"
    """workflow_id, run_id, sequence, format, checksum, body"""
    TRIMMED = "trimmed"
    """workflow_id, run_id, trim_to"""
    OPENED = "opened"
    """workflow_id, run_id, workflow_type, task_queue, status, started_at, closed_at, reason, result, memo"""
    CHANGED = "changed"
    """workflow_id, run_id, status, closed_at, reason, result"""
    ATTRIBUTES = "attributes"
    """workflow_id, of_run, name, ordinal, begun_at, keyword_value, int_value, double_value, text_value"""
    DEADLINES = "deadlines"
    """workflow_id, of_run, number, name, risk_at, due_at"""
    DEADLINES_OVER = "deadlines_over"
    """workflow_id, of_run, number"""
    SEEN = "seen"
    """workflow_id, slot, message_id, type, time, answer"""

    HALTED = "halted"
    """partition, workflow_id, wake_at"""
    HALTED_RUNS = "halted_runs"
    """partition, run_id, reason"""
    MAIL = "mail"
    """partition, workflow_id, number, slot, time, message"""
    WORKED_OFF = "worked_off"
    """partition, workflow_id, number"""


Rows = dict[Part, list[Row]]


def rows_of(
    instances: Iterable[InstanceWrite], refused: Iterable[Row] = (), asides: Iterable[Aside] = ()
) -> Rows:
    """All rows of these; only parts that have any are in the answer, in order."""
    rows: Rows = {part: [] for part in Part}
    for aside in asides:
        _add_aside(rows, aside)
    rows[Part.REFUSED].extend(refused)
    for write in instances:
        _add_instance(rows, write)
        _add_journal(rows, write)
        if write.snapshot is not None:
            _add_snapshot(rows, write.workflow_id, write.snapshot)
        if write.opened or write.changed:
            _add_visibility(rows, write)
        if write.attributes:
            rows[Part.ATTRIBUTES].extend(attribute_rows(write.workflow_id, write.attributes))
        if write.deadlines:
            _add_deadlines(rows, write)
        rows[Part.UNLESS].extend((write.workflow_id, message_id, type_) for type_, message_id in write.unless)
        for row in write.seen:
            answered = (write.workflow_id, write.slot, row.message_id, row.type, row.time, row.answer)
            rows[Part.SEEN].append(answered)
    return {part: found for part, found in rows.items() if found}


def refused_rows(round_: Round) -> list[Row]:
    return [
        (partition.number, slot, row.workflow_id, row.message_id, row.type, row.time, row.answer)
        for partition, slot, row in round_.seen
    ]


def mail_commands(aside: Aside) -> list[tuple[str, str, str]]:
    """Workflow ID, message ID, type."""
    return [(row.workflow_id, row.unless[1], row.unless[0]) for row in aside.mail if row.unless is not None]


def _add_instance(rows: Rows, write: InstanceWrite) -> None:
    after = (write.run_id, write.sequence, write.status, write.wake_at)
    if write.forced:
        rows[Part.FORCED].append((write.partition.number, write.workflow_id, write.slot, *after))
    elif write.expected_run_id is None:
        rows[Part.CREATED].append((write.partition.number, write.workflow_id, write.slot, *after))
    else:
        before = (write.workflow_id, write.expected_run_id, write.expected_sequence)
        rows[Part.UPDATED].append((write.partition.number, *before, *after))


def _add_aside(rows: Rows, aside: Aside) -> None:
    partition = aside.partition.number
    for halt in aside.halts:
        rows[Part.HALTED].append((partition, halt.workflow_id, halt.wake_at))
        rows[Part.HALTED_RUNS].append((partition, halt.run_id, halt.reason))
    rows[Part.MAIL].extend(
        (partition, row.workflow_id, row.number, row.slot, row.time, row.message) for row in aside.mail
    )
    rows[Part.UNLESS].extend(mail_commands(aside))
    rows[Part.WORKED_OFF].extend((partition, workflow_id, number) for workflow_id, number in aside.worked_off)


def _add_journal(rows: Rows, write: InstanceWrite) -> None:
    snapshot = write.snapshot
    for row in write.journal:
        # In one statement the trim does not see what the insert beside it writes.
        if snapshot is not None and row.run_id == snapshot.run_id and row.sequence <= snapshot.trim_to:
            continue
        values = (row.run_id, row.sequence, row.round, row.cause)
        fence = (row.partition.number, row.epoch, row.host)
        rows[Part.JOURNAL].append((write.workflow_id, *values, *fence, row.time, row.events))


def _add_snapshot(rows: Rows, workflow_id: str, snapshot: SnapshotRow) -> None:
    values = (snapshot.run_id, snapshot.sequence, snapshot.format, snapshot.checksum, snapshot.body)
    rows[Part.SNAPSHOTS].append((workflow_id, *values))
    if snapshot.trim_to > 0:
        rows[Part.TRIMMED].append((workflow_id, snapshot.run_id, snapshot.trim_to))


def _add_visibility(rows: Rows, write: InstanceWrite) -> None:
    # One row per run: of several changes the last counts, and one to a run that this round opens is folded
    # into its insert, because an update beside an insert in one statement does not see it.
    changed = {change.run_id: change for change in write.changed}
    for run in write.opened:
        rows[Part.OPENED].append(_opened_row(write.workflow_id, run, changed.pop(run.run_id, None)))
    rows[Part.CHANGED].extend(
        (write.workflow_id, run_id, change.status, change.closed_at, change.reason, change.result)
        for run_id, change in changed.items()
    )


def _add_deadlines(rows: Rows, write: InstanceWrite) -> None:
    # One that is set and over in this round is not written, as with visibility. But it may be listed anew, and
    # have a row from before.
    is_set: dict[tuple[str, int], Row] = {}
    for row in write.deadlines:
        key = (row.run_id, row.number)
        if not row.is_over:
            is_set[key] = (write.workflow_id, *key, row.name, row.risk_at, row.due_at)
        else:
            is_set.pop(key, None)
            rows[Part.DEADLINES_OVER].append((write.workflow_id, *key))
    rows[Part.DEADLINES].extend(is_set.values())


def _opened_row(workflow_id: str, run: RunOpened, change: RunChanged | None) -> Row:
    latest: RunOpened | RunChanged = change or run
    closed_at, result = (change.closed_at, change.result) if change else (None, None)
    return (
        workflow_id,
        run.run_id,
        run.workflow_type,
        run.task_queue,
        latest.status,
        run.started_at,
        closed_at,
        latest.reason,
        result,
        run.memo,
    )
