"""Every test that takes `store` runs on SQLite and on PostgreSQL."""

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
from dalsegno.persistence.tables import metadata
from tests.conftest import DATABASE_URL
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


@pytest.fixture(scope="session")
def postgres_namespace(shared_database: str) -> str:
    """Migrated once for the session; `store` leaves it as it found it."""
    url = f"{shared_database}?schema=suite"
    open_store(url).migrate(partitions=PARTITIONS)
    return url


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A namespace of four partitions, ready for use."""
    if kind == "sqlite":
        store = open_store(request.getfixturevalue("sqlite_url"))
        store.migrate(partitions=PARTITIONS)
        yield store
        store.close()
    else:
        url: str = request.getfixturevalue("postgres_namespace")
        store = open_store(url)
        yield store
        store.close()
        _empty(url)


def _empty(url: str) -> None:
    with psycopg.connect(url.partition("?")[0], options="-c search_path=suite") as connection:
        for table in metadata.tables:
            if table not in ("meta", "leases"):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        connection.execute("UPDATE leases SET owner = NULL, epoch = 0")
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
    membership.take(range(PARTITIONS), "host-a")
    return "host-a"
