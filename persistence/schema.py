"""The schema's version: made and raised by `migrate`, checked by everybody else.

Revisions are numbered 0001, 0002, ...; a host checks the number alone, so that it need not load Alembic.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import sqlalchemy as sa

from dalsegno.errors import ConfigurationError, SchemaError
from dalsegno.persistence import tables
from dalsegno.persistence.database import Database, schema_error
from dalsegno.persistence.port import Namespace, Watermark

HEAD = "0006"
"""The newest revision in `migrations/versions`."""

FIRST_GENERATION = 1
DEFAULT_PARTITIONS = 16


def migrate(database: Database, connection: sa.Connection, *, partitions: int | None) -> Namespace:
    """Create or upgrade tables, meta row and lease rows, in one transaction that the caller has begun.

    ConfigurationError when the namespace has another number of partitions; None is whatever it has.
    """
    if partitions is not None and partitions < 1:
        raise ConfigurationError("A namespace has at least one partition.")
    database.prepare_namespace(connection)
    _refuse_newer(database, _revision(connection))
    _upgrade(connection)
    _found_namespace(connection, partitions or DEFAULT_PARTITIONS)
    found = _read(connection)
    if partitions not in (None, found.partitions):
        raise ConfigurationError(
            f"The namespace in {database.url.shown} has {found.partitions} partitions, not {partitions}; "
            f"leave the number as it is."
        )
    return found


def read_namespace(database: Database, connection: sa.Connection) -> Namespace:
    """The meta row; SchemaError when the tables are missing, too old or too new."""
    revision = _revision(connection)
    _refuse_newer(database, revision)
    if revision is None:
        raise schema_error(database.url, f"The database {database.url.shown} has no tables of dalsegno")
    if revision < HEAD:
        raise schema_error(
            database.url,
            f"The tables in {database.url.shown} are of revision {revision}, this version needs {HEAD}",
        )
    return _read(connection)


def _refuse_newer(database: Database, revision: str | None) -> None:
    if revision is not None and revision > HEAD:
        raise SchemaError(
            f"The tables in {database.url.shown} are of revision {revision}, which is newer than this version "
            f"of dalsegno knows ({HEAD}); upgrade dalsegno."
        )


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(tables.VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(
        sa.select(sa.column("version_num")).select_from(sa.table(tables.VERSION_TABLE))
    )
    return revision


def _upgrade(connection: sa.Connection, to: str = "head") -> None:
    # Alembic takes a tenth of a second to import, and only `dalsegno init` needs it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError as error:
        raise SchemaError(f"The tables cannot be upgraded: {error}") from error


def _found_namespace(connection: sa.Connection, partitions: int) -> None:
    if connection.scalar(sa.select(tables.meta.c.id)) is not None:
        return
    connection.execute(
        sa.insert(tables.meta).values(
            id=1,
            generation=FIRST_GENERATION,
            partitions=partitions,
            hash_seed=secrets.randbits(32),
            identity=secrets.token_hex(16),
        )
    )
    connection.execute(
        sa.insert(tables.leases), [{"partition": number, "epoch": 0} for number in range(partitions)]
    )


def _read(connection: sa.Connection) -> Namespace:
    row = connection.execute(sa.select(tables.meta)).one()
    return Namespace(
        generation=row.generation,
        partitions=row.partitions,
        hash_seed=row.hash_seed,
        identity=row.identity,
        watermark=Watermark(row.watermark, row.watermark_at),
    )
