"""A host that is not renewed while others watch is dead, whatever its row claims by the database's clock."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.membership.vigil import Vigil
from dalsegno.persistence.port import HostRow, Membership, Store
from tests.partition_ids import nth
from tests.supervisor.membership.seat import PARTITIONS, TTL, Host, live, owners

SECOND = 1_000_000
TWO_MINUTES = 120 * SECOND


class WallClock:
    """The database's, which somebody may put back."""

    def __init__(self) -> None:
        self.now = 1_800_000_000 * SECOND


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr("dalsegno.persistence.sqlite.time.time_ns", lambda: clock.now * 1000)
    return clock


def pass_time(wall_clock: WallClock, seconds: float, *hosts: Host) -> None:
    wall_clock.now += int(seconds * SECOND)
    for host in hosts:
        host.clock.now += seconds
        host.tick()


@pytest.fixture
def pair(wall_clock: WallClock, store: Store) -> tuple[Host, Host]:
    """Two hosts with two partitions each."""
    first, second = Host(store, "host-a"), Host(store, "host-b")
    first.tick()
    second.tick()
    first.tick()
    for partition in (nth(2), nth(3)):
        first.release(partition)
    second.tick()
    assert len(second.desk.leases) == 2
    return first, second


def test_when_the_clock_goes_back_as_a_host_dies_its_partitions_stand_still_for_one_lease(
    pair: tuple[Host, Host], wall_clock: WallClock, outside: Membership
) -> None:
    survivor, dead = pair
    epochs = dict(dead.desk.leases)
    wall_clock.now -= TWO_MINUTES

    for _ in range(3):
        pass_time(wall_clock, TTL / 4, survivor)
        assert "host-b" in live(outside.cluster())
    pass_time(wall_clock, TTL / 4, survivor)

    assert live(outside.cluster()) == ["host-a"]
    assert owners(outside) == ["host-a"] * PARTITIONS
    assert all(survivor.desk.leases[partition] == epoch + 1 for partition, epoch in epochs.items())


def test_hosts_that_live_through_a_clock_that_goes_back_and_forth_keep_what_they_have(
    pair: tuple[Host, Host], wall_clock: WallClock, outside: Membership
) -> None:
    before = outside.cluster().leases
    for step in (-TWO_MINUTES, 0, -SECOND, SECOND, 0):
        wall_clock.now += step
        for _ in range(12):
            pass_time(wall_clock, TTL / 4, *pair)
    assert outside.cluster().leases == before
    assert not any(host.desk.heard("lost") for host in pair)


def test_a_watcher_that_was_frozen_does_not_take_a_host_for_dead_that_renews(
    pair: tuple[Host, Host], wall_clock: WallClock, outside: Membership
) -> None:
    """It wakes up in the middle of its look: it has the old row, and its clock says that an hour has passed."""
    watcher, alive = pair
    pass_time(wall_clock, 1.0, watcher)

    def freeze() -> None:
        watcher.membership.meanwhile.clear()
        pass_time(wall_clock, TTL / 4, alive)
        watcher.clock.now += 3600

    watcher.membership.meanwhile["cluster"] = freeze
    watcher.tick()

    assert "host-b" in live(outside.cluster())
    assert alive.validity.holds("host-b")
    assert not alive.desk.heard("lost")


def test_of_two_that_watch_one_deletes_and_both_share_what_was_left(
    pair: tuple[Host, Host], wall_clock: WallClock, store: Store, outside: Membership
) -> None:
    third = Host(store, "host-c")
    third.tick()
    *watchers, dead = (*pair, third)
    wall_clock.now -= TWO_MINUTES
    for _ in range(8):
        pass_time(wall_clock, TTL / 4, *watchers)
    assert live(outside.cluster()) == ["host-a", "host-b"]
    assert dead.id not in owners(outside)
    assert not any(host.desk.heard("lost") for host in watchers)


def test_a_host_that_was_taken_for_dead_drops_everything_and_joins_anew(
    pair: tuple[Host, Host], wall_clock: WallClock
) -> None:
    watcher, cut_off = pair
    wall_clock.now -= TWO_MINUTES
    for _ in range(5):
        pass_time(wall_clock, TTL / 4, watcher)
    pass_time(wall_clock, 0, cut_off)
    assert len(cut_off.desk.heard("lost")) == 1
    cut_off.tick()
    cut_off.rejoined_as()


def test_a_host_is_watched_for_the_time_of_its_own_lease() -> None:
    vigil = Vigil()
    rows = [
        HostRow("swift", 1, "1", 4 * SECOND),
        HostRow("slow", 1, "1", 60 * SECOND),
        HostRow("old", 1, "0.1"),
    ]
    assert vigil.look(rows, asked_at=0.0, answered_at=1.0) == []
    assert vigil.next_end() == 5.0
    assert vigil.look(rows, asked_at=4.9, answered_at=5.2) == []
    assert vigil.look(rows, asked_at=5.0, answered_at=5.2) == [rows[0]]
    assert vigil.look(rows[1:], asked_at=61.0, answered_at=61.0) == [rows[1]]
    renewed = [HostRow("slow", 2, "1", 60 * SECOND), rows[2]]
    assert vigil.look(renewed, asked_at=70.0, answered_at=70.0) == []
    assert vigil.next_end() == 130.0
    assert vigil.look([], asked_at=1e9, answered_at=1e9) == []
