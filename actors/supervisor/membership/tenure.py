"""A tenure: what one life of a host under one host ID holds and knows. Plain bookkeeping, without I/O.

A lease goes through these sets: *held* from when the database gave it; *draining* too, once the loop was asked
to give it up; *drained* too, once the loop is done with it; and when the database has taken it back, it is only
*untold*, until the loop has been told who the heir is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dalsegno.actors.supervisor.membership import shares
from dalsegno.errors import FencedError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Cluster, Fence, LeaseRow
from dalsegno.search_attributes import Declared


@dataclass(slots=True)
class Tenure:
    """Times are monotonic seconds, on whatever clock the caller uses."""

    host_id: str
    held: dict[PartitionID, int] = field(default_factory=dict)
    """Partition -> epoch."""
    draining: set[PartitionID] = field(default_factory=set)
    drained: set[PartitionID] = field(default_factory=set)
    untold: set[PartitionID] = field(default_factory=set)
    refused: dict[PartitionID, float] = field(default_factory=dict)
    """Given up unasked, because this host cannot serve it: not to be taken before that time."""
    offered: set[PartitionID] = field(default_factory=set)
    """Named as heir by a giver since the last look at the cluster."""
    givers: dict[str, float] = field(default_factory=dict)
    """Hosts that gave us something: nothing is given to them before that time (see `shares`)."""
    peers: tuple[str, ...] = ()
    format_written: int = 1
    """As the loop was told last; this much it knows without a word."""
    attributes: Declared = field(default_factory=dict)
    """Likewise."""

    def note_offer(self, giver: str, partitions: Iterable[PartitionID], *, until: float) -> None:
        self.offered.update(partitions)
        self.givers[giver] = until

    def note_drained(
        self, partition: PartitionID, epoch: int, *, refused_until: float, for_good: bool = False
    ) -> None:
        """The loop is done with a lease. What does not match a lease that is held comes too late."""
        if self.held.get(partition) == epoch:
            self.drained.add(partition)
            if partition not in self.draining:
                self.refused[partition] = refused_until
            if for_good:
                self.refused[partition] = float("inf")

    def to_release(self) -> list[Fence]:
        return [Fence(partition, self.held[partition]) for partition in sorted(self.drained)]

    def note_released(self, fences: Iterable[Fence]) -> None:
        """The database has taken these back."""
        for fence in fences:
            del self.held[fence.partition]
            self.draining.discard(fence.partition)
            self.drained.discard(fence.partition)
            self.untold.add(fence.partition)

    def note_gained(self, leases: Iterable[LeaseRow]) -> None:
        for lease in leases:
            self.held[lease.partition] = lease.epoch
            self.refused.pop(lease.partition, None)

    def compare(self, cluster: Cluster) -> list[LeaseRow]:
        """Leases that are ours in the database and that we don't know of: of a take whose answer was lost.

        FencedError when the database gives one of those that we hold to another, or under another epoch.
        """
        ours = {lease.partition: lease for lease in cluster.leases if lease.owner == self.host_id}
        for partition, epoch in self.held.items():
            if partition not in ours or ours[partition].epoch != epoch:
                raise FencedError(
                    f"The lease of partition {partition.number} was taken from host {self.host_id}."
                )
        return [lease for partition, lease in ours.items() if partition not in self.held]

    def share(self, cluster: Cluster, *, leaving: bool, now: float) -> shares.Shares:
        """What this host should take and give now. Offers count once."""
        self.givers = {host: until for host, until in self.givers.items() if now < until}
        share = shares.decide(
            cluster,
            self.host_id,
            leaving=leaving,
            draining=self.draining,
            refused={partition for partition, until in self.refused.items() if now < until},
            offered=self.offered,
            givers=set(self.givers),
        )
        self.offered.clear()
        return share

    def heirs(self, cluster: Cluster, *, leaving: bool) -> dict[PartitionID, str | None]:
        """Who should have what was released, `cluster` being read after that; they count as told now."""
        heirs = {
            partition: shares.least_loaded(cluster, self.host_id)
            if partition in self.refused and not leaving
            else shares.heir_of(cluster, self.host_id, partition, leaving=leaving)
            for partition in sorted(self.untold)
        }
        self.untold.clear()
        return heirs
