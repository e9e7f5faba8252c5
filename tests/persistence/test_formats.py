"""Which stored format may be written: as new as every live host reads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from dalsegno.errors import FencedError, NewerFormatError
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Membership, Store
from dalsegno.persistence.tables import HEAD
from tests.partition_ids import FIRST, nth, nths
from tests.persistence.bare import old_host, tables_of
from tests.persistence.rounds import HOUR
from tests.servers import wait_until


@pytest.fixture
def tables() -> str:
    """Older ones know of no formats."""
    return HEAD


def formats(membership: Membership) -> tuple[int, int]:
    cluster = membership.cluster()
    return cluster.format_written, cluster.format_asked


def reads(membership: Membership) -> dict[str, int]:
    return {host.host_id: host.format_read for host in membership.cluster().hosts}


def test_a_new_namespace_writes_the_first_format_and_nothing_else_is_asked_for(store: Store) -> None:
    namespace = store.namespace()
    assert (namespace.revision, namespace.format_written, namespace.format_asked) == (HEAD, 1, 1)
    assert formats(store.membership()) == (1, 1)
    assert store.membership().raise_format() == 1


def test_a_host_says_what_it_reads_and_knows_and_is_taken_for_an_old_one_if_it_does_not(
    store: Store,
) -> None:
    membership = store.membership()
    membership.join("new", ttl=HOUR, version="1", format_read=2)
    membership.join("other", ttl=HOUR, version="1")
    assert reads(membership) == {"new": 2, "other": 1}
    assert {host.head for host in membership.cluster().hosts} == {HEAD}


def test_what_is_asked_for_is_written_at_once_where_all_live_hosts_read_it(store: Store) -> None:
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1", format_read=2)
    membership.join("host-b", ttl=HOUR, version="1", format_read=3)

    assert membership.ask_format(2).format_written == 2

    assert formats(membership) == (2, 2)
    assert (store.namespace().format_written, store.namespace().format_asked) == (2, 2)
    assert store.reader().cluster().format_written == store.reader().format_written() == 2
    membership.expire("host-a")
    membership.expire("host-b")
    assert membership.ask_format(3).format_written == 3, "nobody is there who could not read it"


def test_the_raise_waits_for_the_last_host_that_does_not_read_it(store: Store) -> None:
    membership = store.membership()
    for host, format_read in (("new", 2), ("old-a", 1), ("old-b", 1)):
        membership.join(host, ttl=HOUR, version="1", format_read=format_read)

    assert membership.ask_format(2).format_written == 1

    assert membership.raise_format() == 1
    membership.expire("old-a")
    assert membership.raise_format() == 1
    assert formats(membership) == (1, 2)
    membership.expire("old-b")
    assert membership.raise_format() == 2
    assert formats(membership) == (2, 2)


def test_a_host_whose_time_is_over_is_not_waited_for_and_must_join_anew(store: Store) -> None:
    membership = store.membership()
    membership.join("frozen", ttl=-1, version="1", format_read=1)

    assert membership.ask_format(2).format_written == 2

    with pytest.raises(FencedError):
        membership.renew("frozen", ttl=HOUR)
    with pytest.raises(NewerFormatError):
        membership.join("awake", ttl=HOUR, version="1", format_read=1)
    assert membership.cluster().hosts == ()


def test_a_host_that_does_not_read_what_may_be_written_is_told_so_and_leaves_nothing_behind(
    store: Store,
) -> None:
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1", format_read=2)
    membership.ask_format(2)
    membership.take([FIRST], "host-a")

    with pytest.raises(NewerFormatError, match=r"may be of format 2.*reads formats up to 1; upgrade dalsegno"):
        membership.join("host-a", ttl=HOUR, version="1", format_read=1)

    assert reads(membership) == {"host-a": 2}
    assert membership.cluster().leases[0].owner == "host-a"


def test_what_was_asked_for_last_counts_so_that_a_version_before_takes_it_back(store: Store) -> None:
    membership = store.membership()
    membership.join("old", ttl=HOUR, version="1", format_read=1)
    membership.ask_format(2)

    assert membership.ask_format(1).format_asked == 1

    membership.expire("old")
    assert membership.raise_format() == 1


def test_a_version_that_cannot_read_what_may_be_written_cannot_ask_for_less(store: Store) -> None:
    membership = store.membership()
    membership.ask_format(2)
    with pytest.raises(NewerFormatError, match="upgrade dalsegno"):
        membership.ask_format(1)
    assert formats(membership) == (2, 2)


def test_no_raise_and_no_join_pass_each_other(store: Store) -> None:
    """Whoever is first, no host is live in the end that cannot read what may be written."""
    joining, raising = store.membership(), store.membership()
    with ThreadPoolExecutor(2) as pool:
        for number in range(2, 40):
            both = threading.Barrier(2)

            def join(number: int = number, both: threading.Barrier = both) -> None:
                both.wait()
                with suppress(NewerFormatError):
                    joining.join("slow", ttl=HOUR, version="1", format_read=number - 1)

            def raise_(number: int = number, both: threading.Barrier = both) -> int:
                both.wait()
                return raising.ask_format(number).format_written

            done = pool.submit(join)
            granted = pool.submit(raise_).result() == number
            done.result()
            assert granted != ("slow" in reads(joining))
            joining.expire("slow")
            assert raising.raise_format() == number


@pytest.mark.postgres
def test_a_join_waits_for_a_raise_that_is_under_way_and_is_refused_then(postgres_schema_url: str) -> None:
    store = open_store(postgres_schema_url)
    store.migrate(partitions=1)
    with _by_hand(postgres_schema_url) as raising, ThreadPoolExecutor(1) as pool:
        raising.execute("SELECT id FROM meta FOR UPDATE")
        raising.execute("UPDATE meta SET format_written = 2")
        joining = pool.submit(store.membership().join, "host-a", ttl=HOUR, version="1", format_read=1)
        _wait_for_a_lock(postgres_schema_url)
        raising.commit()
        with pytest.raises(NewerFormatError):
            joining.result()
    assert store.membership().cluster().hosts == ()
    store.close()


@pytest.mark.postgres
def test_a_raise_waits_for_a_join_that_is_under_way_and_is_not_granted_then(postgres_schema_url: str) -> None:
    store = open_store(postgres_schema_url)
    store.migrate(partitions=1)
    with _by_hand(postgres_schema_url) as joining, ThreadPoolExecutor(1) as pool:
        joining.execute("SELECT id FROM meta FOR KEY SHARE")
        joining.execute("INSERT INTO hosts (host_id, expires_at, version) VALUES ('a', 9000000000000000, '1')")
        raising = pool.submit(store.membership().ask_format, 2)
        _wait_for_a_lock(postgres_schema_url)
        joining.commit()
        assert raising.result().format_written == 1
    store.close()


@pytest.mark.postgres
def test_a_host_that_is_being_renewed_as_its_time_ends_is_waited_for(postgres_schema_url: str) -> None:
    store = open_store(postgres_schema_url)
    store.migrate(partitions=1)
    old_host(postgres_schema_url, "late", expires_at=1)
    with _by_hand(postgres_schema_url) as renewing, ThreadPoolExecutor(1) as pool:
        renewing.execute("UPDATE hosts SET expires_at = 9000000000000000")
        raising = pool.submit(store.membership().ask_format, 2)
        _wait_for_a_lock(postgres_schema_url)
        renewing.commit()
        assert raising.result().format_written == 1
    store.close()


@pytest.mark.postgres
def test_a_host_of_a_version_that_asks_nobody_is_refused_by_the_table_itself(postgres_schema_url: str) -> None:
    store = open_store(postgres_schema_url)
    store.migrate(partitions=1)
    old_host(postgres_schema_url, "before", expires_at=1)
    assert store.membership().ask_format(2).format_written == 2

    refused = pytest.raises(psycopg.errors.InsufficientPrivilege, match="reads formats up to 1, so upgrade")
    with refused, _by_hand(postgres_schema_url) as joining:
        joining.execute(
            "INSERT INTO hosts (host_id, expires_at, version, ttl) VALUES ('awake', 1, '0.1.0', 1)"
            " ON CONFLICT (host_id) DO UPDATE SET expires_at = 1, version = '0.1.0', ttl = 1"
        )

    store.membership().join("new", ttl=HOUR, version="1", format_read=2)
    assert reads(store.membership()) == {"new": 2}
    store.close()


def _by_hand(url: str) -> psycopg.Connection[tuple[object, ...]]:
    base, _, schema = url.partition("?schema=")
    return psycopg.connect(base, options=f"-c search_path={schema}")


def _wait_for_a_lock(url: str) -> None:
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        query = (
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'dalsegno membership'"
            " AND wait_event_type = 'Lock' AND datname = current_database()"
        )
        wait_until(lambda: connection.execute(query).fetchone() is not None, 10, "somebody waits for a lock")


# --- tables from before formats were kept --------------------------------------------------------------------


def test_hosts_of_this_version_live_on_tables_of_the_one_before_beside_hosts_of_that(store_url: str) -> None:
    tables_of(store_url, "0006")
    old_host(store_url)
    store = open_store(store_url)
    membership = store.membership()

    joined = membership.join("new", ttl=HOUR, version="1.2", format_read=2)
    membership.renew("new", ttl=HOUR)

    assert joined <= membership.cluster().now
    assert {
        host.host_id: (host.version, host.format_read, host.head) for host in membership.cluster().hosts
    } == {
        "new": ("1.2", 1, HEAD),
        "old": ("0.1.0", 1, "0006"),
    }
    assert [lease.partition for lease in membership.take([FIRST, nth(1), nth(2)], "new")] == list(nths(3))
    namespace = store.namespace()
    assert (namespace.revision, namespace.format_written, namespace.format_asked) == ("0006", 1, 1)
    assert store.reader().cluster().hosts == membership.cluster().hosts
    store.close()


def test_a_host_from_before_the_tables_were_raised_says_what_it_reads_when_it_renews(store_url: str) -> None:
    tables_of(store_url, "0006")
    store = open_store(store_url)
    membership = store.membership()
    membership.join("new", ttl=HOUR, version="1.2", format_read=2)

    store.migrate()

    assert store.membership().ask_format(2).format_written == 1, "what it reads is not known yet"
    membership.renew("new", ttl=HOUR)
    assert reads(membership) == {"new": 2}
    assert [(host.version, host.head) for host in membership.cluster().hosts] == [("1.2", HEAD)]
    assert membership.raise_format() == 2
    store.close()
