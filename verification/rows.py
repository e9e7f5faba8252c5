"""What is read of a run. Everything in one `Page` is of one moment."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dalsegno.persistence.port import JournalRow, SnapshotRow


class Current(Struct, frozen=True, kw_only=True):
    """The row in `instances` of the run's workflow ID. `started_at` is of the run that it names; None when
    there is no such run."""

    run_id: str
    sequence: int
    status: str
    slot: int
    wake_at: int | None
    started_at: int | None


class AttributeRow(Struct, frozen=True):
    """A row by which lists find a run. `found_by`: when the run began, and the columns of values."""

    name: str
    ordinal: int
    found_by: tuple[Any, ...]


class Head(Struct, frozen=True, kw_only=True):
    """All of a run but its journal and the body of its snapshot. Statuses are as they stand in the database:
    they may be wrong. `first_kept` is the lowest sequence in the journal."""

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: str
    started_at: int
    closed_at: int | None
    reason: str | None
    result: bytes | None
    memo: bytes | None
    current: Current | None
    snapshot_sequence: int | None
    snapshot_bytes: int | None
    first_kept: int | None
    attributes: tuple[AttributeRow, ...] = ()
    """Those with a value."""

    @property
    def is_current(self) -> bool:
        return self.current is not None and self.current.run_id == self.run_id


class Page(Struct, frozen=True, kw_only=True):
    """A part of a run's journal, by sequence. `snapshot` comes with the page that reaches it, once.
    `is_last`: there was nothing behind it."""

    head: Head
    rows: tuple[JournalRow, ...]
    snapshot: SnapshotRow | None
    is_last: bool
