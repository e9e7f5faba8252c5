"""A database URL, read once and never shown with its password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from dalsegno.errors import ConfigurationError

_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SECRETS = ("password", "sslpassword")


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """A URL that was found well-formed; nothing was connected to yet."""

    address: sa.URL
    schema: str | None
    """The PostgreSQL schema that is the namespace; None is whatever the user's search path says."""

    @property
    def is_sqlite(self) -> bool:
        return self.address.drivername == "sqlite"

    @property
    def path(self) -> Path:
        """The file of a SQLite URL, absolute."""
        assert self.is_sqlite, "only SQLite has a file"
        return Path(self.address.database or "").absolute()

    @property
    def shown(self) -> str:
        """The URL without its secrets, for messages and logs."""
        hidden = {name: "hidden" for name in _SECRETS if name in self.address.query}
        query = hidden | ({"schema": self.schema} if self.schema else {})
        return self.address.update_query_dict(query).render_as_string(hide_password=True)


def parse_url(url: str) -> DatabaseURL:
    """Read `postgresql://user:password@host:port/database?schema=name` or `sqlite:///file`.

    ConfigurationError says in one sentence what is wrong with it.
    """
    scheme = url.partition(":")[0]
    if scheme not in ("postgresql", "postgres", "sqlite"):
        raise ConfigurationError(
            "A database URL begins with postgresql://user:password@host/database or sqlite:///file; "
            f"dalsegno knows no scheme {scheme[:20]!r}."
            if ":" in url
            else "A database URL begins with postgresql://user:password@host/database or sqlite:///file."
        )
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # What the parser says may quote the password.
        raise ConfigurationError(
            "The database URL cannot be read: write postgresql://user:password@host:port/database "
            "with special characters of the password percent-encoded, or sqlite:///file."
        ) from None
    if scheme == "sqlite":
        return _sqlite(address)
    # The parser drops a blank parameter, and a template that was left unfilled would mean another schema.
    return _postgres(address, blank_schema=re.search(r"[?&]schema=(&|$)", url) is not None)


def _sqlite(address: sa.URL) -> DatabaseURL:
    if address.host or not address.database or address.database == ":memory:":
        raise ConfigurationError(
            "A SQLite URL names a file: sqlite:///relative.db or sqlite:////absolute/path.db."
        )
    if address.query:
        raise ConfigurationError(f"A SQLite URL takes no parameters; remove {', '.join(address.query)}.")
    return DatabaseURL(address, None)


def _postgres(address: sa.URL, *, blank_schema: bool) -> DatabaseURL:
    if not address.database:
        raise ConfigurationError(
            "The PostgreSQL URL names no database: write postgresql://user:password@host/database."
        )
    schema = address.query.get("schema", "" if blank_schema else None)
    if schema is not None and (
        not isinstance(schema, str) or not _SCHEMA_NAME.fullmatch(schema) or schema.startswith("pg_")
    ):
        raise ConfigurationError(
            "The parameter `schema` of the database URL must be one name of lower-case letters, digits and "
            "underscores that does not begin with a digit or with pg_."
        )
    return DatabaseURL(address.difference_update_query(["schema"]).set(drivername="postgresql"), schema)
