"""Hosts and leases as one host's supervisor sees them: persistence.port.Membership on the store model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from dalsegno.errors import FencedError, NewerFormatError, StoreUnavailableError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Cluster, Fence, HostRow, LeaseRow
from tests.simulation.faults import Faults
from tests.simulation.store_model import StoreModel

T = TypeVar("T")


class MembershipModel:
    """`is_reachable` says whether the database can be reached; `step` is called before each call: the process
    may die there."""

    def __init__(
        self, store: StoreModel, faults: Faults, is_reachable: Callable[[], bool], step: Callable[[], None]
    ) -> None:
        self._store = store
        self._faults = faults
        self._is_reachable = is_reachable
        self._step = step
        self.on_renewal: Callable[[], None] = lambda: None
        """A row has been renewed."""

    def _call(self, statement: Callable[[], T]) -> T:
        self._step()
        if not self._is_reachable() or self._faults.happens("membership call fails"):
            raise StoreUnavailableError("the database cannot be reached")
        answer = statement()
        if self._faults.happens("membership call done but reported failed"):
            raise StoreUnavailableError("the answer was lost")
        return answer

    def join(self, host_id: str, *, ttl: int, version: str, format_read: int = 1) -> int:
        def statement() -> int:
            if self._store.refuses_older and format_read < self._store.format_written:
                raise NewerFormatError(f"format {self._store.format_written} may be written; upgrade dalsegno")
            now = self._store.now()
            leases = self._store.leases
            for lease in list(leases):
                if lease.owner == host_id:
                    leases[lease.partition.number] = LeaseRow(lease.partition, None, lease.epoch)
            for other, expires_at in list(self._store.hosts.items()):
                if expires_at <= now:
                    del self._store.hosts[other]
            self._store.hosts[host_id] = now + ttl
            self._store.formats_read[host_id] = format_read
            self._store.lease_time = ttl
            return now

        return self._call(statement)

    def renew(self, host_id: str, *, ttl: int) -> int:
        def statement() -> int:
            now = self._store.now()
            if self._store.hosts.get(host_id, 0) <= now:
                raise FencedError(f"The row of host {host_id} is gone or expired.")
            self._store.hosts[host_id] = now + ttl
            self.on_renewal()
            return now

        return self._call(statement)

    def expire(self, host_id: str, *, at: int | None = None) -> None:
        def statement() -> None:
            if at in (None, self._store.hosts.get(host_id)):
                self._store.hosts.pop(host_id, None)

        self._call(statement)

    def cluster(self) -> Cluster:
        def statement() -> Cluster:
            now = self._store.now()
            store = self._store
            rows = tuple(
                HostRow(host, store.hosts[host], "simulated", store.lease_time, store.formats_read[host])
                for host in store.live_hosts()
            )
            return Cluster(
                now=now,
                hosts=rows,
                leases=tuple(store.leases),
                format_written=store.format_written,
                format_asked=store.format_asked,
                attributes=store.declared,
            )

        return self._call(statement)

    def raise_format(self) -> int:
        return self._call(self._store.raise_format)

    def take(self, partitions: Sequence[PartitionID], host_id: str) -> list[LeaseRow]:
        def statement() -> list[LeaseRow]:
            now, hosts, leases = self._store.now(), self._store.hosts, self._store.leases
            free = [p for p in sorted(partitions) if hosts.get(leases[p.number].owner or "", 0) <= now]
            if any(self._store.is_locked(partition) for partition in free):
                raise StoreUnavailableError("a commit still holds the lease's row: lock timeout")
            if hosts.get(host_id, 0) <= now:
                raise FencedError(f"The row of host {host_id} is gone or expired.")
            for partition in free:
                number = partition.number
                leases[number] = LeaseRow(partition, host_id, leases[number].epoch + 1)
            return [leases[partition.number] for partition in free]

        return self._call(statement)

    def release(self, leases: Sequence[Fence], host_id: str) -> None:
        def statement() -> None:
            rows = self._store.leases
            for fence in leases:
                number = fence.partition.number
                if (rows[number].owner, rows[number].epoch) == (host_id, fence.epoch):
                    rows[number] = LeaseRow(fence.partition, None, fence.epoch)

        self._call(statement)

    def strike(self, run_id: str, cause: str) -> int:
        raise AssertionError("nothing strikes in a simulation: user code cannot hang here")

    def clear_strikes(self, run_id: str) -> None:
        raise AssertionError("nothing strikes in a simulation")

    def trim_seen(self, *, older_than: int, limit: int = 10_000) -> int:
        """Nothing is as old as that."""
        return 0

    def close(self) -> None:
        """There is no connection."""
