"""Namespaces with real histories: orders that a host and a worker have run, copied into either database."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from dalsegno import Client, WorkflowFailedError
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.persistence import open_database, open_store
from dalsegno.persistence.database import Role
from dalsegno.persistence.port import Writer
from dalsegno.persistence.tables import leases, meta, metadata
from dalsegno.persistence.url import parse_url
from examples.orders import OrderWorkflow
from tests.conftest import DATABASE_URL
from tests.partition_ids import nths
from tests.servers import fresh_database
from tests.system.shop import large, order
from tests.system.stack import Stack
from tests.verification.stored import HOST, PARTITIONS

HISTORY_LIMIT = 40
SIGNALS = 200
OPEN = "open"
"""An order that waits for its approval. It has had many signals, a snapshot and a trimmed journal."""
AGAIN = "again"
"""A workflow ID with two runs."""
GOOD = [f"good-{number}" for number in range(8)]


async def _trade(stack: Stack) -> None:
    async with stack.client() as client:
        endings = [
            *(order(name) for name in GOOD),
            order("declined", card="4000-0002"),
            order("nowhere", address="nowhere"),
            order("flaky", card="4000-flaky"),
            order(AGAIN),
        ]
        await asyncio.gather(*(client.execute(OrderWorkflow.run, each, id=each.order_id) for each in endings))
        await client.execute(OrderWorkflow.run, order(AGAIN), id=AGAIN)
        await _leave(client)


async def _leave(client: Client) -> None:
    """One that is open, one that was terminated, one that was cancelled."""
    handles = [await client.start(OrderWorkflow.run, large(name), id=name) for name in (OPEN, "gone", "off")]
    for number in range(SIGNALS):
        await handles[0].signal("note", number)
    await handles[1].terminate("enough")
    await handles[2].cancel()
    with contextlib.suppress(WorkflowFailedError):
        await handles[2].result(timeout=60)


@pytest.fixture(scope="session")
def traded() -> Iterator[Path]:
    """The SQLite file that the trade has left, by processes that were killed at its end."""
    with tempfile.TemporaryDirectory(prefix="dalsegno-") as path:
        folder = Path(path)
        stack = Stack(
            broker=f"embedded://{folder / 'broker.db'}",
            database=f"sqlite:///{folder / 'dalsegno.db'}",
            folder=folder,
            modules=["examples.orders"],
            host_flags=["--history-limit", str(HISTORY_LIMIT)],
        )
        with stack:
            asyncio.run(_trade(stack))
        yield folder / "dalsegno.db"


@pytest.fixture(scope="session")
def postgres_namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    server_url = DATABASE_URL or request.getfixturevalue("postgres_server").url
    with fresh_database(server_url) as url:
        open_store(url).migrate(partitions=PARTITIONS)
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def empty_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A namespace in which nothing has happened."""
    if kind == "sqlite":
        file_url = f"sqlite:///{tmp_path / 'dalsegno.db'}"
        open_store(file_url).migrate(partitions=PARTITIONS)
        return file_url
    url: str = request.getfixturevalue("postgres_namespace")
    with opened(url) as connection:
        for table in metadata.sorted_tables:
            if table is not meta and table is not leases:
                connection.execute(sa.delete(table))
        connection.execute(sa.update(leases).values(owner=None, epoch=0))
    return url


@pytest.fixture
def writer(empty_url: str) -> Iterator[Writer]:
    """Of a host that owns all partitions in epoch 1."""
    store = open_store(empty_url)
    membership = store.membership()
    membership.join(HOST, ttl=3_600_000_000, version="1", format_read=CODEC.newest)
    leases = membership.take(nths(PARTITIONS), HOST)
    assert {lease.epoch for lease in leases} == {1}
    yield store.writer()
    store.close()


@pytest.fixture
def traded_url(kind: str, empty_url: str, traded: Path) -> str:
    """A copy of what the trade has left."""
    if kind == "sqlite":
        path = parse_url(empty_url).path
        with (
            contextlib.closing(sqlite3.connect(traded)) as source,
            contextlib.closing(sqlite3.connect(path)) as to,
        ):
            source.backup(to)
        return empty_url
    with opened(f"sqlite:///{traded}") as source, opened(empty_url) as target:
        for table in metadata.sorted_tables:
            target.execute(sa.delete(table))
            rows = [dict(row._mapping) for row in source.execute(sa.select(table))]
            if rows:
                target.execute(sa.insert(table), rows)
    return empty_url


@contextlib.contextmanager
def opened(url: str) -> Iterator[sa.Connection]:
    """A connection that may do what it likes, committed at the end."""
    engine = open_database(url).engine(Role.SCHEMA)
    with engine.begin() as connection:
        yield connection
    engine.dispose()
