"""What a namespace's database must show whatever happened to its processes.

It reads the journal as the next host would, and draws its own conclusions: nothing of the engine's own
bookkeeping is believed but the rows themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from dalsegno.actors.workflow_actor import events as ev
from dalsegno.actors.workflow_actor.codec import decode_record
from dalsegno.persistence import tables
from dalsegno.persistence.url import parse_url

NUMBERED = (ev.ActivityCompleted, ev.ActivityFailed, ev.TimerElapsed)


class Rows:
    """All that the database holds, for looking at."""

    def __init__(self, database: str) -> None:
        engine = sa.create_engine(parse_url(database).address, poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:

                def read(table: sa.Table, *order: sa.Column[Any]) -> list[Any]:
                    return list(connection.execute(sa.select(table).order_by(*order)))

                self.journal = read(tables.journal, tables.journal.c.run_id, tables.journal.c.sequence)
                self.runs = {row.run_id: row for row in read(tables.runs)}
                self.instances = {row.workflow_id: row for row in read(tables.instances)}
                self.snapshots = {row.run_id: row for row in read(tables.snapshots)}
        finally:
            engine.dispose()

    def journal_of(self, run_id: str) -> list[Any]:
        return [row for row in self.journal if row.run_id == run_id]


def audit(database: str) -> list[str]:
    """What is wrong, one sentence each; empty when all is well. To be called when no host runs any more."""
    rows = Rows(database)
    return [*_leases(rows), *_journals(rows), *_visibility(rows)]


def _leases(rows: Rows) -> Iterator[str]:
    """At most one host commits for a partition in an epoch."""
    hosts: dict[tuple[int, int], set[str]] = {}
    for row in rows.journal:
        hosts.setdefault((row.partition, row.epoch), set()).add(row.host)
    for (partition, epoch), names in hosts.items():
        if len(names) > 1:
            yield f"partition {partition} was written by {len(names)} hosts in epoch {epoch}"


def _journals(rows: Rows) -> Iterator[str]:
    for run_id, group in groupby(rows.journal, key=lambda row: row.run_id):
        run = rows.runs.get(run_id)
        if run is None:
            yield f"run {run_id} has a journal and no row of its own"
            continue
        name = f"{run.workflow_id} ({run_id})"
        journal = list(group)
        yield from (f"{name}: {fault}" for fault in _sequences(journal, rows.snapshots.get(run_id)))
        yield from (f"{name}: {fault}" for fault in _events(journal, run))


def _sequences(journal: list[Any], snapshot: Any | None) -> Iterator[str]:
    """Without gap or double, from the beginning or from behind a snapshot; by epochs that only grow."""
    sequences = [row.sequence for row in journal]
    if sequences != list(range(sequences[0], sequences[0] + len(sequences))):
        yield f"its journal has gaps: {sequences}"
    if sequences[0] != 1 and (snapshot is None or snapshot.sequence < sequences[0] - 1):
        yield f"its journal begins with {sequences[0]}, and no snapshot goes before it"
    epochs = [row.epoch for row in journal]
    if epochs != sorted(epochs):
        yield f"an older epoch wrote behind a newer one: {epochs}"
    times = [row.time for row in journal]
    if times != sorted(times):
        yield "its time goes backwards"


def _events(journal: list[Any], run: Any) -> Iterator[str]:
    """Nothing is applied twice: results, timers, signals, the end."""
    ends: list[ev.RunClosed] = []
    resolved: Counter[tuple[str, int]] = Counter()
    signals: Counter[str] = Counter()
    for row in journal:
        record = decode_record(row.events)
        if record.sequence != row.sequence:
            yield f"row {row.sequence} holds the record of {record.sequence}"
        for event in record.events:
            if isinstance(event, ev.RunClosed):
                ends.append(event)
            elif ends and isinstance(event, (*NUMBERED, ev.Ran, ev.SignalReceived)):
                yield f"{type(event).__name__} behind its end, in row {row.sequence}"
            elif isinstance(event, NUMBERED):
                kind = "timer" if isinstance(event, ev.TimerElapsed) else "activity"
                resolved[kind, event.number] += 1
            elif isinstance(event, ev.SignalReceived):
                signals[row.cause] += 1
    yield from (f"{what} {n} was resolved {times} times" for (what, n), times in resolved.items() if times > 1)
    yield from (f"{cause} was applied {times} times" for cause, times in signals.items() if times > 1)
    if len(ends) > 1:
        yield f"it ended {len(ends)} times"
    if ends and ends[-1].status != run.status:
        yield f"its journal ends as {ends[-1].status}, its row says {run.status}"
    if bool(ends) != (run.closed_at is not None):
        yield f"its journal has {len(ends)} ends, its row is closed at {run.closed_at}"


def _visibility(rows: Rows) -> Iterator[str]:
    """Each workflow ID has an instance, whose run is its newest and the only one that may be open."""
    newest = {row.run_id: row.sequence for row in rows.journal}
    for instance in rows.instances.values():
        run = rows.runs.get(instance.run_id)
        if run is None:
            yield f"{instance.workflow_id}: its instance's run has no row"
            continue
        if instance.status != run.status:
            yield f"{instance.workflow_id}: instance says {instance.status}, run says {run.status}"
        written = newest.get(instance.run_id, instance.sequence)
        if instance.sequence != written:
            yield f"{instance.workflow_id}: instance at {instance.sequence}, journal at {written}"
    for run in rows.runs.values():
        if run.workflow_id not in rows.instances:
            yield f"{run.workflow_id}: a run without an instance"
        elif run.closed_at is None and rows.instances[run.workflow_id].run_id != run.run_id:
            yield f"{run.workflow_id}: {run.run_id} is open and not its current run"
