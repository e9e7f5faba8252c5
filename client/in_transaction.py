"""A command that is sent if, and only if, the caller's own database transaction commits.

It is written into the table `inbox` of the namespace, over the caller's connection; after the commit a host
sends it on. The connection is one of psycopg or SQLAlchemy, which is never imported here: whoever has one has
loaded it.
"""

from __future__ import annotations

import inspect
from typing import Any

from dalsegno import given
from dalsegno.broker.message_bytes import encode_message
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.protocol.messages import WireMessage
from dalsegno.errors import ConfigurationError

_EXPECTED = "a connection of psycopg, or a connection or session of SQLAlchemy"
_NOW = {
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
}
"""The database's time in microseconds, by the name of its dialect: hosts go by it, too."""


async def write_in_transaction(
    connection: Any, command: WireMessage, message_id: str, schema: str | None
) -> None:
    """Raises TypeError for what is no such connection, ConfigurationError for one to another kind of database,
    and the driver's own errors."""
    row = encode_message(encode(command, message_id=message_id))
    table = "inbox" if schema is None else f"{_quoted(given.text('schema', schema))}.inbox"
    library = _library(connection)
    if library == "psycopg":
        done = connection.execute(
            f"INSERT INTO {table} (time, message) VALUES ({_NOW['postgresql']}, %s)", [row]
        )
    elif library == "sqlalchemy":
        from sqlalchemy import text

        name = _dialect(connection)
        if name not in _NOW:
            raise ConfigurationError(
                f"The connection is to {name}; a start in your transaction needs the database of "
                "dalsegno's own tables, which is PostgreSQL or SQLite."
            )
        statement = text(f"INSERT INTO {table} (time, message) VALUES ({_NOW[name]}, :message)")
        done = connection.execute(statement, {"message": row})
    else:
        raise given.wrong_type("connection", connection, _EXPECTED)
    if inspect.isawaitable(done):
        await done


def _library(connection: object) -> str | None:
    """By its class, so that a subclass and a session are known, too."""
    if not hasattr(connection, "execute") or isinstance(connection, type):
        return None
    libraries = {cls.__module__.partition(".")[0] for cls in type(connection).__mro__}
    return next((name for name in ("psycopg", "sqlalchemy") if name in libraries), None)


def _dialect(connection: Any) -> str:
    bind = connection.get_bind() if hasattr(connection, "get_bind") else connection
    return str(bind.dialect.name)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
