"""A host's seat among the others, against a real SQLite store; time and faults are the test's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, TypeVarTuple

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given, settings

from dalsegno.actors.supervisor.host_supervisor import (
    SEEN_RETENTION_SECONDS,
    TRIM_LIMIT,
    HostOptions,
    HostSupervisor,
    Hurry,
    Leave,
    Message,
    Offered,
    Released,
    Tick,
)
from dalsegno.actors.supervisor.validity import Validity
from dalsegno.errors import StoreUnavailableError
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Cluster, Fence, LeaseRow, Membership, Store
from tests.servers import wait_until

TTL = 10.0
PARTITIONS = 4


Ts = TypeVarTuple("Ts")


def at_once(callback: Callable[[*Ts], object], /, *args: *Ts) -> object:
    return callback(*args)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Faulty:
    """A membership whose methods can be made to fail, before or after they have worked, or to take long."""

    def __init__(self, inner: Membership) -> None:
        self.inner = inner
        self.unreachable = False
        self.answers_lost: set[str] = set()
        self.meanwhile: dict[str, Callable[[], None]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.results: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, kwargs))
            if self.unreachable:
                raise StoreUnavailableError("the test cut it off")
            answer = getattr(self.inner, name)(*args, **kwargs)
            self.meanwhile.get(name, lambda: None)()
            if name in self.answers_lost:
                self.answers_lost.remove(name)
                raise StoreUnavailableError("the test swallowed the answer")
            return self.results.get(name, answer)

        return call


class Desk:
    """A host's loop: it writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.leases: dict[int, int] = {}

    def leases_gained(self, leases: Sequence[LeaseRow]) -> None:
        self.told.append(("gained", tuple(lease.partition for lease in leases)))
        self.leases.update((lease.partition, lease.epoch) for lease in leases)

    def release_wanted(self, partition: int, heir: str | None) -> None:
        self.told.append(("wanted", partition, heir))

    def released(self, partition: int, heir: str | None) -> None:
        self.told.append(("released", partition, heir))

    def lost(self, reason: str) -> None:
        self.told.append(("lost", reason))
        self.leases.clear()

    def rejoined(self, host_id: str) -> None:
        self.told.append(("rejoined", host_id))

    def peers(self, hosts: tuple[str, ...]) -> None:
        self.told.append(("peers", hosts))

    def store_time(self, now: int) -> None:
        self.told.append(("time", now))

    def left(self) -> None:
        self.told.append(("left",))

    def orphaned(self) -> None:
        self.told.append(("orphaned",))

    def failed(self, error: BaseException) -> None:
        self.told.append(("failed", error))

    def heard(self, *kinds: str) -> list[tuple[Any, ...]]:
        """What was told of these kinds; it is forgotten."""
        found = [told for told in self.told if told[0] in kinds]
        self.told = [told for told in self.told if told[0] not in kinds]
        return found


class Host:
    """A HostSupervisor that is stepped by the test instead of its thread."""

    def __init__(self, store: Store, host_id: str, parent_pid: int | None = None) -> None:
        self.clock = Clock()
        self.validity = Validity(self.clock)
        self.membership = Faulty(store.membership())
        self.desk = Desk()
        self.id = host_id
        self.actor = HostSupervisor(
            HostOptions(
                membership=lambda: self.membership,
                host_id=host_id,
                version="1",
                listener=self.desk,
                deliver=at_once,
                validity=self.validity,
                lease_ttl_seconds=TTL,
                parent_pid=parent_pid,
                clock=self.clock,
            )
        )

    def tell(self, message: Message) -> None:
        self.actor.on_receive(message)

    def tick(self) -> None:
        self.tell(Tick())

    def release(self, partition: int) -> None:
        self.tell(Released(partition, self.desk.leases.pop(partition)))

    def rejoined_as(self) -> str:
        ((_, host_id),) = self.desk.heard("rejoined")
        assert host_id != self.id
        self.id = host_id
        return str(host_id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate(partitions=PARTITIONS)
    yield store
    store.close()


@pytest.fixture
def outside(store: Store) -> Membership:
    """The test's own look at the tables."""
    return store.membership()


@pytest.fixture
def host(store: Store) -> Host:
    host = Host(store, "host-a")
    host.tick()
    return host


def owners(outside: Membership) -> list[str | None]:
    return [lease.owner for lease in outside.cluster().leases]


def live(cluster: Cluster) -> list[str]:
    return [row.host_id for row in cluster.hosts]


def test_a_host_alone_joins_and_takes_everything(store: Store, outside: Membership) -> None:
    host = Host(store, "host-a")

    host.tick()

    assert owners(outside) == ["host-a"] * PARTITIONS
    assert host.desk.leases == {lease.partition: lease.epoch for lease in outside.cluster().leases}
    assert host.desk.heard("peers") == [("peers", ("host-a",))]
    assert host.desk.heard("time")
    assert host.desk.heard("rejoined", "lost") == []
    assert host.validity.holds("host-a")


def test_a_second_host_gets_its_share_by_a_hand_over(store: Store, host: Host, outside: Membership) -> None:
    newcomer = Host(store, "host-b")
    newcomer.tick()
    assert newcomer.desk.leases == {}

    host.tell(Hurry())
    assert host.desk.heard("wanted") == [("wanted", 2, "host-b"), ("wanted", 3, "host-b")]
    assert owners(outside) == ["host-a"] * PARTITIONS
    epoch = host.desk.leases[2]
    host.release(2)
    assert host.desk.heard("released") == [("released", 2, "host-b")]
    assert owners(outside) == ["host-a", "host-a", None, "host-a"]
    newcomer.tell(Offered("host-a", (2,)))

    assert newcomer.desk.leases == {2: epoch + 1}
    assert newcomer.desk.heard("peers") == [("peers", ("host-a", "host-b"))]
    host.tick()
    assert host.desk.heard("wanted", "lost") == []


def test_a_release_of_another_epoch_is_ignored(host: Host, outside: Membership) -> None:
    host.tell(Released(1, host.desk.leases[1] - 1))

    assert owners(outside) == ["host-a"] * PARTITIONS
    assert host.desk.heard("released") == []


def test_the_validity_counts_from_the_sending_of_the_renewal(host: Host) -> None:
    def three_seconds() -> None:
        host.clock.now += 3

    before = host.clock.now
    host.membership.meanwhile["renew"] = three_seconds
    host.tick()

    assert host.validity.remaining() == pytest.approx(before + TTL - 0.5 - host.clock.now)


def test_a_host_that_was_frozen_says_lost_before_it_touches_the_database(host: Host) -> None:
    host.membership.calls.clear()
    host.desk.told.clear()
    host.clock.now += TTL

    host.tell(Hurry())

    assert host.membership.calls == []
    assert [told[0] for told in host.desk.told] == ["lost"]
    assert not host.validity.holds("host-a")


def test_after_a_loss_the_host_joins_anew_and_nothing_of_before_counts(host: Host, outside: Membership) -> None:
    old = dict(host.desk.leases)
    host.clock.now += TTL
    host.tick()
    host.desk.heard("peers")

    host.tick()

    name = host.rejoined_as()
    assert live(outside.cluster()) == [name]
    assert owners(outside) == [name] * PARTITIONS
    assert host.desk.leases == {partition: epoch + 1 for partition, epoch in old.items()}
    assert host.desk.heard("peers") == [("peers", (name,))]
    assert (host.validity.holds(name), host.validity.holds("host-a")) == (True, False)
    host.tell(Released(0, old[0]))
    assert owners(outside) == [name] * PARTITIONS


def test_a_row_that_somebody_else_expired_means_that_all_is_lost(host: Host, outside: Membership) -> None:
    outside.expire("host-a")

    host.tick()

    assert len(host.desk.heard("lost")) == 1
    host.tick()
    assert owners(outside) == [host.rejoined_as()] * PARTITIONS


@pytest.mark.parametrize("step", ["join", "renew", "cluster", "take"])
def test_an_answer_that_comes_after_a_freeze_is_not_believed(store: Store, step: str) -> None:
    host = Host(store, "host-a")

    def freeze() -> None:
        host.clock.now += TTL

    host.membership.meanwhile[step] = freeze
    host.tick()
    if step == "renew":
        host.tick()

    assert host.desk.heard("gained") == []
    assert len(host.desk.heard("lost")) >= 1
    assert host.validity.remaining() <= 0


def test_one_lease_that_went_elsewhere_means_that_all_is_lost(
    store: Store, host: Host, outside: Membership
) -> None:
    other = store.membership()
    other.join("host-b", ttl=int(TTL * 1e6), version="1")
    (lease,) = [row for row in outside.cluster().leases if row.partition == 3]
    store.membership().release([Fence(lease.partition, lease.epoch)], "host-a")
    other.take([3], "host-b")

    host.tick()

    assert "partition 3" in host.desk.heard("lost")[0][1]


def test_while_the_store_is_unreachable_leases_last_as_long_as_their_validity(host: Host) -> None:
    host.membership.unreachable = True
    host.clock.now += 5
    host.tick()
    assert host.desk.heard("lost") == []
    assert host.validity.holds("host-a")

    host.clock.now += 4.5
    host.tick()

    assert len(host.desk.heard("lost")) == 1
    host.tick()
    assert host.desk.heard("lost", "rejoined") == []
    host.membership.unreachable = False
    host.tick()
    host.rejoined_as()
    assert len(host.desk.leases) == PARTITIONS


def test_a_host_that_cannot_reach_the_store_at_first_joins_when_it_can(store: Store) -> None:
    host = Host(store, "host-a")
    host.membership.unreachable = True
    host.tick()
    assert host.desk.told == []

    host.membership.unreachable = False
    host.tick()

    assert len(host.desk.leases) == PARTITIONS
    assert host.desk.heard("rejoined") == []


def test_a_join_whose_answer_was_lost_is_done_again(store: Store) -> None:
    host = Host(store, "host-a")
    host.membership.answers_lost = {"join"}
    host.tick()

    host.tick()

    assert len(host.desk.leases) == PARTITIONS


def test_a_take_whose_answer_was_lost_is_found_by_looking(store: Store, outside: Membership) -> None:
    host = Host(store, "host-a")
    host.membership.answers_lost = {"take"}
    host.tick()
    assert (owners(outside), host.desk.leases) == (["host-a"] * PARTITIONS, {})

    host.tick()

    assert host.desk.leases == {lease.partition: lease.epoch for lease in outside.cluster().leases}


@pytest.mark.parametrize("step", ["release", "cluster"])
def test_a_release_whose_answer_was_lost_is_told_once_and_to_the_heir(
    store: Store, host: Host, step: str
) -> None:
    Host(store, "host-b").tick()
    host.tick()
    host.membership.answers_lost = {step}
    host.release(3)
    assert host.desk.heard("released") == []

    host.tick()
    host.tick()

    assert host.desk.heard("released") == [("released", 3, "host-b")]
    assert host.desk.heard("lost", "gained") == [("gained", (0, 1, 2, 3))]


def test_a_host_that_leaves_hands_everything_over_and_deletes_its_row(
    store: Store, host: Host, outside: Membership
) -> None:
    Host(store, "host-b").tick()
    host.desk.told.clear()

    host.tell(Leave())
    host.tell(Leave())
    assert host.desk.heard("wanted") == [("wanted", partition, "host-b") for partition in range(PARTITIONS)]
    for partition in range(PARTITIONS):
        assert host.desk.heard("left") == []
        host.release(partition)

    assert host.desk.heard("released") == [("released", p, "host-b") for p in range(PARTITIONS)]
    assert host.desk.heard("left") == [("left",)]
    assert live(outside.cluster()) == ["host-b"]
    assert not host.validity.holds("host-a")
    host.desk.told.clear()
    host.tell(Hurry())
    assert host.desk.told == []


def test_what_a_leaving_host_offers_is_kept_by_its_heir(store: Store, host: Host) -> None:
    heir = Host(store, "host-b")
    heir.tick()
    host.tell(Leave())
    for partition in range(PARTITIONS - 1):  # so that the leaver still is a live host to the heir
        host.release(partition)
        heir.tell(Offered("host-a", (partition,)))

    heir.tick()

    assert sorted(heir.desk.leases) == [0, 1, 2]
    assert heir.desk.heard("wanted") == []


def test_a_host_that_leaves_alone_has_no_heir(host: Host) -> None:
    host.tell(Leave())

    assert host.desk.heard("wanted") == [("wanted", partition, None) for partition in range(PARTITIONS)]


def test_a_host_that_leaves_before_it_could_join_has_left(store: Store, outside: Membership) -> None:
    host = Host(store, "host-a")
    host.membership.unreachable = True
    host.tick()

    host.tell(Leave())

    assert host.desk.told == [("left",)]
    assert live(outside.cluster()) == []


def test_a_host_leaves_although_the_store_is_unreachable(host: Host) -> None:
    host.membership.unreachable = True
    host.tell(Leave())
    assert host.desk.heard("wanted") == [("wanted", partition, None) for partition in range(PARTITIONS)]

    for partition in range(PARTITIONS):
        host.release(partition)

    assert host.desk.heard("left") == [("left",)]


def test_a_host_that_loses_everything_while_it_leaves_does_not_join_anew(
    host: Host, outside: Membership
) -> None:
    host.tell(Leave())
    outside.expire("host-a")

    host.tick()

    assert [told[0] for told in host.desk.heard("lost", "left", "rejoined")] == ["lost", "left"]


def test_a_partition_given_up_unasked_goes_to_another_host(store: Store, host: Host) -> None:
    other = Host(store, "host-b")
    other.tick()
    host.tick()
    for partition in (2, 3):
        host.release(partition)
        other.tell(Offered("host-a", (partition,)))
    host.desk.told.clear()

    host.release(0)

    assert host.desk.heard("released") == [("released", 0, "host-b")]
    other.tell(Offered("host-a", (0,)))
    assert sorted(other.desk.leases) == [0, 2, 3]
    host.tick()
    other.tick()
    assert (host.desk.heard("gained"), other.desk.heard("wanted")) == ([], [])


def test_a_partition_given_up_unasked_by_a_host_alone_is_taken_again_after_one_lease(host: Host) -> None:
    host.release(0)
    host.tick()
    assert host.desk.heard("released") == [("released", 0, None)]
    assert 0 not in host.desk.leases

    for _ in range(4):
        host.clock.now += TTL / 4
        host.tick()

    assert sorted(host.desk.leases) == [0, 1, 2, 3]


def test_a_child_whose_parent_is_gone_says_so_once(store: Store) -> None:
    host = Host(store, "host-a", parent_pid=os.getpid())  # our parent is another
    host.tick()
    host.tick()

    assert host.desk.heard("orphaned") == [("orphaned",)]


def test_a_child_whose_parent_lives_says_nothing(store: Store) -> None:
    host = Host(store, "host-a", parent_pid=os.getppid())
    host.tick()

    assert host.desk.heard("orphaned") == []


def trims(host: Host) -> list[dict[str, Any]]:
    found = [kwargs for name, kwargs in host.membership.calls if name == "trim_seen"]
    host.membership.calls.clear()
    return found


def minutes_pass(*hosts: Host) -> None:
    for _ in range(24):
        for host in hosts:
            host.clock.now += TTL / 4
            host.tick()


def test_each_minute_one_of_the_hosts_trims_what_was_seen_a_day_ago(store: Store, host: Host) -> None:
    other = Host(store, "host-b")
    other.tick()
    assert trims(host) == []

    minutes_pass(host, other)

    (trim,) = trims(host)
    (*_, (_, now)) = host.desk.heard("time")
    assert trim == {"older_than": now - SEEN_RETENTION_SECONDS * 1_000_000, "limit": TRIM_LIMIT}
    assert trims(other) == []


def test_a_trim_that_left_something_goes_on_at_the_next_tick(host: Host) -> None:
    host.membership.results["trim_seen"] = TRIM_LIMIT
    minutes_pass(host)
    assert len(trims(host)) == 1

    host.membership.results["trim_seen"] = 3
    host.tick()
    host.tick()

    assert len(trims(host)) == 1


# --- with its own thread --------------------------------------------------------------------------------------


def start(membership: Callable[[], Membership], desk: Desk, validity: Validity, ttl: float) -> Any:
    return HostSupervisor.start(
        HostOptions(
            membership=membership,
            host_id="host-a",
            version="1",
            listener=desk,
            deliver=at_once,
            validity=validity,
            lease_ttl_seconds=ttl,
        )
    )


def test_the_lease_is_renewed_by_the_actors_own_thread(store: Store, outside: Membership) -> None:
    desk, validity = Desk(), Validity()
    actor = start(store.membership, desk, validity, ttl=2.0)
    try:
        wait_until(lambda: len(desk.heard("time")) > 0, 10, "joining")
        (first,) = outside.cluster().hosts
        wait_until(lambda: outside.cluster().hosts[0].expires_at > first.expires_at, 10, "a renewal")
        assert validity.holds("host-a")
        actor.tell(Leave())
        wait_until(lambda: len(desk.heard("wanted")) == PARTITIONS, 10, "the wish to drain")
        for partition, epoch in desk.leases.items():
            actor.tell(Released(partition, epoch))
        wait_until(lambda: not actor.is_alive(), 10, "the end of the actor")
    finally:
        if actor.is_alive():
            actor.stop()

    assert desk.heard("left") == [("left",)]
    assert outside.cluster().hosts == ()
    assert not validity.holds("host-a")


def test_while_the_store_is_unreachable_the_ticks_come_sooner(store: Store) -> None:
    membership = Faulty(store.membership())
    membership.unreachable = True
    desk = Desk()
    actor = start(lambda: membership, desk, Validity(), ttl=1000.0)
    try:
        wait_until(lambda: len(membership.calls) >= 3, 30, "the third try")
        membership.unreachable = False
        wait_until(lambda: len(desk.leases) == PARTITIONS, 30, "joining")
    finally:
        actor.stop()


def test_what_a_dead_host_owned_is_taken_when_its_row_runs_out_and_not_at_the_next_renewal(
    store: Store, outside: Membership
) -> None:
    outside.join("host-b", ttl=1_000_000, version="1")
    outside.take(range(PARTITIONS), "host-b")
    desk = Desk()
    actor = start(store.membership, desk, Validity(), ttl=1000.0)
    try:
        wait_until(lambda: len(desk.leases) == PARTITIONS, 30, "the take-over")
    finally:
        actor.stop()


def test_an_error_that_nobody_can_mend_ends_the_actor_and_the_validity(store: Store) -> None:
    membership = Faulty(store.membership())
    membership.results["cluster"] = "nonsense"
    desk, validity = Desk(), Validity()
    actor = start(lambda: membership, desk, validity, ttl=TTL)

    wait_until(lambda: not actor.is_alive(), 10, "the end of the actor")
    wait_until(lambda: bool(desk.heard("failed")), 10, "word of it")

    assert not validity.holds("host-a")


def test_when_the_loop_is_closed_the_actor_ends(store: Store) -> None:
    def closed(callback: Callable[[*Ts], object], /, *args: *Ts) -> object:
        raise RuntimeError("Event loop is closed")

    actor = HostSupervisor.start(
        HostOptions(
            membership=store.membership,
            host_id="host-a",
            version="1",
            listener=Desk(),
            deliver=closed,
            validity=Validity(),
        )
    )

    wait_until(lambda: not actor.is_alive(), 10, "the end of the actor")


# --- several hosts in any order, with faults -------------------------------------------------------------


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
