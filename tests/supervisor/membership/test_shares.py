"""The plan of who owns what: fair, stable, and the same whatever the order in which hosts carry it out."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dalsegno.actors.supervisor.membership.shares import decide, heir_of, least_loaded
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Cluster, HostRow, LeaseRow
from tests.partition_ids import nths

P = nths(40)


def cluster_of(
    owners: Mapping[PartitionID, str | None], live: set[str], *, older: Set[str] = frozenset(), written: int = 1
) -> Cluster:
    """`older` hosts read the first stored format only, the others the second as well."""
    return Cluster(
        now=0,
        hosts=tuple(HostRow(host, 1, "", format_read=1 if host in older else 2) for host in sorted(live)),
        leases=tuple(LeaseRow(partition, owner, 1) for partition, owner in sorted(owners.items())),
        format_written=written,
    )


@dataclass
class Host:
    """What one host knows beside the rows."""

    draining: set[PartitionID] = field(default_factory=set)
    offered: set[PartitionID] = field(default_factory=set)
    givers: set[str] = field(default_factory=set)
    leaving: bool = False
    is_older: bool = False
    seen: Cluster | None = None


class Model:
    """The leases as the database keeps them, and hosts that carry out their shares."""

    def __init__(self, partitions: int) -> None:
        self.owners: dict[PartitionID, str | None] = dict.fromkeys(nths(partitions))
        self.hosts: dict[str, Host] = {}
        self.written = 1
        self.born = 0
        self.moves = 0

    def cluster(self) -> Cluster:
        older = {name for name, host in self.hosts.items() if host.is_older}
        return cluster_of(self.owners, set(self.hosts), older=older, written=self.written)

    def able(self) -> set[str]:
        return {name for name, host in self.hosts.items() if self.written == 1 or not host.is_older}

    def join(self, *, is_older: bool = False) -> str:
        """An older host that is refused is a newer one when it joins."""
        self.born += 1
        name = f"host-{(self.born * 7919) % 1000:03}"  # so that newer hosts don't always sort last
        self.hosts[name] = Host(is_older=is_older and self.written == 1)
        return name

    def look(self, name: str) -> None:
        self.hosts[name].seen = self.cluster()

    def act(self, name: str) -> bool:
        """Carry out the shares of what was seen (it may be old); False when there was nothing to do."""
        host = self.hosts[name]
        assert host.seen is not None
        shares = decide(
            host.seen,
            name,
            leaving=host.leaving,
            draining=host.draining,
            offered=host.offered,
            givers=host.givers,
        )
        seen_live = {row.host_id for row in host.seen.hosts}
        seen_owner = {row.partition: row.owner for row in host.seen.leases}
        assert all(seen_owner[partition] not in seen_live for partition in shares.take)
        assert not shares.give.keys() & host.draining
        for partition in shares.take:
            if self.owners[partition] not in self.hosts:
                self.owners[partition] = name
                self.moves += 1
        host.draining |= {p for p in shares.give if self.owners[p] == name}
        host.seen = None
        self.vanish_when_empty(name)
        return bool(shares.take or shares.give)

    def hand_over(self, name: str, partition: PartitionID, *, tell_heir: bool) -> None:
        """The loop has drained a partition: release it and tell the heir."""
        host = self.hosts[name]
        host.draining.discard(partition)
        assert self.owners[partition] == name
        self.owners[partition] = None
        heir = heir_of(self.cluster(), name, partition, leaving=host.leaving)
        if heir is not None and tell_heir:
            self.hosts[heir].offered = {partition}
            self.hosts[heir].givers.add(name)
            self.look(heir)
            self.act(heir)
            if heir in self.hosts:
                self.hosts[heir].offered = set()
        self.vanish_when_empty(name)

    def vanish_when_empty(self, name: str) -> None:
        if self.hosts[name].leaving and name not in self.owners.values():
            del self.hosts[name]

    def settle(self, random: Random) -> None:
        """All hosts act until nobody has anything to do, in any order. Givers have been forgotten."""
        for host in self.hosts.values():
            host.givers.clear()
        for _ in range(10 * (len(self.owners) + len(self.hosts)) + 10):
            busy = False
            for name in random.sample(sorted(self.hosts), len(self.hosts)):
                if name in self.hosts:
                    self.look(name)
                    busy |= self.act(name)
                for partition in sorted(self.hosts[name].draining) if name in self.hosts else ():
                    self.hand_over(name, partition, tell_heir=random.random() < 0.8)
                    busy = True
            if not busy and not any(host.leaving for host in self.hosts.values()):
                return
        raise AssertionError(f"the hosts never came to rest: {self.owners}")

    def loads(self) -> list[int]:
        return [list(self.owners.values()).count(name) for name in self.able()]


def assert_fair(model: Model) -> None:
    if model.able():
        assert set(model.owners.values()) <= model.able()
        assert max(model.loads()) - min(model.loads()) <= 1


class Hosts(RuleBasedStateMachine):
    """Hosts join, leave, crash, look and act (on what they saw earlier) in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(partitions=16)

    def pick(self, data: st.DataObject, among: list[str]) -> str:
        return data.draw(st.sampled_from(sorted(among)))

    @rule(is_older=st.booleans())
    def join(self, is_older: bool) -> None:
        self.model.join(is_older=is_older)

    @rule()
    def raise_the_format_over_their_heads(self) -> None:
        self.model.written = 2

    @precondition(lambda self: self.model.hosts)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        del self.model.hosts[self.pick(data, list(self.model.hosts))]

    @precondition(lambda self: self.model.hosts)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        name = self.pick(data, list(self.model.hosts))
        self.model.hosts[name].leaving = True
        self.model.look(name)
        self.model.act(name)

    @precondition(lambda self: self.model.hosts)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        self.model.look(self.pick(data, list(self.model.hosts)))

    @precondition(lambda self: any(host.seen for host in self.model.hosts.values()))
    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        self.model.act(self.pick(data, [name for name, host in self.model.hosts.items() if host.seen]))

    @precondition(lambda self: any(host.draining for host in self.model.hosts.values()))
    @rule(data=st.data(), tell_heir=st.booleans())
    def hand_over(self, data: st.DataObject, tell_heir: bool) -> None:
        name = self.pick(data, [name for name, host in self.model.hosts.items() if host.draining])
        partition = data.draw(st.sampled_from(sorted(self.model.hosts[name].draining)))
        self.model.hand_over(name, partition, tell_heir=tell_heir)

    @invariant()
    def a_host_drains_only_what_it_owns(self) -> None:
        for name, host in self.model.hosts.items():
            assert all(self.model.owners[partition] == name for partition in host.draining)

    def teardown(self) -> None:
        self.model.settle(Random(self.model.born))
        assert_fair(self.model)


TestHostsThatComeAndGoEndWithFairShares = Hosts.TestCase
TestHostsThatComeAndGoEndWithFairShares.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)


def fewest_moves(owners: Mapping[PartitionID, str | None], live: set[str]) -> int:
    """How many partitions must move at least: what nobody live owns, and what is beyond the best quotas."""
    loads = sorted((list(owners.values()).count(host) for host in live), reverse=True)
    floor, ceilings = divmod(len(owners), len(live))
    free = sum(1 for owner in owners.values() if owner not in live)
    return free + sum(max(0, load - floor - (n < ceilings)) for n, load in enumerate(loads))


@given(
    partitions=st.integers(1, 40),
    hosts=st.integers(1, 9),
    change=st.sampled_from(["join", "crash", "leave", "join two"]),
    random=st.randoms(use_true_random=False),
)
@settings(max_examples=200, deadline=None)
def test_a_change_of_hosts_moves_as_few_partitions_as_possible(
    partitions: int, hosts: int, change: str, random: Random
) -> None:
    model = Model(partitions)
    for _ in range(hosts):
        model.join()
    model.settle(random)
    somebody = random.choice(sorted(model.hosts))
    if change == "crash":
        del model.hosts[somebody]
    elif change == "leave":
        model.hosts[somebody].leaving = True
    else:
        for _ in change.split():
            model.join()
    staying = {name for name, host in model.hosts.items() if not host.leaving}
    before, model.moves = dict(model.owners), 0

    model.settle(random)

    if staying:
        assert_fair(model)
        assert model.moves == fewest_moves(before, staying)
    else:
        assert not model.hosts


@given(
    owners=st.lists(st.sampled_from([None, "a", "b", "c", "d", "gone"]), min_size=1, max_size=32),
    random=st.randoms(use_true_random=False),
)
def test_carrying_out_a_part_of_the_plan_leaves_the_rest_as_it_was(
    owners: list[str | None], random: Random
) -> None:
    live = {"a", "b", "c", "d"}
    rows = dict(zip(P, owners, strict=False))
    heirs = planned(rows, live)
    for partition in random.sample(sorted(heirs), random.randint(0, len(heirs))):
        rows[partition] = heirs[partition]

        assert planned(rows, live) == {p: h for p, h in heirs.items() if rows[p] != h}


def planned(rows: Mapping[PartitionID, str | None], live: set[str]) -> dict[PartitionID, str | None]:
    """The parts of all hosts together."""
    cluster = cluster_of(rows, live)
    heirs: dict[PartitionID, str | None] = {}
    for host in live:
        shares = decide(cluster, host)
        heirs |= {**dict.fromkeys(shares.take, host), **shares.give}
    return heirs


def test_a_host_alone_takes_everything_and_keeps_it() -> None:
    assert decide(cluster_of(dict.fromkeys(nths(16)), {"a"}), "a").take == nths(16)
    settled = decide(cluster_of(dict.fromkeys(nths(16), "a"), {"a"}), "a")
    assert (settled.take, settled.give) == ((), {})


def test_a_host_that_is_not_live_does_nothing() -> None:
    shares = decide(cluster_of(dict.fromkeys(nths(4), "a"), {"b"}), "a")

    assert (shares.take, shares.give) == ((), {})


def test_a_host_that_leaves_spreads_all_it_has_over_the_others() -> None:
    owners = {partition: "abc"[partition.number % 3] for partition in nths(12)}
    cluster = cluster_of(owners, {"a", "b", "c"})

    shares = decide(cluster, "a", leaving=True, draining={P[0]})

    assert shares.take == ()
    assert shares.give == {P[3]: "b", P[6]: "c", P[9]: "c"}


def test_a_host_that_leaves_alone_has_no_heir() -> None:
    cluster = cluster_of({P[0]: "a", P[1]: "a", P[2]: None}, {"a"})

    shares = decide(cluster, "a", leaving=True)

    assert (shares.take, shares.give) == ((), {P[0]: None, P[1]: None})
    assert heir_of(cluster, "a", P[2], leaving=True) is None


def test_what_is_offered_is_taken_and_not_handed_back_to_a_host_that_leaves() -> None:
    owners: dict[PartitionID, str | None] = {
        P[0]: "a",
        P[1]: None,
        P[2]: "b",
        P[3]: "b",
    }  # a leaves, which b cannot see
    cluster = cluster_of(owners, {"a", "b"})
    assert decide(cluster, "b").take == ()
    assert decide(cluster, "b", offered={P[1]}, givers={"a"}).take == (P[1],)

    after = cluster_of({**owners, P[1]: "b"}, {"a", "b"})

    assert decide(after, "b").give == {P[3]: "a"}
    assert decide(after, "b", givers={"a"}).give == {}


def test_an_offer_of_what_a_live_host_owns_is_not_taken() -> None:
    cluster = cluster_of({P[0]: "a", P[1]: "c"}, {"a", "b", "c"})

    assert decide(cluster, "b", offered={P[0], P[1]}).take == ()


def test_what_a_host_cannot_serve_is_not_taken_and_goes_to_the_least_loaded() -> None:
    owners: dict[PartitionID, str | None] = {P[0]: None, P[1]: None, P[2]: "b", P[3]: "c", P[4]: "c"}
    cluster = cluster_of(owners, {"a", "b", "c"})

    assert decide(cluster, "a").take == (P[0], P[1])
    assert decide(cluster, "a", refused={P[1]}).take == (P[0],)
    assert least_loaded(cluster, "a") == "b"
    assert least_loaded(cluster_of(owners, {"a"}), "a") is None


def test_the_heir_that_is_told_finds_the_partition_in_its_own_plan() -> None:
    owners: dict[PartitionID, str | None] = dict.fromkeys(nths(16), "a")
    live = {"a", "b", "c"}
    wanted = decide(cluster_of(owners, live), "a").give
    for partition, heir in wanted.items():
        released = cluster_of({**owners, partition: None}, live)

        assert heir is not None
        assert heir_of(released, "a", partition) == heir
        assert decide(released, heir).take == (partition,)


def test_hosts_that_do_not_read_all_that_may_be_written_give_all_they_have_to_those_that_do() -> None:
    owners: dict[PartitionID, str | None] = {P[0]: "old", P[1]: "new", P[2]: "old", P[3]: None}
    cluster = cluster_of(owners, {"old", "new"}, older={"old"}, written=2)

    assert decide(cluster, "old", offered={P[3]}).give == {P[0]: "new", P[2]: "new"}
    assert decide(cluster, "old", offered={P[3]}).take == ()
    assert (decide(cluster, "new").take, decide(cluster, "new").give) == ((P[3],), {})
    assert least_loaded(cluster, "new") is None
    assert heir_of(cluster, "old", P[3]) == "new"


def test_an_older_host_has_its_share_as_long_as_it_reads_all_that_may_be_written() -> None:
    cluster = cluster_of(dict.fromkeys(nths(4)), {"old", "new"}, older={"old"})

    assert len(decide(cluster, "old").take) == len(decide(cluster, "new").take) == 2


def test_where_no_host_reads_all_that_may_be_written_nothing_moves() -> None:
    """What they have is of a format that they read, but for what they meet; and that they give up."""
    cluster = cluster_of({P[0]: "a", P[1]: "a", P[2]: None}, {"a", "b"}, older={"a", "b"}, written=2)

    for host in ("a", "b"):
        assert (decide(cluster, host, offered={P[2]}).take, decide(cluster, host).give) == ((), {})
    assert least_loaded(cluster, "a") is None
