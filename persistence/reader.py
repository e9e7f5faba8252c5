"""Reading: what a cold workflow needs and nothing behind its newest snapshot, what is due, what people ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import sqlalchemy as sa

from dalsegno.errors import TooSlowError, UnreadableRowError
from dalsegno.persistence import formats
from dalsegno.persistence.database import (
    PEOPLE_SECONDS,
    Database,
    OwnedConnection,
    Role,
    StatementTimeoutError,
)
from dalsegno.persistence.deadlines import list_deadlines
from dalsegno.persistence.deadlines_port import FoundDeadline
from dalsegno.persistence.filters.conditions import ListFilter
from dalsegno.persistence.lists import RunFilter, count_runs, list_runs, run_filter, within
from dalsegno.persistence.membership import read_cluster
from dalsegno.persistence.port import (
    Cluster,
    Due,
    JournalRow,
    ListedRun,
    Loaded,
    LoadedInstance,
    Mail,
    MessageKey,
    Remains,
    RunCount,
    SnapshotRow,
    Watermark,
)
from dalsegno.persistence.reader_port import HISTORY_BYTES_MAX, LIST_BYTES_MAX
from dalsegno.persistence.reader_statements import statements_of
from dalsegno.persistence.search_attributes import read_declared, read_fields
from dalsegno.persistence.visibility import find_run, journal_row, run_row, status_of
from dalsegno.persistence.watermark import read_watermark
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import Declared

LATER = "Ask again when the database has less to do."


class SqlReader:
    """`reader_port.Reader` on one connection; every method reads one snapshot in time."""

    def __init__(self, database: Database, role: Role = Role.READER) -> None:
        self._database = database
        self._role = role
        self._owned = OwnedConnection(database, role)
        self._statements = statements_of(database)

    def load(
        self, workflow_ids: Sequence[str], *, seen_limit: int = 500, bytes_max: int | None = None
    ) -> list[Loaded]:
        with self._owned.transaction() as connection:
            stored = workflow_ids
            if bytes_max is not None and len(workflow_ids) > 1:
                sizes = self._sizes(connection, workflow_ids)
                workflow_ids = workflow_ids[: _reached(bytes_max, (sizes.get(key, 0) for key in workflow_ids))]
                stored = [workflow_id for workflow_id in workflow_ids if workflow_id in sizes]
            found = {row.workflow_id: row for row in self._instances(connection, stored)}
            asked_answers = {"ids": self._database.keys(workflow_ids), "most": seen_limit}
            answers = _answers(connection.execute(self._statements.answers, asked_answers))
            tails = self._tails(connection, found.values())
            struck = self._strikes(connection, [row.run_id for row in found.values() if row.struck])
        return [
            Loaded(
                workflow_id=workflow_id,
                instance=_loaded(row, tails) if (row := found.get(workflow_id)) else None,
                seen=answers[workflow_id],
                strikes=tuple(struck[row.run_id]) if row else (),
                has_mail=bool(row and row.has_mail),
            )
            for workflow_id in workflow_ids
        ]

    def _sizes(self, connection: sa.Connection, workflow_ids: Sequence[str]) -> dict[str, int]:
        asked = {"ids": self._database.keys(workflow_ids)}
        return {row.workflow_id: row.size for row in connection.execute(self._statements.instance_sizes, asked)}

    def _instances(self, connection: sa.Connection, workflow_ids: Sequence[str]) -> Iterable[sa.Row[Any]]:
        if not workflow_ids:
            return ()
        return connection.execute(self._statements.instances, {"ids": self._database.keys(workflow_ids)})

    def _tails(self, connection: sa.Connection, found: Collection[sa.Row[Any]]) -> dict[str, list[JournalRow]]:
        """By run ID, the rows behind the snapshot, oldest first."""
        tails: dict[str, list[JournalRow]] = defaultdict(list)
        if found:
            asked = self._database.runs_after({row.run_id: row.snapshot_sequence or 0 for row in found})
            for row in connection.execute(self._statements.tails, asked):
                tails[row.run_id].append(journal_row(row))
        return tails

    def _strikes(self, connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        struck: dict[str, list[tuple[str, int]]] = defaultdict(list)
        if run_ids:
            asked = {"ids": self._database.keys(run_ids)}
            for run_id, cause, count in connection.execute(self._statements.strikes, asked):
                struck[run_id].append((cause, count))
        return struck

    def strikes(self, run_ids: Sequence[str]) -> dict[tuple[str, str], int]:
        with self._asked(LATER) as connection:
            struck = self._strikes(connection, run_ids)
        return {(run_id, cause): count for run_id, found in struck.items() for cause, count in found}

    def format_written(self) -> int:
        with self._asked(LATER) as connection:
            written, _ = formats.read(connection, formats.revision_of(connection))
        return written

    def remains(self, workflow_id: str) -> Remains:
        asked = {"ids": self._database.keys([workflow_id])}
        last_mail = 0
        try:
            with self._owned.transaction() as connection:
                last_mail = connection.scalar(self._statements.last_mail, asked) or 0
                row = connection.execute(self._statements.newest_run, asked).one_or_none()
                if row is None:
                    return Remains(last_mail=last_mail)
                written, _ = formats.read(connection, formats.revision_of(connection))
                of_run = {"ids": self._database.keys([row.run_id])}
                last_sequence = connection.scalar(self._statements.last_sequence, of_run) or 0
                last_time = connection.scalar(self._statements.last_time, of_run) or 0
            run = run_row(row, unknown_status=WorkflowStatus.SUSPENDED)
        except UnreadableRowError:  # a number of its mail must not be used twice, whatever its run's row is
            return Remains(last_mail=last_mail)
        return Remains(
            run=run,
            last_sequence=last_sequence,
            last_time=last_time,
            last_mail=last_mail,
            format_written=written,
        )

    def mail(self, workflow_id: str, *, after: int, limit: int, bytes_max: int | None = None) -> list[Mail]:
        asked = {"ids": self._database.keys([workflow_id]), "after": after, "most": limit}
        with self._owned.transaction() as connection:
            if bytes_max is not None:
                sizes = [row.size for row in connection.execute(self._statements.mail_sizes, asked)]
                asked["most"] = _reached(bytes_max, sizes) or limit
            return [Mail(row.number, row.message) for row in connection.execute(self._statements.mail, asked)]

    def due(self, slots: Sequence[int], *, before: int, limit: int) -> list[Due]:
        asked = {"ids": self._database.keys(slots), "before": before, "most": limit}
        with self._owned.transaction() as connection:
            rows = connection.execute(self._statements.due, asked).all()
        return [Due(row.workflow_id, row.slot, row.wake_at) for row in rows]

    def suspended(self, slots: Sequence[int], *, after: str, limit: int) -> list[str]:
        asked = {"ids": self._database.keys(slots), "after": after, "most": limit}
        with self._owned.transaction() as connection:
            return list(connection.scalars(self._statements.suspended, asked))

    def waiting(self, slots: Sequence[int], *, after: str, limit: int) -> list[str]:
        asked = {"ids": self._database.keys(slots), "after": after, "most": limit}
        with self._owned.transaction() as connection:
            return list(connection.scalars(self._statements.waiting, asked))

    def watermark(self) -> Watermark:
        with self._asked(LATER) as connection:
            return read_watermark(connection)

    # --- what people ask --------------------------------------------------------------------------------------

    @contextmanager
    def _asked(self, how_to_ask_for_less: str) -> Iterator[sa.Connection]:
        """A transaction. Where a person's was cut short by the time that their questions have, TooSlowError."""
        try:
            with self._owned.transaction() as connection:
                yield connection
        except StatementTimeoutError as error:
            if self._role is not Role.PEOPLE:  # a host asks again: nobody is there who could ask for less
                raise
            text = f"The database would work on that for more than {PEOPLE_SECONDS} s. {how_to_ask_for_less}"
            raise TooSlowError(text) from error

    def run(self, workflow_id: str, run_id: str | None) -> ListedRun | None:
        with self._asked(LATER) as connection:
            return find_run(self._database, connection, workflow_id, run_id)

    def declared(self) -> Declared:
        with self._asked(LATER) as connection:
            return read_declared(connection)

    def fields(self) -> Declared:
        with self._asked(LATER) as connection:
            return read_fields(connection)

    def runs(
        self,
        *,
        statuses: Collection[WorkflowStatus] = (),
        workflow_types: Collection[str] = (),
        workflow_id: str | None = None,
        limit: int = 100,
        before: str | None = None,
        bytes_max: int = LIST_BYTES_MAX,
    ) -> tuple[list[ListedRun], str | None]:
        wanted = RunFilter(statuses, workflow_types, workflow_id)
        with self._asked("Narrow the list by workflow ID, or by type and status.") as connection:
            return list_runs(
                self._database, connection, wanted, limit=limit, before=before, bytes_max=bytes_max
            )

    def find_runs(
        self,
        wanted: ListFilter,
        *,
        limit: int = 100,
        before: str | None = None,
        bytes_max: int = LIST_BYTES_MAX,
    ) -> tuple[list[ListedRun], str | None]:
        walked = run_filter(wanted)
        if walked is None:
            return [], None
        with self._asked("Narrow the filter by type, status, workflow ID or time.") as connection:
            return list_runs(
                self._database, connection, walked, limit=limit, before=before, bytes_max=bytes_max
            )

    def count_runs(self, wanted: ListFilter) -> RunCount:
        with self._asked("Narrow the filter by type, status, workflow ID or time.") as connection:
            return count_runs(connection, wanted)

    def deadlines(
        self, *, at_risk: bool = False, limit: int = 100, before: str | None = None
    ) -> tuple[list[FoundDeadline], str | None]:
        with self._asked(LATER) as connection:
            return list_deadlines(self._database, connection, at_risk=at_risk, limit=limit, before=before)

    def history(
        self, run_id: str, *, after: int = 0, limit: int = 200, bytes_max: int = HISTORY_BYTES_MAX
    ) -> tuple[list[JournalRow], int | None]:
        asked = {"ids": self._database.keys([run_id]), "after": after, "most": limit + 1}
        with self._asked("Ask for fewer entries at once.") as connection:
            sizes = connection.execute(self._statements.sizes, asked).all()
            if not sizes:
                return [], None
            count = within(bytes_max, [row.size for row in sizes[:limit]])
            last = sizes[count - 1].sequence
            until = {**asked, "until": last}
            rows = [journal_row(row) for row in connection.execute(self._statements.history, until)]
        return rows, last if count < len(sizes) else None

    def load_run(self, run_id: str) -> LoadedInstance | None:
        with self._asked(LATER) as connection:
            asked = {"ids": self._database.keys([run_id])}
            row = connection.execute(self._statements.run, asked).one_or_none()
            tail = self._tails(connection, [] if row is None else [row])[run_id]
        if row is None:
            return None
        current = row.current == run_id
        last = tail[-1].sequence if tail else row.snapshot_sequence or 0
        return LoadedInstance(
            workflow_id=row.workflow_id,
            slot=row.slot,
            run_id=run_id,
            sequence=row.sequence if current else last,
            status=status_of("runs", row),
            wake_at=row.wake_at if current else None,
            snapshot=_snapshot(row),
            journal=tuple(tail),
        )

    def cluster(self) -> Cluster:
        with self._asked(LATER) as connection:
            return read_cluster(self._database, connection)

    def close(self) -> None:
        self._owned.close()


def _reached(bytes_max: int, sizes: Iterable[int]) -> int | None:
    """How many there are up to the one with which `bytes_max` is reached; None if it is not."""
    reached = (at for at, so_far in enumerate(accumulate(sizes), 1) if so_far >= bytes_max)
    return next(reached, None)


def _answers(rows: Iterable[Any]) -> dict[str, dict[MessageKey, str]]:
    """By workflow ID, commands with their answers."""
    answers: dict[str, dict[MessageKey, str]] = defaultdict(dict)
    for workflow_id, message_id, type_, answer in rows:
        answers[workflow_id][type_, message_id] = answer
    return answers


def _loaded(row: sa.Row[Any], tails: dict[str, list[JournalRow]]) -> LoadedInstance:
    return LoadedInstance(
        workflow_id=row.workflow_id,
        slot=row.slot,
        run_id=row.run_id,
        sequence=row.sequence,
        status=status_of("instances", row),
        wake_at=row.wake_at,
        snapshot=_snapshot(row),
        journal=tuple(tails.get(row.run_id, ())),
    )


def _snapshot(row: sa.Row[Any]) -> SnapshotRow | None:
    if row.snapshot_sequence is None:
        return None
    return SnapshotRow(
        run_id=row.run_id,
        sequence=row.snapshot_sequence,
        format=row.format,
        checksum=row.checksum,
        body=row.body,
    )
