"""Making, checking and raising the schema."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec.structs import replace
from psycopg import sql

from dalsegno import persistence
from dalsegno.cli import namespace
from dalsegno.errors import ConfigurationError, SchemaError, StoreUnavailableError
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Watermark
from dalsegno.persistence.tables import HEAD, MIN_REVISION, VERSION_TABLE, metadata
from tests.partition_ids import FIRST, nth, nths
from tests.persistence.bare import bare_connection, old_host, set_revision, tables_of
from tests.persistence.rounds import (
    HOUR,
    creation,
    journal_row,
    round_of,
    run_of,
    seen,
    signals,
    snapshot,
    step,
)
from tests.servers import wait_until


def test_migrating_makes_a_namespace_and_again_changes_nothing(store_url: str) -> None:
    store = open_store(store_url)
    made = store.migrate(partitions=3)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take([FIRST, nth(1)], "host-a")
    before = membership.cluster().leases

    assert store.migrate(partitions=3) == made
    assert store.namespace() == made
    assert (made.generation, made.partitions) == (1, 3)
    assert 0 <= made.hash_seed < 2**32
    assert membership.cluster().leases == before
    store.close()


def test_each_namespace_has_an_identity_of_its_own_and_keeps_it(store_url: str, tmp_path: Path) -> None:
    store, other = open_store(store_url), open_store(f"sqlite:///{tmp_path / 'other.db'}")
    made = store.migrate(partitions=1)
    assert len(made.identity) == 32
    assert store.migrate().identity == store.namespace().identity == made.identity
    assert other.migrate().identity != made.identity


def test_without_a_number_of_partitions_there_are_sixteen_or_those_that_were_there(store_url: str) -> None:
    assert open_store(store_url).migrate().partitions == 16
    assert open_store(store_url).migrate(partitions=16) == open_store(store_url).migrate()


def test_a_namespace_of_the_first_revision_is_raised_and_gets_an_identity(store_url: str) -> None:
    tables_of(store_url, "0001")
    old_host(store_url)
    with bare_connection(store_url) as connection:
        connection.execute(sa.text("UPDATE leases SET epoch = 5 WHERE partition = 2"))
    store = open_store(store_url)
    with pytest.raises(SchemaError, match=r"revision 0001.*dalsegno init"):
        store.namespace()

    raised = store.migrate(force=True)

    assert raised == store.namespace()
    assert (raised.generation, raised.partitions, raised.hash_seed) == (1, 3, 7)
    assert len(raised.identity) == 32
    assert raised.watermark == Watermark(0, 0)
    cluster = store.membership().cluster()
    assert [(host.host_id, host.ttl) for host in cluster.hosts] == [("old", 0)]
    assert [lease.epoch for lease in cluster.leases] == [0, 0, 5]
    with bare_connection(store_url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_commands_that_were_known_before_types_were_kept_stay_known_for_any(store_url: str) -> None:
    tables_of(store_url, "0003")
    with bare_connection(store_url) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO seen (workflow_id, message_id, slot, time, answer)"
                " VALUES ('order-1', 'm1', 7, 1000, 'closed')"
            )
        )
    store = open_store(store_url)

    store.migrate()

    reader = store.reader()
    assert reader.load(["order-1"])[0].seen == {("", "m1"): "closed"}
    reader.close()


def test_another_number_of_partitions_is_refused_and_changes_nothing(store_url: str) -> None:
    store = open_store(store_url)
    made = store.migrate(partitions=3)
    with pytest.raises(ConfigurationError, match="3 partitions, not 5"):
        store.migrate(partitions=5)
    with pytest.raises(ConfigurationError, match="at least one"):
        store.migrate(partitions=0)
    assert store.namespace() == made


def test_several_that_migrate_at_once_agree(store_url: str) -> None:
    def one(_: int) -> object:
        return namespace._patiently(lambda: open_store(store_url).migrate(partitions=2))

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(one, range(3)))
    assert len(set(map(repr, made))) == 1


def test_the_migrations_make_the_tables_that_the_code_knows(store_url: str) -> None:
    open_store(store_url).migrate(partitions=1)
    with bare_connection(store_url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        inspector = sa.inspect(connection)
        indexes = {index["name"] for table in metadata.tables for index in inspector.get_indexes(table)}
    assert indexes == {index.name for table in metadata.tables.values() for index in table.indexes}


def test_the_revision_that_the_code_checks_is_the_newest_migration() -> None:
    folder = Path(persistence.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_a_database_without_tables_names_the_command_that_makes_them(store_url: str) -> None:
    store = open_store(store_url)
    with pytest.raises(SchemaError, match="dalsegno init --database"):
        store.namespace()
    with pytest.raises(SchemaError, match="dalsegno init --database"):
        store.membership().cluster()
    with pytest.raises(SchemaError, match="dalsegno init --database"):
        store.reader().load(["order-1"])


def test_tables_that_are_too_old_name_the_command_that_raises_them(store_url: str) -> None:
    store = open_store(store_url)
    store.migrate(partitions=1)
    set_revision(store_url, "0000")
    with pytest.raises(SchemaError, match=r"revision 0000.*dalsegno init --database"):
        store.namespace()


def test_tables_that_are_too_new_ask_for_a_newer_dalsegno(store_url: str) -> None:
    store = open_store(store_url)
    store.migrate(partitions=1)
    set_revision(store_url, "9999", readable_by="9998")
    for attempt in (store.namespace, lambda: store.migrate(partitions=1)):
        with pytest.raises(SchemaError, match=r"9999.*upgrade dalsegno"):
            attempt()


def test_newer_tables_that_say_so_are_worked_with_and_left_as_they_are(store_url: str) -> None:
    store = open_store(store_url)
    made = store.migrate(partitions=1)
    set_revision(store_url, "9999", readable_by=HEAD)
    as_they_are = replace(made, revision="9999")
    assert store.migrate() == store.namespace() == as_they_are
    store.membership().join("host-a", ttl=HOUR, version="1")
    with bare_connection(store_url) as connection:
        assert connection.scalar(sa.text("SELECT readable_by FROM meta")) == HEAD
    store.close()


def test_columns_that_a_newer_version_adds_disturb_no_host_that_is_running(store_url: str) -> None:
    """On the very connections, and the statements prepared there, that were used before."""
    store = open_store(store_url)
    store.migrate(partitions=1)
    writer, reader, membership = store.writer(), store.reader(), store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take([FIRST], "host-a")

    def work(workflow_id: str) -> None:
        writer.commit(round_of(creation(workflow_id, snapshot=snapshot(run_of(workflow_id), 1))))
        writer.commit(round_of(step(workflow_id, 2, seen=(seen(workflow_id, "m1"),))))
        (loaded,) = reader.load([workflow_id])
        assert loaded.instance is not None
        assert loaded.instance.journal == (journal_row(run_of(workflow_id), 2),)
        assert loaded.seen == signals(m1="")
        assert reader.load_run(run_of(workflow_id)) == replace(loaded.instance, wake_at=None)
        membership.renew("host-a", ttl=HOUR)
        assert [host.host_id for host in membership.cluster().hosts] == ["host-a"]
        assert membership.raise_format() == 1
        assert writer.raise_watermark(above=0) is not None
        assert store.people_reader().runs(workflow_id=workflow_id)[0][0].workflow_id == workflow_id

    work("before")
    with bare_connection(store_url) as connection:
        for table in metadata.tables:
            connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN added INTEGER NOT NULL DEFAULT 0"))
    set_revision(store_url, "9999", readable_by=HEAD)

    work("after")
    store.close()


def test_tables_are_not_raised_under_live_hosts_that_could_not_work_with_them(store_url: str) -> None:
    tables_of(store_url, "0006")
    old_host(store_url, "host-b")
    old_host(store_url, "host-gone", expires_at=1)
    store = open_store(store_url)
    store.membership().join("host-a", ttl=HOUR, version="1")

    with pytest.raises(SchemaError, match=r"this version: host-b \(dalsegno 0.1.0\)\. Replace.*--force"):
        store.migrate()

    assert store.namespace().revision == "0006"
    assert store.migrate(force=True).revision == HEAD
    assert [host.host_id for host in store.membership().cluster().hosts] == ["host-a", "host-b"]
    store.close()


@pytest.mark.postgres
def test_hosts_renew_their_leases_while_a_later_migration_waits_or_takes_its_time(
    postgres_schema_url: str,
) -> None:
    """What one has locked is free again when the next begins."""
    tables_of(postgres_schema_url, "0006")
    store = open_store(postgres_schema_url)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    with bare_connection(postgres_schema_url) as long, ThreadPoolExecutor(1) as pool:
        long.execute(sa.text("LOCK TABLE runs IN SHARE UPDATE EXCLUSIVE MODE"))  # as VACUUM does
        raising = pool.submit(raised_at_last, postgres_schema_url)
        wait_until(lambda: is_waited_for(long, postgres_schema_url, "runs"), 20, "a migration waits for runs")

        membership.renew("host-a", ttl=HOUR)
        assert [host.head for host in membership.cluster().hosts] == [HEAD]

        long.commit()
        assert raising.result() == HEAD
    store.close()


@pytest.mark.postgres
def test_a_migration_that_has_to_wait_gives_way_to_hosts_again_and_again(postgres_schema_url: str) -> None:
    tables_of(postgres_schema_url, "0006")
    store = open_store(postgres_schema_url)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1")

    def renewed() -> bool:
        with suppress(StoreUnavailableError):
            membership.renew("host-a", ttl=HOUR)
            return True
        return False

    with bare_connection(postgres_schema_url) as backup, ThreadPoolExecutor(1) as pool:
        backup.execute(sa.text("LOCK TABLE hosts IN ACCESS SHARE MODE"))
        raising = pool.submit(raised_at_last, postgres_schema_url)
        for _ in range(3):
            wait_until(lambda: is_waited_for(backup, postgres_schema_url, "hosts"), 20, "the migration waits")
            wait_until(renewed, 20, "a renewal")
        backup.commit()
        assert raising.result() == HEAD
    store.close()


def raised_at_last(url: str) -> str:
    """As `dalsegno init` does it, but with more patience."""
    store = open_store(url)
    while True:
        with suppress(StoreUnavailableError):
            return namespace._patiently(store.migrate).revision


def is_waited_for(connection: sa.Connection, url: str, table: str) -> bool:
    waits = sa.text("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = CAST(:name AS regclass)")
    return connection.execute(waits, {"name": f"{url.partition('?schema=')[2]}.{table}"}).first() is not None


def test_tables_are_raised_under_live_hosts_of_this_version(store_url: str) -> None:
    tables_of(store_url, "0006")
    store = open_store(store_url)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    assert store.migrate().revision == HEAD
    membership.renew("host-a", ttl=HOUR)
    assert [(row.host_id, row.head) for row in membership.cluster().hosts] == [("host-a", HEAD)]
    store.close()


def test_every_migration_says_which_code_may_go_on_after_it_and_none_allows_more_than_the_one_before() -> None:
    folder = Path(persistence.__file__).parent / "migrations"
    newest_first = [s for s in ScriptDirectory(str(folder)).walk_revisions() if s.revision > MIN_REVISION]
    said = [script.module.readable_by for script in reversed(newest_first)]
    assert said == sorted(said)
    assert all(by <= script.revision for by, script in zip(reversed(said), newest_first, strict=True))


def test_a_sqlite_file_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(SchemaError):
        store.namespace()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_and_a_file_that_is_no_database_are_said_to_be_wrong(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigurationError, match="none"):
        open_store(f"sqlite:///{tmp_path / 'none' / 'dalsegno.db'}").migrate(partitions=1)
    (tmp_path / "prose.db").write_text("once upon a time " * 100)
    for attempt in (
        open_store(f"sqlite:///{tmp_path / 'prose.db'}").namespace,
        lambda: open_store(f"sqlite:///{tmp_path / 'prose.db'}").migrate(partitions=1),
    ):
        with pytest.raises(ConfigurationError, match="not a database"):
            attempt()


def test_sqlite_is_durable_and_only_the_writer_checkpoints(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    store.migrate(partitions=1)
    found = []

    def inspect(connection: sa.Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        pragmas = ("journal_mode", "synchronous", "wal_autocheckpoint")
        found.append(tuple(driver.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas))

    sa.event.listen(sa.Engine, "begin", inspect)
    try:
        store.membership().cluster()
        store.reader().runs()
        store.writer().commit(round_of(epochs={FIRST: 1}))
    finally:
        sa.event.remove(sa.Engine, "begin", inspect)
        store.close()
    full = 2
    assert found == [("wal", full, 0), ("wal", full, 0), ("wal", full, 1000)]


@pytest.mark.postgres
def test_tables_of_another_program_are_not_touched(shared_database: str, postgres_schema_url: str) -> None:
    schema = postgres_schema_url.partition("?schema=")[2]
    with psycopg.connect(shared_database, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        connection.execute(f"CREATE TABLE {schema}.journal (entry text)".encode())
        with pytest.raises(ConfigurationError, match=r"\?schema=dalsegno"):
            open_store(postgres_schema_url).migrate(partitions=1)
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)
        ).fetchall()
    assert tables == [("journal",)]


@pytest.mark.postgres
def test_namespaces_of_one_database_know_nothing_of_each_other(shared_database: str) -> None:
    first, second = (open_store(f"{shared_database}?schema=apart_{name}") for name in "ab")
    first.migrate(partitions=2)
    with pytest.raises(SchemaError):
        second.namespace()
    second.migrate(partitions=3)
    first.membership().join("host-a", ttl=HOUR, version="1")
    assert second.membership().cluster().hosts == ()
    assert first.namespace().partitions == 2


@pytest.mark.postgres
def test_a_database_of_its_own_needs_no_schema(postgres_url: str) -> None:
    store = open_store(postgres_url)
    with pytest.raises(SchemaError):
        store.namespace()
    assert store.migrate(partitions=2) == store.namespace()


@pytest.mark.postgres
@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_text_is_refused_by_all_who_come(
    shared_database: str, encoding: str
) -> None:
    base = shared_database.partition("?")[0]
    name = f"narrow_{encoding.lower()}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode()
        )
    store = open_store(f"{base.rpartition('/')[0]}/{name}")
    for attempt in (store.migrate, store.namespace, store.membership().cluster, store.reader().runs):
        with pytest.raises(ConfigurationError, match=f"encoding {encoding}.*ENCODING 'UTF8'"):
            attempt()
    store.close()


@pytest.mark.postgres
def test_whatever_client_encoding_is_set_texts_come_back_as_they_were(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the environment, the URL, its options, the database: all at once."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET client_encoding = 'LATIN1'").format(name))
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    store = open_store(f"{postgres_url}?client_encoding=LATIN1&options=-c%20client_encoding%3DLATIN1")
    store.migrate(partitions=4)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="\u00e4\u017c\U0001d10b")
    membership.take(nths(4), "host-a")
    assert [host.version for host in membership.cluster().hosts] == ["\u00e4\u017c\U0001d10b"]
    store.writer().commit(round_of(creation("\u00e4\u017c\U0001d10b")))
    assert [run.workflow_id for run in store.reader().runs()[0]] == ["\u00e4\u017c\U0001d10b"]
    store.close()
