"""Reading a namespace beside the hosts that write it: read-only transactions, each short and bounded.

What one transaction gives is of one moment. A run whose journal is longer than a batch is read in several;
hosts may trim its journal meanwhile, which `history` notices.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct

from dalsegno.errors import StoreUnavailableError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence import open_database
from dalsegno.persistence.attribute_rows import COLUMNS
from dalsegno.persistence.database import OwnedConnection, Role
from dalsegno.persistence.formats import revision_of
from dalsegno.persistence.port import JournalRow, LeaseRow, Namespace, SnapshotRow
from dalsegno.persistence.schema import read_namespace
from dalsegno.persistence.search_attributes import SINCE
from dalsegno.persistence.visibility import journal_row
from dalsegno.verification.rows import AttributeRow, Current, Head, Page
from dalsegno.verification.statements import SHORT, Statements

T = TypeVar("T")

BYTES_MAX = 32 * 1024 * 1024
"""Bytes of journals, or of snapshots, that one transaction brings; what is left comes with the next."""
FETCHED = 64
"""Rows that come from the server at one time."""
RETRIES = (0.5, 2.0, 5.0)
"""Seconds to wait before a read that failed is tried again."""


class Place(Struct, frozen=True):
    """A run's place in the order of reading: by workflow ID, then by age."""

    workflow_id: str = ""
    started_at: int = -1
    run_id: str = ""


class InstanceLink(Struct, frozen=True):
    """An instance and the run that it names; `run_of` is that run's workflow ID, None when there is no run."""

    workflow_id: str
    slot: int
    run_id: str
    run_of: str | None


class AuditReader:
    """`batch`: journal rows that one transaction reads at most. Every method may raise StoreUnavailableError,
    after it has tried several times, and SchemaError."""

    def __init__(self, url: str, *, batch: int, sleep: Callable[[float], None] = time.sleep) -> None:
        self._database = open_database(url)
        self._owned = OwnedConnection(self._database, Role.AUDITOR)
        self._statements = Statements(self._database)
        self._batch = batch
        self._sleep = sleep

    def _read(self, body: Callable[[sa.Connection], T]) -> T:
        for seconds in RETRIES:
            try:
                with self._owned.transaction() as connection:
                    return body(connection)
            except StoreUnavailableError:
                self._sleep(seconds)
        with self._owned.transaction() as connection:
            return body(connection)

    def namespace(self) -> Namespace:
        """Not tried again: at the beginning it is better to say at once that the database is not there."""
        with self._owned.transaction() as connection:
            return read_namespace(self._database, connection)

    def leases(self) -> list[LeaseRow]:
        rows = self._read(lambda connection: connection.execute(self._statements.leases).all())
        return [LeaseRow(PartitionID(row.generation, row.partition), row.owner, row.epoch) for row in rows]

    def instances(self, after: str = "", *, workflow_id: str | None = None) -> list[InstanceLink]:
        """The next ones by workflow ID; none at the end. `workflow_id`: only its own."""
        statement, asked = self._statements.instances, {"after": after, "most": self._batch}
        if workflow_id is not None:
            statement, asked = self._statements.instance, asked | {"only": workflow_id}
        rows = self._read(lambda connection: connection.execute(statement, asked).all())
        return [InstanceLink(row.workflow_id, row.slot, row.run_id, row.run_of) for row in rows]

    def run_ids(self, table: str, after: str) -> list[tuple[str, bool]]:
        """The next run IDs in `journal` or `snapshots`, each with whether `runs` has it; none at the end."""
        statements = {"journal": self._statements.journal_ids, "snapshots": self._statements.snapshot_ids}
        asked = {"after": after, "most": self._batch}
        rows = self._read(lambda connection: connection.execute(statements[table], asked).all())
        return [(row.run_id, bool(row.known)) for row in rows]

    # --- runs ------------------------------------------------------------------------------------------------

    def runs(self, after: Place, *, workflow_id: str | None = None) -> tuple[list[Page], Place | None]:
        """The first pages of the next runs, and where to go on; None at the end. Runs that are too long to be
        read with others have empty ones. `workflow_id`: only its runs."""
        return self._read(lambda connection: self._runs(connection, after, workflow_id))

    def page(self, run_id: str, *, after: int = -1, known_snapshot: int | None = None) -> Page | None:
        """Rows of one run behind the sequence `after`, and its snapshot if they reach it and it is another than
        that at `known_snapshot`. None when there is no such run."""
        return self._read(lambda connection: self._page(connection, run_id, after, known_snapshot))

    def _runs(
        self, connection: sa.Connection, after: Place, workflow_id: str | None
    ) -> tuple[list[Page], Place | None]:
        most = max(1, self._batch // SHORT)
        asked: dict[str, Any] = {
            "workflow_id": after.workflow_id,
            "started_at": after.started_at,
            "run_id": after.run_id,
            "most": most,
        }
        statement = self._statements.runs
        if workflow_id is not None:
            statement, asked = self._statements.runs_of, asked | {"only": workflow_id}
        found = list(_within(self._stream(connection, statement, asked), _size_of_head))
        if not found:
            return [], None
        short = [row.run_id for row in found if not row.is_long]
        rows, cut = self._short_rows(connection, short)
        snapshots = self._snapshots(connection, short)
        attributes = self._attributes(connection, short)
        pages = []
        for row in found:
            head = _head(row, attributes.get(row.run_id, ()))
            is_whole = not row.is_long and row.run_id < cut
            has_snapshot = head.snapshot_sequence is None or row.run_id in snapshots
            if is_whole and has_snapshot:
                snapshot, listed = snapshots.get(row.run_id), tuple(rows.get(row.run_id, ()))
                pages.append(Page(head=head, rows=listed, snapshot=snapshot, is_last=True))
            else:
                pages.append(Page(head=head, rows=(), snapshot=None, is_last=False))
        last = found[-1]
        return pages, Place(last.workflow_id, last.started_at, last.run_id)

    def _short_rows(
        self, connection: sa.Connection, run_ids: Sequence[str]
    ) -> tuple[dict[str, list[JournalRow]], str]:
        """By run ID; and the run ID from which on they are incomplete."""
        rows: dict[str, list[JournalRow]] = {}
        size = 0
        asked = {"ids": self._database.keys(run_ids)}
        for row in self._stream(connection, self._statements.short, asked):
            size += len(row.events)
            if size > BYTES_MAX:
                return rows, row.run_id
            rows.setdefault(row.run_id, []).append(journal_row(row))
        return rows, "\U0010ffff"

    def _snapshots(self, connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, SnapshotRow]:
        asked = {"ids": self._database.keys(run_ids)}
        rows = self._stream(connection, self._statements.snapshots, asked)
        return {row.run_id: _snapshot(row) for row in _within(rows, lambda row: len(row.body))}

    def _attributes(
        self, connection: sa.Connection, run_ids: Sequence[str]
    ) -> dict[str, tuple[AttributeRow, ...]]:
        """By run ID. Tables of before have none."""
        if not run_ids or revision_of(connection) < SINCE:
            return {}
        found: dict[str, list[AttributeRow]] = {}
        for row in connection.execute(self._statements.attributes, {"ids": self._database.keys(run_ids)}):
            found_by = row.begun_at, *(getattr(row, column) for column in COLUMNS)
            found.setdefault(row.of_run, []).append(AttributeRow(row.name, row.ordinal, found_by))
        return {run_id: tuple(rows) for run_id, rows in found.items()}

    def _page(
        self, connection: sa.Connection, run_id: str, after: int, known_snapshot: int | None
    ) -> Page | None:
        found = connection.execute(self._statements.run, {"run_id": run_id}).one_or_none()
        if found is None:
            return None
        head = _head(found, self._attributes(connection, [run_id]).get(run_id, ()))
        asked = {"run_id": run_id, "after": after, "most": self._batch + 1}
        rows = [
            journal_row(row)
            for row in _within(self._stream(connection, self._statements.rows, asked), lambda r: len(r.events))
        ]
        # Fewer than were asked for may be a matter of their size: only none at all is the end.
        is_last = len(rows) <= self._batch and sum(len(row.events) for row in rows) <= BYTES_MAX
        rows = rows[: self._batch]
        snapshot = None
        if head.snapshot_sequence not in (None, known_snapshot) and (is_last or _reaches(head, rows)):
            asked = {"ids": self._database.keys([run_id])}
            snapshot = _snapshot(connection.execute(self._statements.snapshots, asked).one())
        return Page(head=head, rows=tuple(rows), snapshot=snapshot, is_last=is_last)

    def _stream(self, connection: sa.Connection, statement: Any, asked: dict[str, Any]) -> Iterator[Any]:
        with connection.execute(statement, asked, execution_options={"yield_per": FETCHED}) as result:
            yield from result

    def close(self) -> None:
        self._owned.close()


def _within(rows: Iterable[Any], size_of: Callable[[Any], int]) -> Iterator[Any]:
    """Rows until their size is beyond what one transaction may bring; the one that goes beyond it included."""
    size = 0
    for row in rows:
        yield row
        size += size_of(row)
        if size > BYTES_MAX:
            return


def _reaches(head: Head, rows: Sequence[JournalRow]) -> bool:
    return bool(rows) and head.snapshot_sequence is not None and head.snapshot_sequence <= rows[-1].sequence


def _size_of_head(row: Any) -> int:
    return len(row.result or b"") + len(row.memo or b"") + len(row.reason or "")


def _head(row: Any, attributes: tuple[AttributeRow, ...]) -> Head:
    current = None
    if row.current_run_id is not None:
        current = Current(
            run_id=row.current_run_id,
            sequence=row.current_sequence,
            status=row.current_status,
            slot=row.slot,
            wake_at=row.wake_at,
            started_at=row.current_started_at,
        )
    return Head(
        run_id=row.run_id,
        workflow_id=row.workflow_id,
        workflow_type=row.workflow_type,
        task_queue=row.task_queue,
        status=row.status,
        started_at=row.started_at,
        closed_at=row.closed_at,
        reason=row.reason,
        result=row.result,
        memo=row.memo,
        current=current,
        snapshot_sequence=row.snapshot_sequence,
        snapshot_bytes=row.snapshot_bytes,
        first_kept=row.first_kept,
        attributes=attributes,
    )


def _snapshot(row: Any) -> SnapshotRow:
    return SnapshotRow(
        run_id=row.run_id, sequence=row.sequence, format=row.format, checksum=row.checksum, body=row.body
    )
