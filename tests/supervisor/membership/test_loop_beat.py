"""A lease vouches for the loop, and not only for the thread that renews it."""

from __future__ import annotations

from dalsegno.actors.supervisor.membership.host_supervisor import Leave
from dalsegno.actors.supervisor.membership.loop_beat import SILENT_SHARE, LoopBeat
from dalsegno.persistence.port import Membership, Store
from tests.supervisor.membership.seat import PARTITIONS, TTL, Clock, Host, live, owners


def renewals(host: Host) -> int:
    return [name for name, _ in host.membership.calls].count("renew")


def standing_still(store: Store) -> Host:
    """A host that owns all partitions, and whose loop has stood still for too long."""
    host = Host(store, "host-a")
    host.tick()
    assert len(host.desk.leases) == PARTITIONS
    host.desk.heard("gained", "time", "peers")
    host.membership.calls.clear()
    host.loop_stands_still = True
    host.clock.now += TTL * SILENT_SHARE
    return host


def test_a_loop_is_silent_when_it_has_not_beaten_for_half_the_leases_time() -> None:
    clock = Clock()
    beat = LoopBeat(10.0, clock)
    clock.now += 4.9
    seen = [beat.is_silent]
    clock.now += 0.2
    seen.append(beat.is_silent)
    beat.beat()
    seen.append(beat.is_silent)
    assert seen == [False, True, False]


def test_the_lease_of_a_host_whose_loop_stands_still_is_not_renewed(store: Store) -> None:
    host = standing_still(store)
    host.tick()
    assert host.membership.calls == []
    assert host.desk.heard("lost") == []
    assert host.validity.holds("host-a")


def test_a_loop_that_goes_on_in_time_keeps_its_leases(store: Store) -> None:
    host = standing_still(store)
    host.tick()
    host.loop_stands_still = False
    host.tick()
    assert renewals(host) == 1
    assert host.desk.heard("lost", "rejoined") == []
    assert host.validity.holds("host-a")


def test_when_the_loop_stands_still_for_the_leases_time_they_are_lost_and_nothing_is_joined_for_it(
    store: Store, outside: Membership
) -> None:
    host = standing_still(store)
    host.clock.now += TTL
    host.tick()
    host.tick()
    assert [kind for kind, *_ in host.desk.heard("lost", "rejoined")] == ["lost"]
    assert not host.validity.holds("host-a")
    assert host.membership.calls == []
    host.loop_stands_still = False
    host.tick()
    assert host.rejoined_as() in live(outside.cluster())
    assert "host-a" not in owners(outside)


def test_a_host_that_is_to_leave_ends_though_its_loop_stands_still(store: Store) -> None:
    host = standing_still(store)
    host.clock.now += TTL
    host.tell(Leave())
    assert host.desk.heard("left") == [("left",)]
