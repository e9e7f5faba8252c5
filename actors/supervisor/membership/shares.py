"""Who owns which partition: a pure function of what the database shows, computed by every host for itself.

All hosts see the same rows, so all draw up the same plan: each live host has a quota (the floor or the ceiling
of partitions / hosts), keeps what it owns up to it, and what is free or beyond a quota goes to the hosts below
theirs. A host carries out its own part only: it takes what is free and planned for it, and gives what is
beyond its quota to the heir that the plan names, who will find the same in its own plan.

The plan is stable: carrying out any part of it, in any order, leaves the rest as it was. Therefore nothing
moves twice, however the hosts' steps interleave, and as few partitions as possible move at all:
- The ceilings go to hosts that own that much already (by host ID where there are too few or too many of them).
- What a host gives are its highest partitions.
- What is to be placed is dealt out in blocks, partitions and hosts in ascending order, so that a partition
  that has reached its heir shortens that heir's block and shifts no other.

Hosts that don't read all that may be written own nothing in the plan: they give all they have, and take nothing
(where all are such, nothing moves). There are such only where the stored format was raised over their heads.

One thing the rows don't show: that a host is leaving. It plans as if it were gone already, but the others still
count it, and would hand back what it gives. So a host takes what it is offered even if its plan says otherwise,
and gives nothing to a host that has just given (`givers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Cluster

NONE: frozenset[PartitionID] = frozenset()
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shares:
    """What a host should do now: partitions to take; partitions to give, each with its heir (None: no one)."""

    take: tuple[PartitionID, ...]
    give: Mapping[PartitionID, str | None]


def decide(
    cluster: Cluster,
    host_id: str,
    *,
    leaving: bool = False,
    draining: AbstractSet[PartitionID] = NONE,
    refused: AbstractSet[PartitionID] = NONE,
    offered: AbstractSet[PartitionID] = NONE,
    givers: AbstractSet[str] = NOBODY,
) -> Shares:
    """The part of the plan that is `host_id`'s. Nothing, if it is not among the live hosts.

    `draining`: it is giving these up already; they are not in the answer. `refused`: it cannot serve these for
    now. `offered`: a giver named it as their heir. `givers`: hosts that have given it something lately.
    """
    live = {host.host_id for host in cluster.hosts}
    if host_id not in live:
        return Shares((), {})
    target = _plan(cluster, leaving={host_id} if leaving else NOBODY, draining=draining)
    takes_any = not leaving and host_id in able(cluster)
    take: list[PartitionID] = []
    give: dict[PartitionID, str | None] = {}
    for lease in cluster.leases:
        partition, heir = lease.partition, target.get(lease.partition)
        if lease.owner == host_id:
            moves = heir not in (None, host_id) and heir not in givers
            if partition not in draining and (leaving or moves):
                give[partition] = heir
        elif lease.owner not in live and (heir == host_id or partition in offered):
            take.append(partition)
    return Shares(tuple(p for p in take if p not in refused) if takes_any else (), give)


def heir_of(cluster: Cluster, host_id: str, partition: PartitionID, *, leaving: bool = False) -> str | None:
    """Whom to tell that `host_id` has just released `partition`, `cluster` being read after that.

    None when nobody else is there, or when `host_id` should have it back.
    """
    heir = _plan(cluster, leaving={host_id} if leaving else NOBODY).get(partition)
    return None if heir == host_id else heir


def least_loaded(cluster: Cluster, host_id: str) -> str | None:
    """The other live host that owns fewest partitions: the heir of what `host_id` cannot serve."""
    owned = dict.fromkeys(able(cluster) - {host_id}, 0)
    for lease in cluster.leases:
        if lease.owner in owned:
            owned[lease.owner] += 1
    return min(owned, key=lambda other: (owned[other], other), default=None)


def _plan(
    cluster: Cluster, *, leaving: AbstractSet[str], draining: AbstractSet[PartitionID] = NONE
) -> dict[PartitionID, str]:
    """Partitions that are free or have to move, each with the host that shall have it."""
    owned: dict[str, list[PartitionID]] = {host: [] for host in able(cluster) - leaving}
    placing: list[PartitionID] = []
    for lease in cluster.leases:
        if lease.owner in owned and lease.partition not in draining:
            owned[lease.owner].append(lease.partition)
        else:
            placing.append(lease.partition)
    if not owned:
        return {}
    quotas = _quotas({host: len(partitions) for host, partitions in owned.items()}, len(cluster.leases))
    room: list[str] = []
    for host in sorted(owned):
        placing.extend(sorted(owned[host])[quotas[host] :])
        room.extend([host] * (quotas[host] - len(owned[host])))
    return dict(zip(sorted(placing), room, strict=True))


def able(cluster: Cluster) -> set[str]:
    """Hosts that read all that may be written."""
    return {host.host_id for host in cluster.hosts if host.format_read >= cluster.format_written}


def _quotas(owned: Mapping[str, int], partitions: int) -> dict[str, int]:
    floor, ceilings = divmod(partitions, len(owned))
    favoured = sorted(owned, key=lambda host: (owned[host] <= floor, host))[:ceilings]
    return {host: floor + (host in favoured) for host in owned}
