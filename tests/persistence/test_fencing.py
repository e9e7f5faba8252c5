"""At most one host commits for a partition in an epoch (F8, F9 and F11 of the reliability plan)."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from dalsegno.errors import StoreUnavailableError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence import open_store
from dalsegno.persistence.port import (
    Aside,
    Fence,
    LeaseRow,
    MailRow,
    Membership,
    RoundOutcome,
    Store,
    Writer,
)
from dalsegno.persistence.reader_port import Reader
from tests.partition_ids import FIRST, nth
from tests.persistence.bare import bare_connection
from tests.persistence.rounds import HOUR, creation, round_of, seen, step

BOUND_SECONDS = 20.0


def test_a_stale_epoch_writes_nothing(
    host: str, writer: Writer, reader: Reader, membership: Membership
) -> None:
    membership.expire(host)
    membership.join("host-b", ttl=HOUR, version="1")
    membership.take([FIRST], "host-b")
    stale = round_of(creation("order-1"), refused=[(FIRST, 7, seen("nobody", "m1"))])

    outcome = writer.commit(stale)

    assert outcome.lost == {FIRST}
    assert outcome.missed == frozenset()
    assert reader.load(["order-1"])[0].instance is None
    assert reader.runs() == ([], None)
    assert reader.load(["nobody"])[0].seen == {}


def test_the_right_epoch_of_another_host_writes_nothing(host: str, writer: Writer, reader: Reader) -> None:
    assert writer.commit(round_of(creation("order-1"), host="host-b")).lost == {FIRST}
    assert reader.load(["order-1"])[0].instance is None


def test_a_released_partition_is_lost(
    host: str, writer: Writer, reader: Reader, membership: Membership
) -> None:
    membership.release([Fence(FIRST, 1)], host)
    assert writer.commit(round_of(creation("order-1"))).lost == {FIRST}
    assert reader.load(["order-1"])[0].instance is None


def test_lost_partitions_drop_out_and_the_rest_is_committed(host: str, writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1"), creation("order-2", partition=nth(1))))
    writes = (step("order-1", 2), step("order-2", 2, partition=nth(1)), creation("order-3", partition=nth(2)))

    outcome = writer.commit(round_of(*writes, epochs={nth(1): 7}))

    assert outcome.lost == {nth(1)}
    assert outcome.missed == frozenset()
    sequences = [
        loaded.instance and loaded.instance.sequence
        for loaded in reader.load(["order-1", "order-2", "order-3"])
    ]
    assert sequences == [2, 1, 1]


def take_in_thread(pool: ThreadPoolExecutor, membership: Membership) -> Future[list[LeaseRow]]:
    """What a taker does: again and again, for what it waits for is bounded."""

    def take() -> list[LeaseRow]:
        deadline = time.monotonic() + BOUND_SECONDS
        while True:
            try:
                return membership.take([FIRST], "host-b")
            except StoreUnavailableError:
                assert time.monotonic() < deadline, "the take-over never got through"

    return pool.submit(take)


@contextmanager
def paused_behind_the_fence() -> Iterator[tuple[threading.Event, threading.Event]]:
    """SQLite commits stop when the fence was checked and nothing written yet, until told."""
    reached, go_on = threading.Event(), threading.Event()

    def pause(statement: str) -> None:
        if statement.startswith("INSERT INTO instances"):
            reached.set()
            go_on.wait(BOUND_SECONDS)

    def trace(connection: sqlite3.Connection, _: object) -> None:
        connection.set_trace_callback(pause)

    sa.event.listen(sa.Engine, "connect", trace)
    try:
        yield reached, go_on
    finally:
        go_on.set()
        sa.event.remove(sa.Engine, "connect", trace)


def test_on_sqlite_a_take_over_between_fence_and_commit_waits_for_the_commit(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    store.migrate(partitions=4)
    membership, heir = store.membership(), store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take([FIRST], "host-a")
    membership.join("host-b", ttl=HOUR, version="1")
    membership.expire("host-a")
    with ThreadPoolExecutor() as pool, paused_behind_the_fence() as (reached, go_on):
        commit = pool.submit(store.writer().commit, round_of(creation("order-1")))
        assert reached.wait(BOUND_SECONDS)
        with pytest.raises(StoreUnavailableError):
            heir.take([FIRST], "host-b")
        taking = take_in_thread(pool, heir)
        go_on.set()
        assert commit.result(BOUND_SECONDS).lost == frozenset()
        assert taking.result(BOUND_SECONDS) == [LeaseRow(FIRST, "host-b", 2)]
    assert store.writer().commit(round_of(step("order-1", 2))).lost == {FIRST}
    store.close()


class Takeover:
    """PostgreSQL: a commit of host-a, the take-over by host-b, and a connection that holds things up."""

    def __init__(self, store: Store, url: str) -> None:
        self.store = store
        self.heir = store.membership()
        membership = store.membership()
        membership.join("host-a", ttl=HOUR, version="1")
        membership.take([FIRST], "host-a")
        membership.join("host-b", ttl=HOUR, version="1")
        membership.expire("host-a")
        base, _, schema = url.partition("?schema=")
        self.obstacle = psycopg.connect(base, options=f"-c search_path={schema}")
        self.observer = psycopg.connect(base, autocommit=True)
        self.pool = ThreadPoolExecutor()

    def commit(self) -> Future[RoundOutcome]:
        return self.pool.submit(self.store.writer().commit, round_of(creation("order-1")))

    def wait_for_waiting(self, role: str) -> None:
        """Until a backend of `role` waits for a lock."""
        query = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
        deadline = time.monotonic() + BOUND_SECONDS
        while self.observer.execute(query, (f"dalsegno {role}",)).fetchone() is None:
            assert time.monotonic() < deadline, f"no {role} waits for a lock"

    def close(self) -> None:
        self.obstacle.close()
        self.observer.close()
        self.pool.shutdown()
        self.store.close()


@pytest.fixture
def takeover(postgres_schema_url: str) -> Iterator[Takeover]:
    store = open_store(postgres_schema_url)
    store.migrate(partitions=4)
    takeover = Takeover(store, postgres_schema_url)
    yield takeover
    takeover.close()


@pytest.mark.postgres
def test_on_postgresql_a_take_over_between_fence_and_commit_waits_for_the_commit(takeover: Takeover) -> None:
    # Somebody's uncommitted row with the same key holds up the commit's insert, behind its fence.
    row = ("run-of-order-1", 1, 1, "", 0, 1, "", 1, b"")
    takeover.obstacle.execute("INSERT INTO journal VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", row)
    commit = takeover.commit()
    takeover.wait_for_waiting("writer")

    with pytest.raises(StoreUnavailableError):
        takeover.heir.take([FIRST], "host-b")
    taking = take_in_thread(takeover.pool, takeover.heir)
    takeover.wait_for_waiting("membership")
    takeover.obstacle.rollback()

    assert commit.result(BOUND_SECONDS).lost == frozenset()
    assert taking.result(BOUND_SECONDS) == [LeaseRow(FIRST, "host-b", 2)]
    (loaded,) = takeover.store.reader().load(["order-1"])
    assert loaded.instance is not None


@pytest.mark.postgres
def test_on_postgresql_a_commit_that_was_held_up_before_its_fence_finds_the_lease_lost(
    takeover: Takeover,
) -> None:
    takeover.obstacle.execute("LOCK TABLE journal IN EXCLUSIVE MODE")
    commit = takeover.commit()
    takeover.wait_for_waiting("writer")

    assert takeover.heir.take([FIRST], "host-b") == [LeaseRow(FIRST, "host-b", 2)]
    takeover.obstacle.rollback()

    assert commit.result(BOUND_SECONDS).lost == {FIRST}
    (loaded,) = takeover.store.reader().load(["order-1"])
    assert loaded.instance is None


@pytest.mark.postgres
def test_on_postgresql_a_commit_that_meets_an_uncommitted_take_over_waits_and_finds_the_lease_lost(
    takeover: Takeover,
) -> None:
    takeover.obstacle.execute("UPDATE leases SET owner = 'host-b', epoch = 2 WHERE partition = 0")
    commit = takeover.commit()
    takeover.wait_for_waiting("writer")
    takeover.obstacle.commit()

    assert commit.result(BOUND_SECONDS).lost == {FIRST}
    (loaded,) = takeover.store.reader().load(["order-1"])
    assert loaded.instance is None


@pytest.mark.postgres
def test_on_postgresql_a_taker_that_waited_for_another_leaves_it_what_it_took(takeover: Takeover) -> None:
    # A third host, whom the waiting statement cannot have seen, joins and takes in one transaction.
    takeover.obstacle.execute("INSERT INTO hosts VALUES ('host-c', %s, '1')", (2**62,))
    takeover.obstacle.execute("UPDATE leases SET owner = 'host-c', epoch = 2 WHERE partition = 0")
    taking = takeover.pool.submit(takeover.heir.take, [FIRST], "host-b")
    takeover.wait_for_waiting("membership")
    takeover.obstacle.commit()

    assert taking.result(BOUND_SECONDS) == []
    assert takeover.heir.cluster().leases[0] == LeaseRow(FIRST, "host-c", 2)


BEFORE, NOW = PartitionID(1, 0), PartitionID(2, 0)


@pytest.fixture
def dealt_out_anew(store_url: str) -> Iterator[Store]:
    """A namespace whose slots were dealt out anew by somebody who has left the leases as they were: host-a has
    one that was of partition BEFORE, and would be of NOW."""
    with closing(open_store(store_url)) as store:
        store.migrate(partitions=2)
        membership = store.membership()
        membership.join("host-a", ttl=HOUR, version="1")
        assert membership.take([BEFORE], "host-a") == [LeaseRow(BEFORE, "host-a", 1)]
        with bare_connection(store_url) as connection:
            connection.execute(sa.text("UPDATE meta SET generation = 2"))
        yield store
        membership.close()


def test_nothing_is_committed_for_a_partition_of_another_generation_under_its_number(
    dealt_out_anew: Store,
) -> None:
    writer, reader = dealt_out_anew.writer(), dealt_out_anew.reader()
    row = MailRow(workflow_id="order-1", slot=7, number=1, time=1, message=b"message")
    stale = round_of(creation("order-1", partition=BEFORE), refused=[(BEFORE, 7, seen("nobody", "m1"))])

    outcome = writer.commit(replace(stale, asides=(Aside(partition=BEFORE, mail=(row,)),)))

    assert outcome.lost == {BEFORE}
    assert reader.load(["order-1"])[0].instance is None
    assert reader.load(["nobody"])[0].seen == {}
    assert reader.mail("order-1", after=0, limit=9) == []
    assert writer.commit(round_of(creation("order-2", partition=NOW))).lost == set()
    writer.close()
    reader.close()


def test_no_lease_is_given_for_a_partition_of_another_generation_under_its_number(
    dealt_out_anew: Store,
) -> None:
    membership = dealt_out_anew.membership()
    membership.expire("host-a")
    membership.join("host-b", ttl=HOUR, version="1")
    assert membership.take([BEFORE], "host-b") == []
    assert membership.take([], "host-b") == []
    assert membership.take([NOW], "host-b") == [LeaseRow(NOW, "host-b", 2)]
    membership.close()
