"""A host's seat among the others, against a real SQLite store; time and faults are the test's."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.membership.host_supervisor import (
    CutOff,
    Hurry,
    Leave,
    Offered,
    Released,
)
from dalsegno.errors import ConfigurationError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Fence, LeaseRow, Membership, Store
from tests.partition_ids import FIRST, GENERATION, nth, nths
from tests.supervisor.membership.seat import PARTITIONS, TTL, Host, live, owners


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
    assert host.desk.heard("wanted") == [("wanted", nth(2), "host-b"), ("wanted", nth(3), "host-b")]
    assert owners(outside) == ["host-a"] * PARTITIONS
    epoch = host.desk.leases[nth(2)]
    host.release(nth(2))
    assert host.desk.heard("released") == [("released", nth(2), "host-b")]
    assert owners(outside) == ["host-a", "host-a", None, "host-a"]
    newcomer.tell(Offered("host-a", (nth(2),)))

    assert newcomer.desk.leases == {nth(2): epoch + 1}
    assert newcomer.desk.heard("peers") == [("peers", ("host-a", "host-b"))]
    host.tick()
    assert host.desk.heard("wanted", "lost") == []


def test_a_release_of_another_epoch_is_ignored(host: Host, outside: Membership) -> None:
    host.tell(Released(nth(1), host.desk.leases[nth(1)] - 1))

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
    host.tell(Released(FIRST, old[FIRST]))
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
    (lease,) = [row for row in outside.cluster().leases if row.partition == nth(3)]
    store.membership().release([Fence(lease.partition, lease.epoch)], "host-a")
    other.take([nth(3)], "host-b")

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
    host.release(nth(3))
    assert host.desk.heard("released") == []

    host.tick()
    host.tick()

    assert host.desk.heard("released") == [("released", nth(3), "host-b")]
    assert host.desk.heard("lost", "gained") == [("gained", nths(4))]


def test_a_child_whose_parent_is_gone_says_so_once(store: Store) -> None:
    host = Host(store, "host-a", parent_pid=os.getpid())  # our parent is another
    host.tick()
    host.tick()

    assert host.desk.heard("orphaned") == [("orphaned",)]


def test_a_child_whose_parent_lives_says_nothing(store: Store) -> None:
    host = Host(store, "host-a", parent_pid=os.getppid())
    host.tick()

    assert host.desk.heard("orphaned") == []


def test_a_host_that_is_cut_off_from_the_broker_leaves_all_to_others_until_it_is_over(
    store: Store, host: Host, outside: Membership
) -> None:
    other = Host(store, "host-b")
    other.tick()

    host.tell(CutOff("The broker takes nothing."))

    assert len(host.desk.heard("lost")) == 1
    assert live(outside.cluster()) == ["host-b"]
    host.tick()
    other.tick()
    assert owners(outside) == ["host-b"] * PARTITIONS
    host.tell(CutOff(None))
    name = host.rejoined_as()
    assert live(outside.cluster()) == sorted(["host-b", name])


def test_a_host_that_is_cut_off_can_leave(host: Host, outside: Membership) -> None:
    host.tell(CutOff("The broker takes nothing."))
    host.tell(Leave())
    assert live(outside.cluster()) == []
    assert host.desk.heard("left")


def test_a_host_holds_and_takes_nothing_of_a_namespace_whose_slots_were_dealt_out_anew(
    host: Host, outside: Membership
) -> None:
    """It would look for workflows in slots that are another's now."""
    host.tick()
    assert host.desk.leases
    host.desk.told.clear()
    cluster = outside.cluster()
    leases = tuple(
        LeaseRow(PartitionID(GENERATION + 1, lease.partition.number), None, lease.epoch + 1)
        for lease in cluster.leases
    )
    host.membership.results["cluster"] = replace(cluster, leases=leases)
    with pytest.raises(ConfigurationError, match="dealt out anew: they are of generation 2"):
        host.tick()
    assert host.desk.heard("gained") == []
    host.actor.on_failure(ConfigurationError, ConfigurationError("as pykka does"), None)
    assert not host.validity.holds("host-a")
