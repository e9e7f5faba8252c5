"""The store: what persistence.port says a database does, in dicts.

A transaction locks its lease rows when it begins and writes when it is committed, so that takers come in
between as they do on PostgreSQL. `audit` is told of all that became durable; the journal it keeps is never
trimmed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Protocol

from msgspec.structs import replace

from dalsegno.broker.message_bytes import decode_message
from dalsegno.broker.port import Message
from dalsegno.errors import StoreUnavailableError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import (
    Aside,
    Due,
    Fence,
    InstanceWrite,
    JournalRow,
    LeaseRow,
    Loaded,
    LoadedInstance,
    Mail,
    MessageKey,
    Remains,
    Round,
    RoundOutcome,
    RunRow,
    SeenRow,
    SnapshotRow,
)
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue, Declared
from tests.partition_ids import nths
from tests.simulation.damage import Damage
from tests.simulation.scheduler import Scheduler

T0 = 1_800_000_000_000_000
"""The database's clock at the beginning, in microseconds since 1970."""

REFUSED = b"the database refuses this"
"""Data that no row can hold, each time."""


class Audit(Protocol):
    def written(self, write: InstanceWrite) -> None: ...

    def may_write(self, format_: int) -> None: ...

    def set_aside(self, aside: Aside, host_id: str) -> None: ...

    def worked_off(self, message: Message) -> None: ...

    def stale_epoch(self, write: InstanceWrite, lease: LeaseRow) -> None: ...


class Transaction:
    """One round being written. `held` are the partitions whose lease it has locked."""

    def __init__(self, round_: Round, held: frozenset[PartitionID]) -> None:
        self.round = round_
        self.held = held
        self.is_open = True


def _asked(write: InstanceWrite) -> list[MessageKey]:
    """The commands of which none must have been answered before."""
    return [*((row.type, row.message_id) for row in write.seen), *write.unless]


class StoreModel:
    def __init__(self, scheduler: Scheduler, audit: Audit, *, partitions: int) -> None:
        self.clock_offset = 0
        self._highest_offset = 0
        self.hosts: dict[str, int] = {}
        self.lease_time = 0
        """All hosts of a simulation have the same."""
        self.leases = [LeaseRow(partition, None, 0) for partition in nths(partitions)]
        self.instances: dict[str, InstanceWrite] = {}
        self.journal: dict[str, list[JournalRow]] = defaultdict(list)
        self.snapshots: dict[str, SnapshotRow] = {}
        self.runs: dict[str, RunRow] = {}
        self.seen: dict[str, dict[MessageKey, SeenRow]] = defaultdict(dict)
        self.attributes: dict[str, dict[str, AttributeValue]] = defaultdict(dict)
        """By run ID: what lists find runs by."""
        self.mail: dict[str, dict[int, bytes]] = defaultdict(dict)
        self._format_written = 1
        self.declared: Declared = {}
        """Search attributes."""
        self.format_asked = 1
        self.was_forced = False
        """Somebody has let a format be written that not all hosts read."""
        self.refuses_older = True
        """Hosts that do not read all that may be written cannot join."""
        self.formats_read: dict[str, int] = {}
        """By host ID, also of those that are gone."""
        self.damaged: dict[str, Damage] = {}
        """By workflow ID: what is wrong with its rows, for a time."""
        self._scheduler = scheduler
        self._audit = audit
        self._open: list[Transaction] = []

    def now(self) -> int:
        return T0 + self._scheduler.now + self.clock_offset

    def step_clock(self, microseconds: int) -> None:
        self.clock_offset += microseconds
        self._highest_offset = max(self._highest_offset, self.clock_offset)

    @property
    def put_back(self) -> int:
        """How far the clock is behind what it has shown, in microseconds."""
        return self._highest_offset - self.clock_offset

    @property
    def latest(self) -> int:
        """What the clock would say if it had never been put back: no host can believe that it is later."""
        return T0 + self._scheduler.now + self._highest_offset

    # --- stored formats --------------------------------------------------------------------------------------

    @property
    def format_written(self) -> int:
        return self._format_written

    @format_written.setter
    def format_written(self, format_: int) -> None:
        self._format_written = format_
        self._audit.may_write(format_)

    def live_hosts(self) -> list[str]:
        now = self.now()
        return sorted(host for host, expires_at in self.hosts.items() if expires_at > now)

    def ask_format(self, newest: int) -> bool:
        """As `dalsegno init` does. Whether it changes anything."""
        before = (self.format_asked, self.format_written)
        if newest >= self.format_written:
            self.format_asked = newest
            self.raise_format()
        return before != (self.format_asked, self.format_written)

    def raise_format(self) -> int:
        """If every live host reads it. One whose row has run out does not live again."""
        live = self.live_hosts()
        self.hosts = {host: self.hosts[host] for host in live}
        if all(self.formats_read[host] >= self.format_asked for host in live):
            self.format_written = max(self.format_written, self.format_asked)
        return self.format_written

    def force_format(self, format_: int) -> bool:
        """By somebody who does not care who reads it."""
        is_news = format_ > self.format_written
        if is_news:
            self.was_forced = True
            self.format_written = self.format_asked = format_
        return is_news

    # --- rounds ----------------------------------------------------------------------------------------------

    def begin(self, round_: Round) -> Transaction:
        held = frozenset(fence.partition for fence in round_.fences if self._is_valid(fence, round_.host_id))
        transaction = Transaction(round_, held)
        self._open.append(transaction)
        return transaction

    def _is_valid(self, fence: Fence, host_id: str) -> bool:
        lease = self.leases[fence.partition.number]
        return (lease.partition, lease.owner, lease.epoch) == (fence.partition, host_id, fence.epoch)

    def abort(self, transaction: Transaction) -> None:
        """By the client, or by the server when its client is gone or idle for too long."""
        if transaction.is_open:
            transaction.is_open = False
            self._open.remove(transaction)

    def is_locked(self, partition: PartitionID) -> bool:
        return any(partition in transaction.held for transaction in self._open)

    def commit(self, transaction: Transaction) -> RoundOutcome:
        if not transaction.is_open:
            raise StoreUnavailableError("the server has ended the transaction")
        self.abort(transaction)
        round_ = transaction.round
        missed: set[str] = set()
        rejected: dict[str, str] = {}
        known: dict[str, dict[MessageKey, str]] = {}
        asides = [aside for aside in round_.asides if aside.partition in transaction.held]
        for mail in (mail for aside in asides for mail in aside.mail):
            if mail.unless and (found := self._known(mail.workflow_id, [mail.unless])):
                known.setdefault(mail.workflow_id, {}).update(found)
        for write in round_.instances:
            if write.partition not in transaction.held:
                continue
            if not self._is_as_expected(write):
                missed.add(write.workflow_id)
            elif found := known.get(write.workflow_id, {}) | self._known(write.workflow_id, _asked(write)):
                known[write.workflow_id] = found
            elif self._is_refused(write):
                rejected[write.workflow_id] = "the data is refused"
            else:
                self._write(write)
        refused = [row for partition, _, row in round_.seen if partition in transaction.held]
        for row in refused:
            if found := self._known(row.workflow_id, [(row.type, row.message_id)]):
                known.setdefault(row.workflow_id, {}).update(found)
        for row in refused:
            if row.workflow_id not in known:
                self.seen[row.workflow_id][row.type, row.message_id] = row
        for aside in asides:
            kept = replace(aside, mail=tuple(mail for mail in aside.mail if mail.workflow_id not in known))
            self._audit.set_aside(kept, round_.host_id)
            self._set_aside(kept)
        lost = frozenset(fence.partition for fence in round_.fences) - transaction.held
        return RoundOutcome(now=self.now(), lost=lost, missed=frozenset(missed), known=known, rejected=rejected)

    def _set_aside(self, aside: Aside) -> None:
        for halt in aside.halts:
            row, run = self.instances.get(halt.workflow_id), self.runs.get(halt.run_id)
            if row is not None:
                status = row.status if row.status.closed else WorkflowStatus.SUSPENDED
                self.instances[halt.workflow_id] = replace(row, status=status, wake_at=halt.wake_at)
            if run is not None and run.closed_at is None:
                self.runs[halt.run_id] = replace(run, status=WorkflowStatus.SUSPENDED, reason=halt.reason)
        for mail in aside.mail:
            assert mail.number not in self.mail[mail.workflow_id], "a number is used once"
            self.mail[mail.workflow_id][mail.number] = mail.message
        for workflow_id, number in aside.worked_off:
            message = self.mail[workflow_id].pop(number, None)
            if message is not None:
                self._audit.worked_off(decode_message(message))

    def _is_as_expected(self, write: InstanceWrite) -> bool:
        if write.forced:
            return True
        row = self.instances.get(write.workflow_id)
        if row is None or write.expected_run_id is None:
            return row is None and write.expected_run_id is None
        return (row.run_id, row.sequence) == (write.expected_run_id, write.expected_sequence)

    def _known(self, workflow_id: str, commands: Iterable[MessageKey]) -> dict[MessageKey, str]:
        """Those that were answered before."""
        seen = self.seen.get(workflow_id, {})
        keys = [key for command in commands for key in (command, ("", command[1]))]
        return {key: seen[key].answer for key in keys if key in seen}

    def _is_refused(self, write: InstanceWrite) -> bool:
        """Data that does not fit: an error of SQLSTATE class 22 or 23."""
        return any(REFUSED in row.events for row in write.journal)

    def _write(self, write: InstanceWrite) -> None:
        lease = self.leases[write.partition.number]
        if write.journal and any(row.epoch != lease.epoch for row in write.journal):
            self._audit.stale_epoch(write, lease)
        self.instances[write.workflow_id] = replace(
            write, journal=(), snapshot=None, opened=(), changed=(), seen=(), unless=(), attributes=()
        )
        for row in write.journal:
            self.journal[row.run_id].append(row)
        if (snapshot := write.snapshot) is not None:
            self.snapshots[snapshot.run_id] = snapshot
            rows = self.journal[snapshot.run_id]
            self.journal[snapshot.run_id] = [row for row in rows if row.sequence > snapshot.trim_to]
        for opened in write.opened:
            self.runs[opened.run_id] = RunRow(
                run_id=opened.run_id,
                workflow_id=opened.workflow_id,
                workflow_type=opened.workflow_type,
                task_queue=opened.task_queue,
                status=opened.status,
                started_at=opened.started_at,
                closed_at=None,
                reason=opened.reason,
                result=None,
                memo=opened.memo,
            )
        for changed in write.changed:
            self.runs[changed.run_id] = replace(
                self.runs[changed.run_id],
                status=changed.status,
                closed_at=changed.closed_at,
                reason=changed.reason,
                result=changed.result,
            )
        for set_ in write.attributes:
            of_run = self.attributes[set_.run_id]
            of_run.pop(set_.name, None)
            if set_.value is not None:
                of_run[set_.name] = set_.value
        for answered in write.seen:
            self.seen[answered.workflow_id][answered.type, answered.message_id] = answered
        self._audit.written(write)

    # --- reads -----------------------------------------------------------------------------------------------

    def load(self, workflow_id: str, *, seen_limit: int = 10_000) -> Loaded:
        row = self.instances.get(workflow_id)
        rows = sorted(self.seen.get(workflow_id, {}).values(), key=lambda row: (row.time, row.message_id))
        return Loaded(
            workflow_id=workflow_id,
            instance=None if row is None else self._loaded(row, row.run_id),
            seen={(row.type, row.message_id): row.answer for row in rows[-seen_limit:]},
            has_mail=bool(self.mail.get(workflow_id)),
        )

    def remains(self, workflow_id: str) -> Remains:
        row, last = self.instances.get(workflow_id), max(self.mail.get(workflow_id, {0: b""}), default=0)
        if row is None:
            return Remains(last_mail=last)
        last_time = max((stored.time for stored in self.journal.get(row.run_id, ())), default=0)
        run = self.runs[row.run_id]
        return Remains(
            run=run,
            last_sequence=row.sequence,
            last_time=last_time,
            last_mail=last,
            format_written=self.format_written,
        )

    def size_of(self, workflow_id: str) -> int:
        """Of what is loaded, in bytes."""
        row = self.load(workflow_id).instance
        if row is None:
            return 0
        snapshot = b"" if row.snapshot is None else row.snapshot.body
        return len(snapshot) + sum(len(stored.events) for stored in row.journal)

    def mail_of(self, workflow_id: str, *, after: int, limit: int, bytes_max: int) -> list[Mail]:
        """Up to the one with which `bytes_max` is reached."""
        rows = sorted(self.mail.get(workflow_id, {}).items())
        found = [Mail(number, message) for number, message in rows if number > after][:limit]
        reached = sum(size < bytes_max for size in accumulate(len(mail.message) for mail in found))
        return found[: reached + 1]

    def load_run(self, run_id: str) -> LoadedInstance | None:
        run = self.runs.get(run_id)
        return None if run is None else self._loaded(self.instances[run.workflow_id], run_id)

    def _loaded(self, row: InstanceWrite, run_id: str) -> LoadedInstance:
        snapshot = self.snapshots.get(run_id)
        behind = -1 if snapshot is None else snapshot.sequence
        is_current = row.run_id == run_id
        tail = tuple(stored for stored in self.journal.get(run_id, ()) if stored.sequence > behind)
        last = tail[-1].sequence if tail else max(behind, 0)
        return LoadedInstance(
            workflow_id=row.workflow_id,
            slot=row.slot,
            run_id=run_id,
            sequence=row.sequence if is_current else last,
            status=row.status if is_current else self.runs[run_id].status,
            wake_at=row.wake_at if is_current else None,
            snapshot=snapshot,
            journal=tail,
        )

    def due(self, slots: Sequence[int], *, before: int, limit: int) -> list[Due]:
        wanted = set(slots)
        rows = [
            Due(row.workflow_id, row.slot, row.wake_at)
            for row in self.instances.values()
            if row.slot in wanted and row.wake_at is not None and row.wake_at <= before
        ]
        return sorted(rows, key=lambda due: (due.wake_at, due.workflow_id))[:limit]

    def waiting(self, slots: Sequence[int], *, after: str, limit: int) -> list[str]:
        wanted = set(slots)
        rows = [
            row
            for row in self.instances.values()
            if row.slot in wanted and row.wake_at is not None and not row.status.closed
        ]
        return sorted(row.workflow_id for row in rows if row.workflow_id > after)[:limit]

    def suspended(self, slots: Sequence[int], *, after: str, limit: int) -> list[str]:
        wanted, status = set(slots), WorkflowStatus.SUSPENDED
        rows = [
            row
            for row in self.instances.values()
            if row.slot in wanted and (row.status is status or self.mail.get(row.workflow_id))
        ]
        return sorted(row.workflow_id for row in rows if row.workflow_id > after)[:limit]

    def has_no_mail(self) -> bool:
        """None is kept."""
        return not any(self.mail.values())

    def open_runs(self) -> list[InstanceWrite]:
        return [row for row in self.instances.values() if not row.status.closed]
