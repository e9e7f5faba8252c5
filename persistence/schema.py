"""The schema's version: made and raised by `migrate`, checked by everybody else.

Revisions are numbered 0001, 0002, ...; a host checks the number alone, so that it need not load Alembic. Tables
are raised while hosts live, one transaction for each revision.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import sqlalchemy as sa

from dalsegno.errors import ConfigurationError, SchemaError
from dalsegno.persistence import formats
from dalsegno.persistence.database import Database, schema_error
from dalsegno.persistence.port import Namespace
from dalsegno.persistence.tables import HEAD, MIN_REVISION, VERSION_TABLE, leases, meta
from dalsegno.persistence.watermark import read_watermark

FIRST_GENERATION = 1
DEFAULT_PARTITIONS = 16


def migrate(
    database: Database, connection: sa.Connection, *, partitions: int | None, force: bool = False
) -> Namespace | None:
    """Create tables, meta row and lease rows, or upgrade the tables by one revision, in one transaction that
    the caller has begun. None: there is more to do, but not in the same one, because hosts wait for what a
    migration has locked. Newer tables with which this version can work are left as they are.

    ConfigurationError when the namespace has another number of partitions; None is whatever it has.
    SchemaError, unless by `force`, when live hosts could not work with the tables as they would be.
    """
    if partitions is not None and partitions < 1:
        raise ConfigurationError("A namespace has at least one partition.")
    database.prepare_namespace(connection)
    revision = _revision(connection)
    if revision is None:
        _create(connection, partitions or DEFAULT_PARTITIONS)
    elif partitions not in (None, has := connection.scalar(sa.select(meta.c.partitions))):
        raise ConfigurationError(
            f"The namespace in {database.url.shown} has {has} partitions, not {partitions}; leave the number "
            "as it is."
        )
    elif revision < HEAD:
        _raise_tables(database, connection, revision, force=force)
    else:
        _refuse_unreadable(database, connection, revision)
    return None if formats.revision_of(connection) < HEAD else _read(connection)


def read_namespace(database: Database, connection: sa.Connection) -> Namespace:
    """The meta row; SchemaError when the tables are missing, too old or too new."""
    revision = _revision(connection)
    if revision is None:
        raise schema_error(database.url, f"The database {database.url.shown} has no tables of dalsegno")
    if revision < MIN_REVISION:
        raise schema_error(
            database.url,
            f"The tables in {database.url.shown} are of revision {revision}, this version needs {MIN_REVISION} "
            f"or newer",
        )
    _refuse_unreadable(database, connection, revision)
    return _read(connection)


def _refuse_unreadable(database: Database, connection: sa.Connection, revision: str) -> None:
    if revision > HEAD and connection.execute(sa.select(meta.c.readable_by)).scalar_one() > HEAD:
        raise SchemaError(
            f"The tables in {database.url.shown} are of revision {revision}, which is newer than this version "
            f"of dalsegno can work with ({HEAD}); upgrade dalsegno."
        )


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return formats.revision_of(connection)


def _create(connection: sa.Connection, partitions: int) -> None:
    migrations = _Migrations(connection)
    migrations.upgrade()
    row = {"id": 1, "generation": FIRST_GENERATION, "partitions": partitions}
    made_up = {"hash_seed": secrets.randbits(32), "identity": secrets.token_hex(16)}
    readable_by = migrations.readable_by(HEAD)
    connection.execute(sa.insert(meta).values(**row, **made_up, readable_by=readable_by))
    connection.execute(sa.insert(leases), [{"partition": number, "epoch": 0} for number in range(partitions)])


def _raise_tables(database: Database, connection: sa.Connection, revision: str, *, force: bool) -> None:
    migrations = _Migrations(connection)
    if not force:
        _refuse_while_older_hosts_live(database, connection, revision, migrations.readable_by(HEAD))
    migrations.upgrade("+1")
    raised = formats.revision_of(connection)
    if formats.are_kept(raised):
        connection.execute(sa.update(meta).values(readable_by=migrations.readable_by(raised)))


def _refuse_while_older_hosts_live(
    database: Database, connection: sa.Connection, revision: str, readable_by: str
) -> None:
    """They would go on, but be refused at their next start, of which nobody would think then."""
    older = [host for host in formats.live_hosts(database, connection, revision) if host.head < readable_by]
    if older:
        named = ", ".join(f"{host.host_id} (dalsegno {host.version})" for host in older)
        raise SchemaError(
            f"Hosts are running that cannot work with the tables of this version: {named}. Replace them first "
            f"(hosts of this version work with the tables as they are), then run `dalsegno init` again; or run "
            f"it with --force, and they go on until they are started anew, and are refused then."
        )


class _Migrations:
    """Alembic's. It takes a tenth of a second to import, and only `dalsegno init` needs it."""

    def __init__(self, connection: sa.Connection) -> None:
        from alembic.config import Config

        folder = Path(__file__).parent / "migrations"
        self._config = Config()
        self._config.set_main_option("script_location", str(folder).replace("%", "%%"))
        self._config.set_main_option("path_separator", "os")
        self._config.attributes["connection"] = connection

    def readable_by(self, revision: str) -> str:
        """What that one says of itself."""
        from alembic.script import ScriptDirectory

        found: str = ScriptDirectory.from_config(self._config).get_revision(revision).module.readable_by
        return found

    def upgrade(self, to: str = "head") -> None:
        from alembic import command
        from alembic.util import CommandError

        try:
            command.upgrade(self._config, to)
        except CommandError as error:
            raise SchemaError(f"The tables cannot be upgraded: {error}") from error


def _read(connection: sa.Connection) -> Namespace:
    row = connection.execute(
        sa.select(meta.c.generation, meta.c.partitions, meta.c.hash_seed, meta.c.identity)
    ).one()
    revision = formats.revision_of(connection)
    written, asked = formats.read(connection, revision)
    return Namespace(
        generation=row.generation,
        partitions=row.partitions,
        hash_seed=row.hash_seed,
        identity=row.identity,
        watermark=read_watermark(connection),
        revision=revision,
        format_written=written,
        format_asked=asked,
    )
