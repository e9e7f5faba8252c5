"""Histories as a host would have stored them, without a host: of random worlds and of scripted programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.topology import slot_of
from dalsegno.persistence.port import (
    Fence,
    InstanceWrite,
    JournalRow,
    LeaseRow,
    Namespace,
    Round,
    RunChanged,
    RunOpened,
    SnapshotRow,
    Writer,
)
from dalsegno.verification.finding import Violation
from dalsegno.verification.history import History
from dalsegno.verification.leadership import Leadership
from dalsegno.verification.rows import Current, Head, Page
from dalsegno.verification.used_ids import UsedIDs
from tests.partition_ids import nths
from tests.workflow_actor.rig import Rig
from tests.workflow_actor.wild import Op, WildCode, World

PARTITIONS = 16
NAMESPACE = Namespace(generation=1, partitions=PARTITIONS, hash_seed=0, identity="n")
WORKFLOW_ID = "w"
SLOT = slot_of(WORKFLOW_ID)
PARTITION = NAMESPACE.partition_of(SLOT)
HOST, EPOCH = "host-a", 1
LEASES = tuple(LeaseRow(partition, HOST, EPOCH) for partition in nths(PARTITIONS))


class Stored:
    """What a rig's instance has written: the runs of one workflow ID, in the order in which they began."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.opened: dict[str, RunOpened] = {}
        self.changed: dict[str, RunChanged] = {}
        self.rows: dict[str, list[JournalRow]] = {}
        self.snapshots: dict[str, SnapshotRow] = {}
        self.writes: list[InstanceWrite] = []
        self.committed = 0
        self._rounds = 0
        self._before: tuple[str | None, int] = (None, 0)
        write = rig._write

        def and_store(activation: Activation) -> None:
            write(activation)
            self._store(activation)

        rig._write = and_store  # type: ignore[method-assign]

    def _store(self, activation: Activation) -> None:
        if not activation.recorded:
            return
        self._rounds += 1
        run_id = activation.run_id or ""
        row = JournalRow(
            run_id=run_id,
            sequence=activation.sequence,
            round=self._rounds,
            cause=f"workflow.signal message-{self._rounds}",
            partition=PARTITION,
            epoch=EPOCH,
            host=HOST,
            time=activation.time,
            events=activation.events,
        )
        rows = self.rows.setdefault(run_id, [])
        rows.append(row)
        opened, changed, snapshot = activation.opened, activation.changed, activation.snapshot
        if opened is not None:
            self.opened[run_id] = opened
        if changed is not None:
            self.changed[run_id] = changed
        if snapshot is not None:
            self.snapshots[run_id] = snapshot
            self.rows[run_id] = [kept for kept in rows if kept.sequence > snapshot.trim_to]
        self.writes.append(self._write(row, activation, snapshot))

    def _write(
        self,
        row: JournalRow,
        activation: Activation,
        snapshot: SnapshotRow | None,
    ) -> InstanceWrite:
        opened, changed = activation.opened, activation.changed
        run_before, sequence_before = self._before
        self._before = row.run_id, row.sequence
        status, instance = self.rig.instance.status, self.rig.instance
        assert status is not None
        if changed is not None:
            status = changed.status
        return InstanceWrite(
            workflow_id=WORKFLOW_ID,
            slot=SLOT,
            partition=PARTITION,
            expected_run_id=run_before,
            expected_sequence=sequence_before,
            run_id=row.run_id,
            sequence=row.sequence,
            status=status,
            wake_at=instance.wake_at,
            journal=(row,),
            snapshot=snapshot,
            opened=() if opened is None else (opened,),
            changed=() if changed is None else (changed,),
            attributes=activation.attributes,
        )

    def pages(self) -> list[Page]:
        """Of each run, all in one."""
        instance = self.rig.instance
        if instance.run_id is None or instance.status is None:
            return []
        current = Current(
            run_id=instance.run_id,
            sequence=instance.sequence,
            status=instance.status,
            slot=SLOT,
            wake_at=instance.wake_at,
            started_at=self.opened[instance.run_id].started_at,
        )
        return [self._page(run_id, current) for run_id in self.opened]

    def _page(self, run_id: str, current: Current) -> Page:
        opened, changed, snapshot = self.opened[run_id], self.changed.get(run_id), self.snapshots.get(run_id)
        rows = self.rows[run_id]
        head = Head(
            run_id=run_id,
            workflow_id=opened.workflow_id,
            workflow_type=opened.workflow_type,
            task_queue=opened.task_queue,
            status=opened.status if changed is None else changed.status,
            started_at=opened.started_at,
            closed_at=None if changed is None else changed.closed_at,
            reason=opened.reason if changed is None else changed.reason,
            result=None if changed is None else changed.result,
            memo=opened.memo,
            current=current,
            snapshot_sequence=None if snapshot is None else snapshot.sequence,
            snapshot_bytes=None if snapshot is None else len(snapshot.body),
            first_kept=rows[0].sequence if rows else None,
        )
        return Page(head=head, rows=tuple(rows), snapshot=snapshot, is_last=True)

    def commit_to(self, writer: Writer, *, stop: int | None = None) -> None:
        """Round by round, as the host would, up to the round `stop`. It must own all partitions in epoch 1."""
        for write in self.writes[self.committed : stop]:
            self.committed += 1
            round_ = Round(host_id=HOST, fences=(Fence(PARTITION, EPOCH),), instances=(write,))
            outcome = writer.commit(round_)
            assert (outcome.lost, outcome.missed, dict(outcome.rejected)) == (frozenset(), frozenset(), {})


def wild_history(
    seed: int, operations: Sequence[Op] | int, *, history_limit: int = 10_000, workflow_type: str = "order"
) -> Stored:
    """Of a world in which anything happens; a number of operations is that many at random."""
    world = World(WildCode(seed), workflow_types=(workflow_type, "unknown"))
    world.rig = Rig(world.code, history_limit=history_limit)
    stored = Stored(world.rig)
    if isinstance(operations, int):
        source = Random(seed)
        operations = [(source.randrange(20), source.randrange(2**16)) for _ in range(operations)]
    for operation in [(10, 1), *operations]:
        world.do(operation)
    return stored


def violations_of(pages: Sequence[Page], leadership: Leadership | None = None) -> list[Violation]:
    """What the checks of runs find, run by run."""
    used = UsedIDs(remembered=24 * 3600 * 1_000_000)
    leadership = leadership or Leadership()
    violations: list[Violation] = []
    try:
        for page in pages:
            history = History(page.head, NAMESPACE, leadership, used)
            history.add(page)
            violations += history.violations
    finally:
        used.close()
    return violations


def edited(page: Page, sequence: int, edit: Callable[[Record], Record]) -> Page:
    """The page with the record of one row replaced."""
    rows = tuple(
        replace(row, events=CODEC.encode_record(edit(CODEC.decode_record(row.events))))
        if row.sequence == sequence
        else row
        for row in page.rows
    )
    return replace(page, rows=rows)
