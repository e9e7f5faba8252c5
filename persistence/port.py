"""The store port: what the engine asks of a database, and nothing more.

PostgreSQL and SQLite stand behind it and pass the same suite. Everything here is synchronous; `Writer`,
`Reader` (in `reader_port`) and `Membership` each own one connection and are each used by one thread at a time.
Times are whole microseconds since 1970 by the DATABASE's clock. A namespace is one schema; it is in no key.

Every method raises StoreUnavailableError when the database cannot be reached or the connection breaks; after
that from `Writer.commit` the outcome is UNKNOWN: the caller discards what it touched and reloads. The next
call opens a new connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from dalsegno.partition_id import PartitionID
from dalsegno.persistence.deadlines_port import DeadlineRow
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue, Declared

if TYPE_CHECKING:  # it stands on the rows that are here
    from dalsegno.persistence.attributes_port import SearchAttributes
    from dalsegno.persistence.inbox_port import Inbox
    from dalsegno.persistence.reader_port import PeopleReader, Reader


class JournalRow(Struct, frozen=True, kw_only=True):
    """One activation. `events` is one blob that only the core reads; `cause` is for people."""

    run_id: str
    sequence: int
    round: int
    cause: str
    partition: PartitionID
    epoch: int
    host: str
    time: int
    events: bytes


class SnapshotRow(Struct, frozen=True, kw_only=True):
    """The state after activation `sequence`. It replaces the run's older snapshot.

    Journal rows of the run with a sequence of at most `trim_to` are deleted in the same commit.
    """

    run_id: str
    sequence: int
    format: int
    checksum: bytes
    body: bytes
    trim_to: int = 0


class RunOpened(Struct, frozen=True, kw_only=True):
    """A run begins: its row in the visibility table."""

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: WorkflowStatus
    started_at: int
    reason: str | None = None
    memo: bytes | None = None


class RunChanged(Struct, frozen=True, kw_only=True):
    """A run's visible status changed. With `closed_at` it ended, with `result` (CBOR of the outcome)."""

    run_id: str
    status: WorkflowStatus
    closed_at: int | None = None
    reason: str | None = None
    result: bytes | None = None


class AttributeSet(Struct, frozen=True, kw_only=True):
    """A run that began at `begun_at` has this value of a search attribute, or none any more. `places`: of how
    many keywords a list was or is, whichever is more; 1 for what is no list."""

    run_id: str
    begun_at: int
    name: str
    value: AttributeValue | None
    places: int = 1


class SeenRow(Struct, frozen=True, kw_only=True):
    """A client command that has been answered: when it comes again it changes nothing and is answered alike.
    It is known by its message ID among those of its message's `type`. "" is the type of rows from before types
    were kept, and stands for any.

    `answer` is "" when it was accepted, else the error code with which it was refused.
    """

    workflow_id: str
    message_id: str
    type: str
    time: int
    answer: str = ""


MessageKey = tuple[str, str]
"""The type and the message ID of a command that was answered."""


class InstanceWrite(Struct, frozen=True, kw_only=True):
    """All that one round writes for one workflow ID. Applied whole or not at all.

    Compare-and-set: with `expected_run_id` None the instance must not exist yet; else its row must show that
    run ID and `expected_sequence`. `run_id`, `sequence`, `status`, `wake_at` are what the row says after.
    Nothing but a moved `wake_at` may be in it (no journal rows); then `sequence` equals `expected_sequence`.

    `forced`: the row is written whatever is there, because that cannot be read; the lease alone fences it.
    `unless`: commands that are not answered by this, and of which none must have been answered before.
    """

    workflow_id: str
    slot: int
    partition: PartitionID
    expected_run_id: str | None
    expected_sequence: int
    run_id: str
    sequence: int
    status: WorkflowStatus
    wake_at: int | None
    journal: tuple[JournalRow, ...] = ()
    snapshot: SnapshotRow | None = None
    opened: tuple[RunOpened, ...] = ()
    changed: tuple[RunChanged, ...] = ()
    seen: tuple[SeenRow, ...] = ()
    forced: bool = False
    unless: tuple[MessageKey, ...] = ()
    attributes: tuple[AttributeSet, ...] = ()
    deadlines: tuple[DeadlineRow, ...] = ()


class MailRow(Struct, frozen=True, kw_only=True):
    """A message that waits until its workflow can be run again. `number` grows by one within the workflow.
    `unless`: the command that it is. If that was answered before, no mail of its workflow is written."""

    workflow_id: str
    slot: int
    number: int
    time: int
    message: bytes
    unless: MessageKey | None = None


class Halt(Struct, frozen=True, kw_only=True):
    """An instance that cannot be run for a defect is shown as suspended, in both rows that show it. What cannot
    be read is left as it is. It is woken at `wake_at`, to be tried again. A closed run is shown as it is."""

    workflow_id: str
    run_id: str
    reason: str
    wake_at: int


class Aside(Struct, frozen=True, kw_only=True):
    """What a round writes for one partition beside what it writes for instances."""

    partition: PartitionID
    halts: tuple[Halt, ...] = ()
    mail: tuple[MailRow, ...] = ()
    worked_off: tuple[tuple[str, int], ...] = ()
    """Mail to be deleted: workflow ID, number."""


class Fence(Struct, frozen=True):
    """A lease that a round relies on."""

    partition: PartitionID
    epoch: int


class Round(Struct, frozen=True, kw_only=True):
    """One transaction. `seen` are commands refused for workflow IDs that have no instance (slot, row)."""

    host_id: str
    fences: tuple[Fence, ...]
    instances: tuple[InstanceWrite, ...]
    seen: tuple[tuple[PartitionID, int, SeenRow], ...] = ()
    """(partition, slot, row)"""
    asides: tuple[Aside, ...] = ()


class RoundOutcome(Struct, frozen=True, kw_only=True):
    """What became of a round that did commit.

    `known` are workflow IDs of which commands were answered before, and how: nothing of theirs was written, in
    `instances`, in `seen`, or as mail. A command is known by its type and message ID, or by that alone where
    the type was not kept.

    `lost` are partitions whose lease is no longer (host, epoch): nothing of theirs was written. `missed` are
    workflow IDs whose compare-and-set failed: nothing of theirs was written. `rejected` maps workflow IDs
    whose data the database refused (SQLSTATE classes 22 and 23) to a reason that quotes no payload.
    `now` is the database's time.
    """

    now: int
    lost: frozenset[PartitionID] = frozenset()
    missed: frozenset[str] = frozenset()
    known: Mapping[str, Mapping[MessageKey, str]] = {}
    rejected: Mapping[str, str] = {}


class Writer(Protocol):
    """The writer thread's view."""

    def commit(self, round_: Round) -> RoundOutcome:
        """Write a round in ONE transaction that begins by locking its lease rows with owner and epoch checked
        (PostgreSQL: FOR SHARE; SQLite: BEGIN IMMEDIATE and a check). A check without a lock does not fence.

        A data error rolls back and is bisected down to the instances at fault; the rest is committed.
        """

    def settle(self) -> None:
        """Return when all that can be read is as durable as the database was told to make it: after a commit of
        unknown outcome it may be there, and a standby may not have it yet."""

    def raise_watermark(self, *, above: int, accept: bool = False) -> Watermark | None:
        """Raise the namespace's watermark by one. None, and nothing is changed, if it is not `above` yet: then
        this is an older database than the one that said so. With `accept` it is taken as it is, and raised
        above that."""

    def close(self) -> None: ...


class LoadedInstance(Struct, frozen=True, kw_only=True):
    """An instance's row, its run's newest snapshot, and the journal behind it (never more), oldest first."""

    workflow_id: str
    slot: int
    run_id: str
    sequence: int
    status: WorkflowStatus
    wake_at: int | None
    snapshot: SnapshotRow | None
    journal: tuple[JournalRow, ...]


class Loaded(Struct, frozen=True, kw_only=True):
    """What a cold workflow ID has. `seen` maps its answered commands to their answers, at most
    `seen_limit` of them. `strikes` are those of its current run: (cause, count)."""

    workflow_id: str
    instance: LoadedInstance | None
    seen: Mapping[MessageKey, str] = {}
    strikes: tuple[tuple[str, int], ...] = ()
    has_mail: bool = False


class Mail(Struct, frozen=True):
    number: int
    message: bytes


class Due(Struct, frozen=True):
    """An instance whose wake-up is due before the time that was asked for."""

    workflow_id: str
    slot: int
    wake_at: int


class ListedRun(Struct, frozen=True, kw_only=True):
    """A row of the visibility table as lists show it: nothing in it is larger than a name or a reason, but
    `attributes`, which are rows of their own (and empty where nothing but the row was asked for)."""

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: WorkflowStatus
    started_at: int
    closed_at: int | None
    reason: str | None
    attributes: Mapping[str, AttributeValue] = {}


class RunCount(Struct, frozen=True):
    """How many runs fit, and by the values that they are grouped by, the largest groups first."""

    count: int
    groups: tuple[tuple[tuple[str, ...], int], ...] = ()


class RunRow(ListedRun, frozen=True, kw_only=True):
    """The whole row."""

    result: bytes | None
    memo: bytes | None


class Remains(Struct, frozen=True, kw_only=True):
    """What can be known of an instance without reading its own row, its snapshot or its journal: its newest run
    as the visibility table has it (None if that row is not there, or is unreadable as well), the last sequence
    and the last number of its mail that were used."""

    run: RunRow | None = None
    last_sequence: int = 0
    last_time: int = 0
    """Of its journal."""
    last_mail: int = 0
    format_written: int = 1
    """As in `Cluster`, of the same moment."""


class HostRow(Struct, frozen=True):
    """`ttl` is how long a renewal is good for, in microseconds; 0: an older version does not say.
    `format_read` is the newest stored format that it reads, 1 also for one that does not say; `head` the newest
    revision of the tables that it knows."""

    host_id: str
    expires_at: int
    version: str
    ttl: int = 0
    format_read: int = 1
    head: str = ""


class LeaseRow(Struct, frozen=True):
    partition: PartitionID
    owner: str | None
    epoch: int


class Cluster(Struct, frozen=True, kw_only=True):
    """Who is there and who owns what, at database time `now`. `hosts` are the live ones. `format_written` is
    the newest stored format that may be written, `format_asked` the one that it shall become. `attributes` are
    the search attributes that are declared."""

    now: int
    hosts: tuple[HostRow, ...]
    leases: tuple[LeaseRow, ...]
    format_written: int = 1
    format_asked: int = 1
    attributes: Declared = {}


class Membership(Protocol):
    """Hosts, leases and strikes: used by the host supervisor's own thread, and by the parent process."""

    def join(self, host_id: str, *, ttl: int, version: str, format_read: int = 1) -> int:
        """Write the host's row, valid for `ttl` microseconds; the database's time is returned. NewerFormatError
        when a newer format may be written than `format_read`, the newest that this host reads."""

    def renew(self, host_id: str, *, ttl: int) -> int:
        """Extend the row by one statement; database time is returned. FencedError when it is gone or expired:
        others may own the leases by now, so the host must drop everything and join anew."""

    def expire(self, host_id: str, *, at: int | None = None) -> None:
        """Delete the host's row: its leases are free to take at once. Called by the parent that killed it, by
        a host that leaves, and by one that has seen the row not being renewed: then only if it still expires
        `at` that time."""

    def cluster(self) -> Cluster: ...

    def ask_format(self, newest: int) -> Cluster:
        """Ask that `newest` be written, whatever was asked for before, and raise it at once if that can be.
        NewerFormatError when a newer one may be written already."""

    def raise_format(self) -> int:
        """Let the stored format be written that `Cluster.format_asked` says, if every live host reads it. What
        may be written now is returned. No host joins meanwhile: it joins before, and is asked, or after."""

    def take(self, partitions: Sequence[PartitionID], host_id: str) -> list[LeaseRow]:
        """Take those that no live host owns, raising their epochs; those taken are returned with the new
        epoch. Waits a bounded time for a commit that still holds a row's lock. FencedError when the taker's
        own row is gone or expired."""

    def release(self, leases: Sequence[Fence], host_id: str) -> None:
        """Give up leases that are still ours; others are left alone."""

    def strike(self, run_id: str, cause: str) -> int:
        """Count one more strike against (run, cause); the new count is returned."""

    def clear_strikes(self, run_id: str) -> None: ...

    def trim_seen(self, *, older_than: int, limit: int = 10_000) -> int:
        """Delete up to `limit` seen rows with a time before `older_than`; how many is returned. Those of
        workflows that have mail stay: it may be what was answered, once more."""

    def close(self) -> None: ...


class Watermark(Struct, frozen=True):
    """A number that only grows; the broker is told of it. `time` is when it was raised last."""

    number: int = 0
    time: int = 0


class Namespace(Struct, frozen=True, kw_only=True):
    """The `meta` row. `identity` is random and for ever: the broker knows by it whose virtual host it is.
    `revision` is that of the tables; the formats are as in `Cluster`."""

    generation: int
    partitions: int
    hash_seed: int
    identity: str
    watermark: Watermark = Watermark()
    revision: str = ""
    format_written: int = 1
    format_asked: int = 1

    @property
    def partition_ids(self) -> tuple[PartitionID, ...]:
        """All, by number."""
        return tuple(PartitionID(self.generation, number) for number in range(self.partitions))

    def partition_of(self, slot: int) -> PartitionID:
        return PartitionID(self.generation, slot % self.partitions)


class Store(Protocol):
    """A database URL made usable. Opening connections is lazy."""

    def migrate(self, *, partitions: int | None = None, force: bool = False) -> Namespace:
        """Create or upgrade the schema (Alembic) and the meta and lease rows; doing it again changes nothing.
        ConfigurationError when `partitions` differs from what the namespace has; without it those that it has
        are left, and a new one gets 16. SchemaError, unless by `force`, while hosts live that could not work
        with the tables as they would be."""

    def namespace(self) -> Namespace:
        """The meta row. SchemaError, naming `dalsegno init`, when the schema is missing, too old, or so new
        that this version cannot work with it."""

    def writer(self) -> Writer: ...

    def reader(self) -> Reader:
        """For one of the host's threads."""

    def people_reader(self) -> PeopleReader:
        """For what people ask. It gives up early: TooSlowError."""

    def membership(self) -> Membership: ...

    def inbox(self) -> Inbox: ...

    def search_attributes(self) -> SearchAttributes: ...

    def close(self) -> None: ...
