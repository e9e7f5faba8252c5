"""Which release each simulated host is of, when hosts of two work side by side.

The older one reads and writes the first stored format, the newer one all. Its newest may be written once
somebody has asked for it and all hosts that live read it; or, by a mistake, as soon as somebody says so. Where
a namespace `moves`, it is of the second format, and so is the older release: the third is asked for in any
case.

In some of the others older hosts are not refused, and share partitions out as if all could read all: then what
they meet is all that they go by. (Those of the second format are always refused: what they would refuse to
store, as a child's start, is not asked of anybody again.)
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from dalsegno.actors.supervisor.membership.shares import able
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.persistence.port import Cluster
from tests.simulation.scheduler import SECOND, Scheduler
from tests.workflow_actor.stored import two_releases

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.store_model import StoreModel

REPLACED_WITHIN = 10 * SECOND
"""After the storm, if the upgrade is to be finished."""


class Releases:
    """In half of the simulations there are two, in the others the older one alone; or the `newest_alone`, of a
    namespace that was never written otherwise."""

    def __init__(self, seed: int, store: StoreModel, *, newest_alone: bool, moves: bool = False) -> None:
        self.older = two_releases.BETWEEN if moves else two_releases.OLDER
        self._moves = moves
        self._random = Random(f"{seed} releases")
        self._store = store
        self._newer: set[str] = set()
        """Host names."""
        self._known: set[str] = set()
        self._newest_alone = newest_alone
        self.are_two = not newest_alone and self._random.random() < 0.5
        refuses = not self.are_two or self._random.random() < 0.5
        store.refuses_older = refuses or moves
        if newest_alone or moves:
            store.format_asked = store.format_written = (two_releases.NEWER, self.older)[moves].newest

    def of(self, name: str) -> StoredCodec:
        if self._newest_alone or (self._moves and not self.are_two):
            return two_releases.NEWER
        if self.are_two and name not in self._known and self._random.random() < 0.5:
            self._newer.add(name)
        self._known.add(name)
        return two_releases.NEWER if name in self._newer else self.older

    def able(self, cluster: Cluster, host: Host) -> set[str]:
        """In place of the plan's own: which hosts may own partitions, as this host sees it."""
        if not self._store.refuses_older and host.codec is self.older:
            return {row.host_id for row in cluster.hosts}
        return able(cluster)

    def ask_in(self, scheduler: Scheduler, microseconds: int) -> None:
        """Some time within, the newest format is asked for, where the namespace moves."""
        if self._moves:
            newest = two_releases.NEWER.newest
            at = self._random.randrange(microseconds)
            scheduler.after(at, lambda: self._store.ask_format(newest))

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
        if self._moves:
            store.ask_format(two_releases.NEWER.newest)
        if not self.are_two or (store.format_asked == 1 and self._random.random() < 0.5):
            return
        for host in hosts:
            if host.name not in self._newer:
                self._newer.add(host.name)
                host.scheduler.after(self._random.randrange(REPLACED_WITHIN), host.drain, host)
