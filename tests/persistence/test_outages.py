"""Connections break, answers get lost, locks are held: the outcome is unknown, and the next call works."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import make_url

from dalsegno.errors import StoreUnavailableError
from dalsegno.persistence import open_store, sqlite
from dalsegno.persistence.database import OwnedConnection, Role
from dalsegno.persistence.port import Store
from dalsegno.persistence.postgres import Postgres
from dalsegno.persistence.url import parse_url
from tests.partition_ids import FIRST, nths
from tests.persistence.rounds import HOUR, creation, round_of, step
from tests.servers import PostgresServer, wait_until


def prepared(url: str) -> Store:
    store = open_store(url)
    store.migrate(partitions=4)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take(nths(4), "host-a")
    return store


@pytest.mark.postgres
def test_after_its_backend_is_terminated_each_connection_fails_once_and_then_works(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    store = prepared(postgres_url)
    writer, reader, membership = store.writer(), store.reader(), store.membership()
    writer.commit(round_of(creation("order-1")))
    reader.load(["order-1"])
    membership.cluster()

    assert postgres_server.terminate_backends(postgres_url) >= 3

    for attempt in (
        lambda: writer.commit(round_of(step("order-1", 2))),
        lambda: reader.load(["order-1"]),
        membership.cluster,
    ):
        with pytest.raises(StoreUnavailableError):
            attempt()
    assert not writer.commit(round_of(step("order-1", 2))).missed
    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert loaded.instance.sequence == 2
    assert membership.renew("host-a", ttl=HOUR) > 0
    store.close()


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_what_was_committed_survives_a_restart_of_the_server(
    private_postgres: PostgresServer, how: signal.Signals
) -> None:
    with private_postgres.database() as url:
        store = prepared(url)
        writer, reader = store.writer(), store.reader()
        writer.commit(round_of(creation("order-1")))
        private_postgres.stop(how)
        for attempt in (lambda: writer.commit(round_of(step("order-1", 2))), lambda: reader.load(["order-1"])):
            with pytest.raises(StoreUnavailableError):
                attempt()
        private_postgres.start()
        assert not writer.commit(round_of(step("order-1", 2))).missed
        (loaded,) = reader.load(["order-1"])
        assert loaded.instance is not None
        assert loaded.instance.sequence == 2
        store.close()


@pytest.fixture
def deserted(private_postgres: PostgresServer) -> Iterator[str]:
    """A database whose commits wait for a standby that never comes, once a test has said `standby_wanted`."""
    with private_postgres.database() as url:
        yield url
        standby_wanted(url, "")


def standby_wanted(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(sql.Literal(name)))
        connection.execute("SELECT pg_reload_conf()")
        wait_until(
            lambda: connection.execute("SHOW synchronous_standby_names").fetchone() == (name,),
            30,
            "the setting",
        )


def waiting_backend(url: str) -> int | None:
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query).fetchone()
        return found[0] if found else None


@pytest.mark.postgres
@pytest.mark.parametrize("ended_by", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.parametrize("who", ["writer", "membership"])
def test_a_commit_that_no_longer_waits_for_the_standby_has_an_unknown_outcome(
    deserted: str, ended_by: str, who: str
) -> None:
    store = prepared(deserted)
    writer, reader, membership = store.writer(), store.reader(), store.membership()
    writer.commit(round_of(creation("order-1")))
    membership.cluster()

    def write() -> object:
        if who == "writer":
            return writer.commit(round_of(step("order-1", 2)))
        return membership.renew("host-a", ttl=HOUR)

    standby_wanted(deserted, "nobody")
    with ThreadPoolExecutor(1) as thread:
        committing = thread.submit(write)
        wait_until(lambda: waiting_backend(deserted) is not None, 30, "the wait for the standby")
        with psycopg.connect(deserted, autocommit=True) as other:
            other.execute(f"SELECT {ended_by}(%s)".encode(), [waiting_backend(deserted)])
        with pytest.raises(StoreUnavailableError):
            committing.result(30)
    standby_wanted(deserted, "")

    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert loaded.instance.sequence == (2 if who == "writer" else 1)
    assert bool(writer.commit(round_of(step("order-1", 2))).missed) == (who == "writer")
    assert membership.renew("host-a", ttl=HOUR) > 0
    store.close()


@pytest.mark.postgres
def test_what_may_not_have_reached_the_standby_is_settled_only_when_it_has(deserted: str) -> None:
    """It can be read before that, whoever ended the wait."""
    store = prepared(deserted)
    writer, reader = store.writer(), store.reader()
    writer.commit(round_of(creation("order-1")))
    standby_wanted(deserted, "nobody")
    with ThreadPoolExecutor(1) as thread:
        committing = thread.submit(writer.commit, round_of(step("order-1", 2)))
        wait_until(lambda: waiting_backend(deserted) is not None, 30, "the wait for the standby")
        with psycopg.connect(deserted, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [waiting_backend(deserted)])
        with pytest.raises(StoreUnavailableError):
            committing.result(30)
        (loaded,) = reader.load(["order-1"])
        assert loaded.instance is not None
        assert loaded.instance.sequence == 2
        settling = thread.submit(writer.settle)
        wait_until(lambda: waiting_backend(deserted) is not None, 30, "the wait for the standby")
        assert not settling.done()
        standby_wanted(deserted, "")
        settling.result(30)
    store.close()


class Proxy:
    """Passes bytes between a client and PostgreSQL, until told to lose the next answer."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.loses_answers = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._address)
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):  # the other direction has ended the connection
            while data := source.recv(65536):
                if answers and self.loses_answers.is_set():
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    address = make_url(postgres_url)
    proxy = Proxy((address.host or "127.0.0.1", address.port or 5432))
    yield proxy
    proxy.close()


@pytest.mark.postgres
def test_a_commit_whose_answer_is_lost_has_happened_and_is_missed_when_it_comes_again(
    postgres_url: str, proxy: Proxy
) -> None:
    direct = prepared(postgres_url)
    through = make_url(postgres_url).set(host="127.0.0.1", port=proxy.port)
    store = open_store(through.render_as_string(hide_password=False))
    writer, reader = store.writer(), store.reader()
    writer.commit(round_of(creation("order-1")))
    writer.commit(round_of(step("order-1", 2)))  # so that the next one is prepared, and is one message

    proxy.loses_answers.set()
    with pytest.raises(StoreUnavailableError):
        writer.commit(round_of(step("order-1", 3)))
    proxy.loses_answers.clear()

    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert loaded.instance.sequence == 3
    assert writer.commit(round_of(step("order-1", 3))).missed == {"order-1"}
    assert not writer.commit(round_of(step("order-1", 4))).missed
    store.close()
    direct.close()


@pytest.mark.postgres
def test_a_take_over_gives_up_on_a_lock_that_is_held_too_long(postgres_url: str) -> None:
    store = prepared(postgres_url)
    membership = store.membership()
    membership.join("host-b", ttl=HOUR, version="1")
    membership.expire("host-a")
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT 1 FROM leases WHERE partition = 0 FOR SHARE")
        with pytest.raises(StoreUnavailableError, match="lock"):
            membership.take([FIRST], "host-b")
    assert [lease.epoch for lease in membership.take([FIRST], "host-b")] == [2]
    store.close()


@pytest.mark.postgres
@pytest.mark.parametrize("role", Role)
def test_a_frozen_session_cannot_hold_its_locks_as_long_as_a_lease(postgres_url: str, role: Role) -> None:
    owned = OwnedConnection(Postgres(parse_url(postgres_url)), role)
    with owned.transaction() as connection:
        assert connection.scalar(sa.text("SHOW idle_in_transaction_session_timeout")) == "5s"
    owned.close()


@pytest.mark.postgres
def test_between_calls_no_session_is_inside_a_transaction(postgres_url: str) -> None:
    store = prepared(postgres_url)
    store.writer().commit(round_of(creation("order-1")))
    store.writer().commit(round_of(creation("order-1\ud800")))
    store.reader().load(["order-1"])
    store.membership().take([FIRST], "host-a")
    query = "SELECT DISTINCT state FROM pg_stat_activity WHERE application_name LIKE 'dalsegno %'"
    with psycopg.connect(postgres_url) as other:
        assert other.execute(query).fetchall() == [("idle",)]
    store.close()


def test_a_sqlite_file_that_another_keeps_locked_is_unavailable_until_it_lets_go(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", dict.fromkeys(sqlite.BUSY_SECONDS, 0.05))
    store = prepared(sqlite_url)
    writer, reader, membership = store.writer(), store.reader(), store.membership()
    writer.commit(round_of(creation("order-1")))
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailableError, match="locked"):
        writer.commit(round_of(step("order-1", 2)))
    with pytest.raises(StoreUnavailableError, match="locked"):
        membership.renew("host-a", ttl=HOUR)
    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert loaded.instance.sequence == 1

    other.execute("ROLLBACK")
    other.close()
    assert not writer.commit(round_of(step("order-1", 2))).missed
    store.close()


def test_what_sqlite_committed_is_there_for_another_process_while_the_first_is_still_open(
    sqlite_url: str,
) -> None:
    first, second = prepared(sqlite_url), open_store(sqlite_url)
    writer, reader = first.writer(), second.reader()
    writer.commit(round_of(creation("order-1")))
    assert [run.workflow_id for run in reader.runs()[0]] == ["order-1"]
    writer.commit(round_of(creation("order-2")))
    assert len(reader.runs()[0]) == 2
    second.close()
    writer.commit(round_of(creation("order-3")))
    first.close()


def test_closing_twice_and_using_after_closing_are_ordinary(store: Store) -> None:
    membership, reader = store.membership(), store.reader()
    membership.join("host-a", ttl=HOUR, version="1")
    store.close()
    store.close()
    assert len(membership.cluster().hosts) == 1
    assert reader.runs() == ([], None)
    membership.close()
    reader.close()
