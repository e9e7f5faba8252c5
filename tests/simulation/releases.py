"""Which release each simulated host is of, when hosts of two work side by side.

The older one reads and writes the first stored format, the newer one the second as well. That may be written
once somebody has asked for it and all hosts that live read it; or, by a mistake, as soon as somebody says so.

In some of the simulations older hosts are not refused, and share partitions out as if all could read all: then
what they meet is all that they go by.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from dalsegno.actors.supervisor.membership.shares import able
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.persistence.port import Cluster
from tests.simulation.scheduler import SECOND
from tests.workflow_actor.stored import two_releases

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.store_model import StoreModel

REPLACED_WITHIN = 10 * SECOND
"""After the storm, if the upgrade is to be finished."""


class Releases:
    """In half of the simulations there are two, in the others the older one alone; or the `newest_alone`, of a
    namespace that was never written otherwise."""

    def __init__(self, seed: int, store: StoreModel, *, newest_alone: bool) -> None:
        self._random = Random(f"{seed} releases")
        self._store = store
        self._newer: set[str] = set()
        """Host names."""
        self._known: set[str] = set()
        self._newest_alone = newest_alone
        self.are_two = not newest_alone and self._random.random() < 0.5
        store.refuses_older = not self.are_two or self._random.random() < 0.5
        if newest_alone:
            store.format_asked = store.format_written = two_releases.NEWER.newest

    def of(self, name: str) -> StoredCodec:
        if self._newest_alone:
            return two_releases.NEWER
        if self.are_two and name not in self._known and self._random.random() < 0.5:
            self._newer.add(name)
        self._known.add(name)
        return two_releases.NEWER if name in self._newer else two_releases.OLDER

    def able(self, cluster: Cluster, host: Host) -> set[str]:
        """In place of the plan's own: which hosts may own partitions, as this host sees it."""
        if not self._store.refuses_older and host.codec is two_releases.OLDER:
            return {row.host_id for row in cluster.hosts}
        return able(cluster)

    def replace(self, host: Host, *, gently: bool) -> None:
        """Its next life is of the other release: an upgrade, or a roll-back."""
        self._newer ^= {host.name}
        host.trace(f"is to be replaced by the {'newer' if host.name in self._newer else 'older'} release")
        if gently:
            host.drain()
        else:
            host.kill("killed")

    def refused(self, host: Host) -> None:
        """It is too old for what may be written. Sooner or later somebody sees why, and upgrades it."""
        if self._random.random() < 0.5:
            self._newer.add(host.name)

    def finish(self, hosts: Iterable[Host]) -> None:
        """The storm is over. A raise that was asked for gets what it waits for; else both may stay."""
        store = self._store
        if not self.are_two or (store.format_asked == 1 and self._random.random() < 0.5):
            return
        for host in hosts:
            if host.name not in self._newer:
                self._newer.add(host.name)
                host.scheduler.after(self._random.randrange(REPLACED_WITHIN), host.drain, host)
