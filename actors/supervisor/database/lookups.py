"""What the engine asks of the database beside rounds: the part of `engine.World` that reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import zip_longest

from dalsegno.actors.supervisor.database.store_threads import StoreThreads
from dalsegno.actors.supervisor.database.strike_lookup import StrikeLookup
from dalsegno.actors.supervisor.deliveries.mail import PAGE, PAGE_BYTES
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.broker import topology
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Loaded, Membership, Remains
from dalsegno.persistence.reader_port import MailReader

LOAD_BYTES = 4 * 1024 * 1024
"""Of cold instances, read at once: beyond it no other is read with them."""


def in_turn(wanted: Mapping[PartitionID, Sequence[str]]) -> list[str]:
    """The first of each partition, then the second of each: what is beyond LOAD_BYTES is left, and of who wants
    many that must not be all, each time. Who was left something comes first in what is wanted next."""
    rows = zip_longest(*wanted.values())
    return [workflow_id for row in rows for workflow_id in row if workflow_id is not None]


class Lookups:
    """Each is answered by a call of the engine, on the loop."""

    engine: Engine
    _threads: StoreThreads
    _membership: Membership
    _strike_lookup: StrikeLookup

    def load(self, wanted: Mapping[PartitionID, Sequence[str]]) -> None:
        """Of all partitions in one read: many small ones would cost the loop more than what they find."""
        partition_of = {workflow_id: partition for partition, ids in wanted.items() for workflow_id in ids}
        found = {partition: self._while_owned(partition, self.engine.loaded) for partition in wanted}
        failed = {partition: self._while_owned(partition, self.engine.unreadable) for partition in wanted}

        def query(reader: MailReader, keys: Sequence[str]) -> tuple[list[Loaded], Sequence[str]]:
            rows = reader.load(keys, bytes_max=LOAD_BYTES)
            return rows, keys[len(rows) :]

        def done(portion: tuple[list[Loaded], Sequence[str]]) -> None:
            rows: dict[PartitionID, list[Loaded]] = defaultdict(list)
            for row in portion[0]:
                rows[partition_of[row.workflow_id]].append(row)
            left: dict[PartitionID, list[str]] = defaultdict(list)
            for workflow_id in portion[1]:
                left[partition_of[workflow_id]].append(workflow_id)
            for partition, tell in found.items():
                if partition in rows or partition in left:
                    tell(rows.get(partition, ()), left.get(partition, ()))

        def unreadable(workflow_id: str, error: Exception) -> None:
            failed[partition_of[workflow_id]](workflow_id, error)

        self._threads.mail.read_each(query, in_turn(wanted), done, unreadable, what="load")

    def look_up_format(self, partition: PartitionID, workflow_id: str) -> None:
        self._threads.mail.read(
            lambda reader: reader.format_written(),
            self._while_owned(partition, self.engine.format_found, workflow_id),
            what="format",
        )

    def read_remains(self, partition: PartitionID, workflow_id: str) -> None:
        found = self._while_owned(partition, self.engine.remains_found, workflow_id)
        unreadable = partial(found, Remains())
        read, keys = self._threads.mail.read_each, [workflow_id]
        read(lambda r, keys: r.remains(keys[0]), keys, found, lambda *_: unreadable(), what="remains")

    def read_mail(self, partition: PartitionID, workflow_id: str, after: int) -> None:
        self._threads.mail.read(
            lambda reader: reader.mail(workflow_id, after=after, limit=PAGE, bytes_max=PAGE_BYTES),
            self._while_owned(partition, self.engine.mail_found, workflow_id, after),
            what="mail",
        )

    def look_up_strikes(self, partition: PartitionID, workflow_id: str, run_id: str) -> None:
        self._strike_lookup.ask(partition, workflow_id, run_id)

    def _read_strikes(
        self, run_ids: Sequence[str], then: Callable[[Mapping[tuple[str, str], int]], None]
    ) -> None:
        self._threads.mail.read(lambda reader: reader.strikes(run_ids), then, what="strikes")

    def clear_strikes(self, run_id: str) -> None:
        # Behind what was asked of strikes before.
        self._threads.mail.read(
            lambda _: self._membership.clear_strikes(run_id), lambda _: None, what="clear strikes"
        )

    def look_up_attributes(self, partition: PartitionID, workflow_id: str) -> None:
        # Not on the thread that mail waits for: names come from outside.
        self._threads.clock.read(
            lambda reader: reader.declared(),
            self._while_owned(partition, self.engine.attributes_found, workflow_id),
            what="attributes",
        )

    def find_due(self, partition: PartitionID, before: int, limit: int) -> None:
        slots = self._slots(partition)
        self._threads.clock.read(
            lambda reader: reader.due(slots, before=before, limit=limit),
            self.engine.while_owned(
                partition, lambda due: self.engine.due_found(partition, due, complete=len(due) < limit)
            ),
            what="due",
        )

    def find_suspended(self, partition: PartitionID, after: str, limit: int) -> None:
        slots = self._slots(partition)
        self._threads.clock.read(
            lambda reader: reader.suspended(slots, after=after, limit=limit),
            self._while_owned(partition, self.engine.suspended_found, after),
            what="suspended",
        )

    def find_waiting(self, partition: PartitionID, after: str, limit: int) -> None:
        slots = self._slots(partition)
        self._threads.clock.read(
            lambda reader: reader.waiting(slots, after=after, limit=limit),
            self._while_owned(partition, self.engine.waiting_found, after),
            what="waiting",
        )

    def _while_owned(
        self, partition: PartitionID, found: Callable[..., None], *known: object
    ) -> Callable[..., None]:
        """The engine's `found` of the partition with what is `known`, and the answer to come."""
        return self.engine.while_owned(partition, partial(found, partition, *known))

    def _slots(self, partition: PartitionID) -> range:
        return range(partition.number, topology.SLOTS, self.engine.partition_count)
