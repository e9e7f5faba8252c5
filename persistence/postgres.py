"""PostgreSQL: connections and the meaning of its errors.

Durability is the server's `synchronous_commit`, which is on by default: leave it on.

Plans are made once per statement and must outlive the growth of tables that were empty then, so connections of
the hot path rule out every plan but look-ups by index (a hash join over an empty table is the cheapest plan,
and ruinous a minute later).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from dalsegno.errors import ConfigurationError
from dalsegno.persistence.database import (
    PEOPLE_SECONDS,
    READING,
    DataRefusedError,
    Role,
    StatementTimeoutError,
    schema_error,
    storable,
    unavailable,
)
from dalsegno.persistence.port import Writer
from dalsegno.persistence.postgres_arrays import register
from dalsegno.persistence.postgres_writer import PostgresWriter
from dalsegno.persistence.tables import COLUMNS_OF_JOURNAL
from dalsegno.persistence.url import DatabaseURL

_INDEX_LOOKUPS_ONLY = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    # A table without a fitting index (leases by owner) is still scanned, at a cost so high that PostgreSQL
    # would compile the statement: 0.2 s for a dozen rows.
    "jit": "off",
}

_READING = {"statement_timeout": "30s", **_INDEX_LOOKUPS_ONLY}
# An index is walked from a key on and left after a few rows; a bitmap scan would fetch all that is behind the
# key, and sort it.
_WALKING = {**_READING, "enable_bitmapscan": "off"}

_SETTINGS: dict[Role, dict[str, str]] = {
    Role.WRITER: {"lock_timeout": "5s", "statement_timeout": "30s", **_INDEX_LOOKUPS_ONLY},
    Role.READER: _READING,
    # What people ask for may be rare or not: only a plan for the very values knows.
    Role.PEOPLE: {
        **_WALKING,
        "plan_cache_mode": "force_custom_plan",
        "statement_timeout": f"{PEOPLE_SECONDS}s",
    },
    Role.AUDITOR: _WALKING,
    # A take-over waits for a commit that holds the lease's row, and a renewal that comes late is worthless.
    Role.MEMBERSHIP: {"lock_timeout": "2s", "statement_timeout": "3s", **_INDEX_LOOKUPS_ONLY},
    Role.SCHEMA: {"lock_timeout": "60s"},
}
"""Per role. `idle_in_transaction_session_timeout` is for all: 5 s, which lies below a lease's time, so that a
host frozen inside a transaction does not keep its rows locked from those who take over."""

_ISOLATION = {
    Role.WRITER: "AUTOCOMMIT",
    Role.READER: "REPEATABLE READ",
    Role.PEOPLE: "REPEATABLE READ",
    Role.AUDITOR: "REPEATABLE READ",
}

_WAITING_FOR_STANDBY = "SyncRepWaitForLSN"
"""The function of the server that warns, as it ends the wait of a commit before a standby has it. Its text may
be in any language."""
_DOUBT = "dalsegno doubt"
"""What it said, among the notes that SQLAlchemy keeps for a connection's life."""

_INTRODUCTION = "SELECT current_setting('dalsegno.role', true), current_setting('server_encoding')"

_SOCKET = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
"""A silent server is given up within some ten seconds. Seconds, but for the last (milliseconds)."""

_MENDABLE = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "not permitted to log in",
    "permission denied",
    "does not support SSL",
    "unsupported startup parameter",
    "invalid",
)
"""What a refused connection says when waiting will not help. libpq gives no SQLSTATE for it, only a text; one
in another language counts as passing."""

# In both, the subquery keeps the planner to the primary key, whatever it thinks of the array's length.
_ANSWERS = """
    SELECT found.* FROM unnest(CAST(:ids AS text[])) AS asked(workflow_id)
    CROSS JOIN LATERAL (
        SELECT seen.workflow_id, seen.message_id, seen.type, seen.answer FROM seen
        WHERE seen.workflow_id = asked.workflow_id LIMIT :most
    ) AS found"""
_TAILS = f"""
    SELECT found.* FROM unnest(CAST(:ids AS text[]), CAST(:after AS bigint[])) AS asked(run_id, after)
    CROSS JOIN LATERAL (
        SELECT {COLUMNS_OF_JOURNAL} FROM journal
        WHERE journal.run_id = asked.run_id AND journal.sequence > asked.after
        ORDER BY journal.sequence OFFSET 0
    ) AS found"""

_MIGRATION_LOCK = 0x64616C73
"""An advisory lock that no other program is likely to take: `dals` in ASCII."""


class Postgres:
    """A PostgreSQL database, or one schema of it."""

    driver_error: type[Exception] = psycopg.Error

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url

    def engine(self, role: Role) -> sa.Engine:
        # libpq has read the URL and connects by it: SQLAlchemy has an idea of its own of several hosts.
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(**self._connection_parameters(role)),
            poolclass=sa.NullPool,
            isolation_level=_ISOLATION.get(role, "READ COMMITTED"),
            use_native_hstore=False,
            hide_parameters=True,
        )
        sa.event.listen(engine, "connect", lambda connection, record: self._prepare(connection, record, role))
        return engine

    def _connection_parameters(self, role: Role) -> dict[str, Any]:
        given = self.url.parameters
        # Of several hosts only the one that takes writes is of use; to readers as well, who read their own.
        several = {"target_session_attrs": "read-write"} if "," in given.get("host", "") else {}
        return {
            **_SOCKET,
            **several,
            **given,
            "application_name": f"dalsegno {role.value}",
            "client_encoding": "UTF8",
            "options": self._options(role),
            "prepare_threshold": 0,
        }

    def _options(self, role: Role) -> str:
        settings = {"idle_in_transaction_session_timeout": "5s", "dalsegno.role": role.value, **_SETTINGS[role]}
        if self.url.schema is not None:
            settings["search_path"] = self.url.schema
        given = self.url.parameters.get("options", "")
        return " ".join([*(f"-c {name}={value}" for name, value in settings.items()), given])

    def _prepare(
        self, connection: psycopg.Connection[Any], record: sa.pool.ConnectionPoolEntry, role: Role
    ) -> None:
        """Raises ConfigurationError where the server, or what stands before it, is none for dalsegno."""

        def heard(notice: psycopg.errors.Diagnostic) -> None:
            if notice.source_function == _WAITING_FOR_STANDBY:
                record.info[_DOUBT] = notice.message_primary or "the wait for a standby was cancelled"

        connection.add_notice_handler(heard)
        if role in READING:
            # Not an option of the start: libpq would take every host for a standby.
            connection.execute("SET default_transaction_read_only = on")
        found = connection.execute(_INTRODUCTION).fetchone()
        connection.commit()
        assert found is not None, "a SELECT without FROM has one row"
        known_role, encoding = found
        if not known_role:
            # A pooler may drop them in silence: the tables would be another schema's, and no time bounded.
            raise ConfigurationError(
                f"What stands before the database {self.url.shown} drops the start-up options of connections, "
                "as PgBouncer can be told to; connect to PostgreSQL itself."
            )
        if encoding != "UTF8":
            raise ConfigurationError(
                f"The database {self.url.shown} has the encoding {encoding}, which cannot hold every text; "
                "make one for dalsegno with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0."
            )
        if role is Role.WRITER:
            register(connection)

    def writer(self) -> Writer:
        return PostgresWriter(self)

    def now(self) -> sa.ColumnElement[int]:
        return sa.literal_column(
            "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint", sa.BigInteger()
        )

    def among(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        return column == sa.any_(sa.bindparam(parameter, type_=ARRAY(column.type)))

    def keys(self, values: Iterable[Any]) -> list[Any]:
        return [value for value in values if storable(value)]

    def answers(self) -> sa.TextClause:
        return sa.text(_ANSWERS)

    def tails(self) -> sa.TextClause:
        return sa.text(_TAILS)

    def runs_after(self, sequences: Mapping[str, int]) -> Mapping[str, Any]:
        return {"ids": list(sequences.keys()), "after": list(sequences.values())}

    def insert_or_update(self, table: sa.Table, row: Mapping[str, Any], update: Mapping[str, Any]) -> sa.Insert:
        return insert(table).values(row).on_conflict_do_update(constraint=table.primary_key, set_=update)

    def prepare_namespace(self, connection: sa.Connection) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        # Behind a table's lock that is waited for (a backup is being made) all hosts wait, whose leases run on.
        connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        if self.url.schema is not None:
            connection.execute(sa.schema.CreateSchema(self.url.schema, if_not_exists=True))

    def check_outcome(self, connection: sa.Connection) -> None:
        if doubt := connection.info.get(_DOUBT):
            raise unavailable(self.url, f"a commit may not have reached the synchronous standby ({doubt})")

    def translate(self, error: Exception) -> Exception:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if not isinstance(cause, psycopg.Error):
            return error
        state = cause.sqlstate or ""
        if state[:2] in ("22", "23", "54") or isinstance(cause, psycopg.DataError | psycopg.IntegrityError):
            return _refused(cause)
        if state in ("42P01", "42703", "3F000"):
            return schema_error(
                self.url, f"The database {self.url.shown} lacks tables or columns of this version"
            )
        if state == "42P07":
            return ConfigurationError(
                f"The database {self.url.shown} has a table of another program under a name that dalsegno "
                "needs; give dalsegno a schema of its own with ?schema=dalsegno in the URL."
            )
        if state[:2] in ("28", "3D") or state == "42501" or (not state and _mendable(cause)):
            return ConfigurationError(
                f"The database {self.url.shown} refuses: {_sentence(cause)}; check host and port (is it "
                "PostgreSQL that answers there?), user, password, database name and rights."
            )
        if state[:2] == "42" or (not state and not isinstance(cause, psycopg.OperationalError)):
            return error  # a fault of ours: nothing that passes or that a user could mend
        if state == "57014":
            return StatementTimeoutError(str(unavailable(self.url, _sentence(cause))))
        return unavailable(self.url, _sentence(cause))


def _refused(cause: psycopg.Error) -> DataRefusedError:
    where = cause.diag.constraint_name or cause.diag.table_name
    return DataRefusedError(
        f"PostgreSQL refused the data: {type(cause).__name__}" + (f" ({where})" if where else "")
    )


def _mendable(cause: psycopg.Error) -> bool:
    text = str(cause)
    return isinstance(cause, psycopg.OperationalError | psycopg.ProgrammingError) and any(
        phrase in text for phrase in _MENDABLE
    )


def _sentence(cause: psycopg.Error) -> str:
    """The server's or libpq's first line. These are about connections and limits: no payload is in them."""
    text = cause.diag.message_primary or str(cause)
    return (text.strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
