"""Tables looked at, and made, by hand: as older or newer versions leave them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from dalsegno.persistence import open_database, schema
from dalsegno.persistence.database import Role


@contextmanager
def bare_connection(url: str) -> Iterator[sa.Connection]:
    """A connection that owes nothing to the code under test."""
    base, _, schema = url.partition("?schema=")
    engine = sa.create_engine(
        base.replace("postgresql://", "postgresql+psycopg://"),
        connect_args={"options": f"-c search_path={schema}"} if schema else {},
    )
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def set_revision(url: str, revision: str, *, readable_by: str | None = None) -> None:
    """As if a version that knows it had been here."""
    with bare_connection(url) as connection:
        connection.execute(sa.text("UPDATE dalsegno_version SET version_num = :to"), {"to": revision})
        if readable_by is not None:
            connection.execute(sa.text("UPDATE meta SET readable_by = :by"), {"by": readable_by})


def tables_of(url: str, revision: str, *, partitions: int = 3) -> None:
    """Tables as an older version has made them, with a namespace."""
    database = open_database(url)
    engine = database.engine(Role.SCHEMA)
    with engine.begin() as connection:
        database.prepare_namespace(connection)
        schema._Migrations(connection).upgrade(revision)
        for number in range(partitions):
            lease = {"partition": number, "epoch": 0}
            connection.execute(
                sa.text("INSERT INTO leases (partition, epoch) VALUES (:partition, :epoch)"), lease
            )
        known = {"id": 1, "generation": 1, "partitions": partitions, "hash_seed": 7}
        named = known if revision == "0001" else {**known, "identity": "x"}
        places = ", ".join(f":{name}" for name in named)
        connection.execute(sa.text(f"INSERT INTO meta ({', '.join(named)}) VALUES ({places})"), named)
    engine.dispose()


def old_host(url: str, host_id: str = "old", *, expires_at: int = 9_000_000_000_000_000) -> None:
    """A host of the version that made revision 0006, or one before, has joined."""
    with bare_connection(url) as connection:
        row = {"host": host_id, "until": expires_at}
        statement = "INSERT INTO hosts (host_id, expires_at, version) VALUES (:host, :until, '0.1.0')"
        connection.execute(sa.text(statement), row)
