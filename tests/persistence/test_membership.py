"""Hosts, leases, strikes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa

from dalsegno.errors import FencedError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Fence, HostRow, LeaseRow, Membership, Store, Writer
from dalsegno.persistence.reader_port import Reader
from dalsegno.persistence.tables import HEAD
from tests.partition_ids import FIRST, nth, nths
from tests.persistence.bare import bare_connection
from tests.persistence.conftest import PARTITIONS
from tests.persistence.rounds import HOUR, creation, journal_row, round_of, run_of, seen, signals


def owners(membership: Membership) -> list[str | None]:
    return [lease.owner for lease in membership.cluster().leases]


def test_a_fresh_namespace_has_all_its_leases_free_at_epoch_0(membership: Membership) -> None:
    cluster = membership.cluster()
    assert cluster.hosts == ()
    assert cluster.leases == tuple(LeaseRow(partition, None, 0) for partition in nths(PARTITIONS))


def test_a_host_joins_for_a_time_by_the_database_clock_and_renews_it(membership: Membership) -> None:
    joined = membership.join("host-a", ttl=HOUR, version="1.2")
    assert membership.cluster().hosts == (HostRow("host-a", joined + HOUR, "1.2", HOUR, 1, HEAD),)

    renewed = membership.renew("host-a", ttl=2 * HOUR)

    cluster = membership.cluster()
    assert joined <= renewed <= cluster.now
    assert cluster.hosts == (HostRow("host-a", renewed + 2 * HOUR, "1.2", 2 * HOUR, 1, HEAD),)


def test_a_host_that_is_unknown_or_expired_cannot_renew(membership: Membership) -> None:
    with pytest.raises(FencedError):
        membership.renew("host-a", ttl=HOUR)
    membership.join("host-a", ttl=-1, version="1")
    with pytest.raises(FencedError):
        membership.renew("host-a", ttl=HOUR)
    membership.join("host-a", ttl=HOUR, version="1")
    membership.expire("host-a")
    with pytest.raises(FencedError):
        membership.renew("host-a", ttl=HOUR)


def test_an_expired_host_is_no_member_and_its_row_goes_when_another_joins(membership: Membership) -> None:
    membership.join("host-a", ttl=-1, version="1")
    assert membership.cluster().hosts == ()
    membership.join("host-b", ttl=HOUR, version="1")
    assert [host.host_id for host in membership.cluster().hosts] == ["host-b"]


def test_free_leases_are_taken_with_a_new_epoch_and_those_of_a_live_host_are_not(
    membership: Membership,
) -> None:
    membership.join("host-a", ttl=HOUR, version="1")
    membership.join("host-b", ttl=HOUR, version="1")

    assert membership.take([nth(2), FIRST], "host-a") == [
        LeaseRow(FIRST, "host-a", 1),
        LeaseRow(nth(2), "host-a", 1),
    ]
    assert membership.take([FIRST, nth(1), nth(2)], "host-b") == [LeaseRow(nth(1), "host-b", 1)]
    assert membership.take([FIRST, nth(99)], "host-a") == []
    assert owners(membership) == ["host-a", "host-b", "host-a", None]


@pytest.mark.parametrize("end", ["expires", "is expired by its parent"])
def test_the_leases_of_a_dead_host_can_be_taken_at_once(membership: Membership, end: str) -> None:
    membership.join("host-b", ttl=HOUR, version="1")
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take([FIRST], "host-a")
    if end == "expires":
        membership.renew("host-a", ttl=-1)
    else:
        membership.expire("host-a")
    assert membership.take([FIRST], "host-b") == [LeaseRow(FIRST, "host-b", 2)]


def test_a_lease_expires_by_itself(membership: Membership) -> None:
    membership.join("host-b", ttl=HOUR, version="1")
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take([FIRST], "host-a")
    membership.renew("host-a", ttl=200_000)
    deadline = time.monotonic() + 20
    while not (taken := membership.take([FIRST], "host-b")):
        assert time.monotonic() < deadline
    assert taken == [LeaseRow(FIRST, "host-b", 2)]


def test_who_is_not_live_itself_takes_nothing(membership: Membership) -> None:
    with pytest.raises(FencedError):
        membership.take([FIRST], "host-a")
    membership.join("host-a", ttl=-1, version="1")
    with pytest.raises(FencedError):
        membership.take([FIRST], "host-a")
    assert owners(membership) == [None] * PARTITIONS
    with pytest.raises(FencedError):
        membership.take([], "nobody")


def test_only_leases_that_are_still_ours_are_released(membership: Membership) -> None:
    for host in ("host-a", "host-b"):
        membership.join(host, ttl=HOUR, version="1")
    membership.take([FIRST, nth(1)], "host-a")
    membership.take([nth(2)], "host-b")

    membership.release([Fence(nth(2), 1), Fence(nth(1), 9), Fence(FIRST, 1)], "host-a")
    membership.release([], "host-a")

    leases = membership.cluster().leases
    assert [lease.owner for lease in leases] == [None, "host-a", "host-b", None]
    assert [lease.epoch for lease in leases] == [1, 1, 1, 0]
    assert membership.take([FIRST], "host-a") == [LeaseRow(FIRST, "host-a", 2)]


def test_a_host_that_joins_anew_owns_nothing_of_what_it_had(membership: Membership) -> None:
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take([FIRST], "host-a")
    membership.join("host-a", ttl=HOUR, version="2")
    assert owners(membership) == [None] * PARTITIONS
    assert [host.version for host in membership.cluster().hosts] == ["2"]


def test_of_many_that_take_at_once_each_lease_goes_to_one(store: Store) -> None:
    names = [f"host-{number}" for number in range(4)]
    memberships = {name: store.membership() for name in names}
    for name, membership in memberships.items():
        membership.join(name, ttl=HOUR, version="1")

    def take(name: str) -> list[LeaseRow]:
        return memberships[name].take(nths(PARTITIONS), name)

    with ThreadPoolExecutor(len(names)) as pool:
        taken = [lease for leases in pool.map(take, names) for lease in leases]

    assert sorted(lease.partition for lease in taken) == list(nths(PARTITIONS))
    assert {lease.epoch for lease in taken} == {1}
    assert sorted(taken, key=lambda lease: lease.partition) == list(memberships[names[0]].cluster().leases)


def test_strikes_are_counted_by_run_and_cause_until_cleared(membership: Membership, reader: Reader) -> None:
    assert [membership.strike("run-1", "signal a") for _ in range(3)] == [1, 2, 3]
    assert membership.strike("run-1", "signal b") == 1
    assert membership.strike("run-2", "signal a") == 1
    assert reader.strikes(["run-1", "run-3"]) == {("run-1", "signal a"): 3, ("run-1", "signal b"): 1}

    membership.clear_strikes("run-1")

    assert reader.strikes(["run-1", "run-2"]) == {("run-2", "signal a"): 1}
    assert membership.strike("run-1", "signal a") == 1


def test_old_answers_are_trimmed_oldest_first_up_to_a_limit(
    host: str, writer: Writer, reader: Reader, membership: Membership
) -> None:
    answers = tuple(seen("order-1", f"m{number}", time=number) for number in range(6))
    writer.commit(round_of(creation("order-1", seen=answers)))

    assert membership.trim_seen(older_than=4, limit=3) == 3
    assert list(reader.load(["order-1"])[0].seen) == list(signals(m3="", m4="", m5=""))
    assert membership.trim_seen(older_than=4) == 1
    assert membership.trim_seen(older_than=4) == 0
    assert list(reader.load(["order-1"])[0].seen) == list(signals(m4="", m5=""))


def test_a_row_is_deleted_only_as_it_was_seen(membership: Membership) -> None:
    membership.join("host-a", ttl=HOUR, version="1")
    (seen,) = membership.cluster().hosts
    membership.renew("host-a", ttl=2 * HOUR)
    membership.expire("host-a", at=seen.expires_at)
    (renewed,) = membership.cluster().hosts
    assert renewed.ttl == 2 * HOUR
    membership.expire("host-a", at=renewed.expires_at)
    assert membership.cluster().hosts == ()


def test_leases_and_journal_are_of_the_generation_that_the_namespace_is_of(store_url: str) -> None:
    """The tables have the number alone; what is read from them is a partition of this generation, not the one
    that had this number in the generation before."""
    with closing(open_store(store_url)) as store:
        store.migrate(partitions=2)
        with bare_connection(store_url) as connection:
            connection.execute(sa.text("UPDATE meta SET generation = 2"))
        membership, reader, run_id = store.membership(), store.reader(), run_of("order-1")
        first, second = later = (PartitionID(2, 0), PartitionID(2, 1))
        assert store.namespace().partition_ids == later
        assert [store.namespace().partition_of(slot) for slot in (0, 1, 2)] == [first, second, first]

        membership.join("host-a", ttl=HOUR, version="1")
        taken = membership.take([second], "host-a")
        row = journal_row(run_id, 1, partition=second)
        outcome = store.writer().commit(round_of(creation("order-1", partition=second, journal=(row,))))

        assert taken == [LeaseRow(second, "host-a", 1)]
        assert membership.cluster().leases == (LeaseRow(first, None, 0), *taken)
        assert (outcome.lost, outcome.missed) == (set(), set())
        assert [loaded.instance and loaded.instance.journal for loaded in reader.load(["order-1"])] == [(row,)]
        assert store.people_reader().history(run_id)[0] == [row]
