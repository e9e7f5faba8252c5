"""Every test that takes `store` runs on SQLite and on PostgreSQL, on both also with the oldest tables that
hosts of this version work with."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from dalsegno.persistence import open_store
from dalsegno.persistence.port import Membership, Store, Writer
from dalsegno.persistence.reader_port import Reader
from dalsegno.persistence.tables import HEAD, MIN_REVISION, metadata
from tests.conftest import DATABASE_URL
from tests.partition_ids import nths
from tests.persistence.bare import tables_of
from tests.servers import fresh_database

PARTITIONS = 4


@pytest.fixture(scope="session")
def shared_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """One PostgreSQL database, in which each test has a schema of its own."""
    server_url = DATABASE_URL or request.getfixturevalue("postgres_server").url
    with fresh_database(server_url) as url:
        yield url


@pytest.fixture
def postgres_schema_url(shared_database: str) -> str:
    return f"{shared_database}?schema=test_{secrets.token_hex(6)}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'dalsegno.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def store_url(kind: str, request: pytest.FixtureRequest) -> str:
    """A namespace with nothing in it, not even tables."""
    url: str = request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_schema_url")
    return url


@pytest.fixture(params=[HEAD, MIN_REVISION])
def tables(request: pytest.FixtureRequest) -> str:
    """The revision of the tables of `store`."""
    revision: str = request.param
    return revision


@pytest.fixture(scope="session")
def postgres_namespaces(shared_database: str) -> dict[str, str]:
    """By the revision of their tables, which are made once for the session; `store` leaves them as it found
    them."""
    urls = {revision: f"{shared_database}?schema=suite_{revision}" for revision in (HEAD, MIN_REVISION)}
    for revision, url in urls.items():
        _make(url, revision)
    return urls


def _make(url: str, revision: str) -> None:
    if revision == HEAD:
        open_store(url).migrate(partitions=PARTITIONS)
    else:
        tables_of(url, revision, partitions=PARTITIONS)


@pytest.fixture
def store(kind: str, tables: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A namespace of four partitions, ready for use."""
    if kind == "sqlite":
        sqlite_url: str = request.getfixturevalue("sqlite_url")
        _make(sqlite_url, tables)
        store = open_store(sqlite_url)
        yield store
        store.close()
    else:
        url: str = request.getfixturevalue("postgres_namespaces")[tables]
        store = open_store(url)
        yield store
        store.close()
        _empty(url)


def _empty(url: str) -> None:
    base, _, schema = url.partition("?schema=")
    with psycopg.connect(base, options=f"-c search_path={schema}") as connection:
        later = (
            ("inbox", "search_attributes", "run_attributes", "deadlines") if url.endswith(MIN_REVISION) else ()
        )
        for table in metadata.tables:
            if table not in ("meta", "leases", *later):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        connection.execute("UPDATE leases SET owner = NULL, epoch = 0")
        if not url.endswith(MIN_REVISION):
            connection.execute("UPDATE meta SET format_written = 1, format_asked = 1")


@pytest.fixture
def writer(store: Store) -> Writer:
    return store.writer()


@pytest.fixture
def reader(store: Store) -> Reader:
    return store.reader()


@pytest.fixture
def membership(store: Store) -> Membership:
    return store.membership()


@pytest.fixture
def host(membership: Membership) -> str:
    """A live host that owns all partitions, each at epoch 1."""
    membership.join("host-a", ttl=3_600_000_000, version="1")
    membership.take(nths(PARTITIONS), "host-a")
    return "host-a"
