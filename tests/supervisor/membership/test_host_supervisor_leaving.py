"""A host that leaves, or cannot serve a partition, hands over what it has."""

from __future__ import annotations

from dalsegno.actors.supervisor.membership.host_supervisor import (
    Hurry,
    Leave,
    Offered,
)
from dalsegno.persistence.port import Membership, Store
from tests.partition_ids import FIRST, nth, nths
from tests.supervisor.membership.seat import PARTITIONS, TTL, Host, live


def test_a_host_that_leaves_hands_everything_over_and_deletes_its_row(
    store: Store, host: Host, outside: Membership
) -> None:
    Host(store, "host-b").tick()
    host.desk.told.clear()

    host.tell(Leave())
    host.tell(Leave())
    assert host.desk.heard("wanted") == [("wanted", partition, "host-b") for partition in nths(PARTITIONS)]
    for partition in nths(PARTITIONS):
        assert host.desk.heard("left") == []
        host.release(partition)

    assert host.desk.heard("released") == [("released", p, "host-b") for p in nths(PARTITIONS)]
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
    for partition in nths(PARTITIONS - 1):  # so that the leaver still is a live host to the heir
        host.release(partition)
        heir.tell(Offered("host-a", (partition,)))

    heir.tick()

    assert sorted(heir.desk.leases) == [FIRST, nth(1), nth(2)]
    assert heir.desk.heard("wanted") == []


def test_a_host_that_leaves_alone_has_no_heir(host: Host) -> None:
    host.tell(Leave())

    assert host.desk.heard("wanted") == [("wanted", partition, None) for partition in nths(PARTITIONS)]


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
    assert host.desk.heard("wanted") == [("wanted", partition, None) for partition in nths(PARTITIONS)]

    for partition in nths(PARTITIONS):
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
    for partition in (nth(2), nth(3)):
        host.release(partition)
        other.tell(Offered("host-a", (partition,)))
    host.desk.told.clear()

    host.release(FIRST)

    assert host.desk.heard("released") == [("released", FIRST, "host-b")]
    other.tell(Offered("host-a", (FIRST,)))
    assert sorted(other.desk.leases) == [FIRST, nth(2), nth(3)]
    host.tick()
    other.tick()
    assert (host.desk.heard("gained"), other.desk.heard("wanted")) == ([], [])


def test_a_partition_given_up_unasked_by_a_host_alone_is_taken_again_after_one_lease(host: Host) -> None:
    host.release(FIRST)
    host.tick()
    assert host.desk.heard("released") == [("released", FIRST, None)]
    assert FIRST not in host.desk.leases

    for _ in range(4):
        host.clock.now += TTL / 4
        host.tick()

    assert sorted(host.desk.leases) == [FIRST, nth(1), nth(2), nth(3)]


def test_a_partition_given_up_for_good_is_never_taken_again_whoever_else_is_there(
    store: Store, host: Host
) -> None:
    host.release(FIRST, for_good=True)
    for _ in range(12):
        host.clock.now += TTL / 4
        host.tick()
    assert sorted(host.desk.leases) == [nth(1), nth(2), nth(3)]

    other = Host(store, "host-b")
    other.tick()
    host.tick()
    assert FIRST in other.desk.leases
    other.release(FIRST)
    host.tell(Offered("host-b", (FIRST,)))
    host.tick()

    assert FIRST not in host.desk.leases


def test_a_partition_that_is_being_handed_over_can_be_given_up_for_good(store: Store, host: Host) -> None:
    other = Host(store, "host-b")
    other.tick()
    host.tick()
    (wanted, *_) = [partition for _, partition, _ in host.desk.heard("wanted")]
    host.release(wanted, for_good=True)
    del other
    for _ in range(12):
        host.clock.now += TTL / 4
        host.tick()

    assert wanted not in host.desk.leases
