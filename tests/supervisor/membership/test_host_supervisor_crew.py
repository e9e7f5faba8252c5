"""Several hosts on one store, in any order, with faults."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from random import Random
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
from hypothesis import Phase, given, settings

from dalsegno.actors.supervisor.membership.host_supervisor import (
    Hurry,
    Leave,
    Offered,
    Released,
)
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Store
from tests.supervisor.membership.seat import TTL, Host, live


class Crew:
    """Hosts on one store. Their loops drain when they are asked to, and tell heirs, sooner or later."""

    def __init__(self, store: Store, size: int, random: Random) -> None:
        self.random = random
        self.outside = store.membership()
        self.hosts = [Host(store, f"host-{number}") for number in range(size)]
        self.asked: list[tuple[Host, int, int]] = []
        self.offers: list[tuple[str, Offered]] = []
        self.gone: list[Host] = []

    def hear(self) -> None:
        """The loops take notice of what they were told."""
        for host in self.hosts:
            for told in host.desk.heard("wanted", "released", "lost", "rejoined", "left"):
                match told:
                    case ("wanted", partition, _):
                        self.asked.append((host, partition, host.desk.leases[partition]))
                    case ("released", partition, str(heir)):
                        self.offers.append((heir, Offered(host.id, (partition,))))
                    case ("rejoined", host_id):
                        host.id = host_id
                    case ("left",):
                        self.gone.append(host)
                        self.outside.expire(host.id)  # as its parent does, if it could not do it itself

    def drain_one(self) -> None:
        host, partition, epoch = self.asked.pop(self.random.randrange(len(self.asked)))
        if host.desk.leases.get(partition) == epoch:
            del host.desk.leases[partition]
        host.tell(Released(partition, epoch))

    def deliver_one(self) -> None:
        heir, offer = self.offers.pop(self.random.randrange(len(self.offers)))
        for host in self.hosts:
            if host.id == heir:
                host.tell(offer)

    def step(self) -> None:
        host = self.random.choice(self.hosts)
        steps: list[Callable[[], None]] = [host.tick, host.tick, lambda: host.tell(Hurry())]
        steps += [self.drain_one] * 3 * bool(self.asked) + [self.deliver_one] * 3 * bool(self.offers)
        self.random.choice(steps)()

    def harm(self) -> None:
        """Something goes wrong with one host."""
        host = self.random.choice(self.hosts)
        match self.random.choice(["cut off", "mend", "answer lost", "frozen", "row gone", "leave"]):
            case "cut off":
                host.membership.unreachable = True
            case "mend":
                host.membership.unreachable = False
            case "answer lost":
                host.membership.answers_lost = {self.random.choice(["join", "renew", "release", "take"])}
            case "frozen":
                host.clock.now += TTL
            case "row gone":
                self.outside.expire(host.id)
            case "leave" if host is not self.hosts[0]:  # somebody has to stay
                host.tell(Leave())

    def settle(self) -> None:
        for host in self.hosts:
            host.membership.unreachable, host.membership.answers_lost = False, set()
            host.clock.now += TTL / 4
            host.tick()
        self.hear()
        while self.asked or self.offers:
            (self.drain_one if self.asked else self.deliver_one)()
            self.hear()

    def no_two_hold_the_same_epoch(self) -> bool:
        held = [lease for host in self.hosts for lease in host.desk.leases.items()]
        return len(held) == len(set(held))


@given(size=st.integers(1, 4), random=st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None, phases=[Phase.reuse, Phase.generate])  # shrinking takes minutes
def test_hosts_share_the_partitions_whatever_goes_wrong_in_between(size: int, random: Random) -> None:
    with TemporaryDirectory() as folder, closing(open_store(f"sqlite:///{folder}/store.db")) as store:
        store.migrate(partitions=8)
        crew = Crew(store, size, random)
        for _ in range(60):
            if random.random() < 0.2:
                crew.harm()
            crew.step()
            crew.hear()
            assert crew.no_two_hold_the_same_epoch()

        for _ in range(12):
            crew.settle()

        staying = [host for host in crew.hosts if host not in crew.gone]
        rows = crew.outside.cluster().leases
        assert sorted(live(crew.outside.cluster())) == sorted(host.id for host in staying)
        for host in staying:
            assert host.desk.leases == {row.partition: row.epoch for row in rows if row.owner == host.id}
        loads = [len(host.desk.leases) for host in staying]
        assert sum(loads) == 8
        assert max(loads) - min(loads) <= 1
