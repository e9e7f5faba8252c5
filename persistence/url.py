"""A database URL, read once and never shown with its password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from dalsegno.errors import ConfigurationError

_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SQLITE_FILE = "sqlite:///"
_EXAMPLES = "postgresql://user:password@host/database or sqlite:///file"
_UNREADABLE = (
    "The database URL cannot be read: write postgresql://user:password@host:port/database "
    "with special characters of the password percent-encoded, or sqlite:///file."
)


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """A URL that was found well-formed; nothing was connected to yet."""

    shown: str
    """The URL without its secrets, for messages and logs."""
    file: Path | None = None
    """What a SQLite URL names, absolute; None for PostgreSQL."""
    schema: str | None = None
    """The PostgreSQL schema that is the namespace; None is whatever the user's search path says."""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """How PostgreSQL is connected to, in libpq's words. The password is among them."""

    @property
    def is_sqlite(self) -> bool:
        return self.file is not None

    @property
    def path(self) -> Path:
        """The file of a SQLite URL, absolute."""
        assert self.file is not None, "only SQLite has a file"
        return self.file


def parse_url(url: str) -> DatabaseURL:
    """Read `sqlite:///file`, or a PostgreSQL URL as libpq knows it: several hosts, `service=`, Unix sockets.

    `schema=name` in its query is ours. ConfigurationError says in one sentence what is wrong with the URL.
    """
    scheme = url.partition(":")[0]
    if scheme not in ("postgresql", "postgres", "sqlite") or ":" not in url:
        knows = f"; dalsegno knows no scheme {scheme[:20]!r}" if ":" in url else ""
        raise ConfigurationError(f"A database URL begins with {_EXAMPLES}{knows}.")
    return _sqlite(url) if scheme == "sqlite" else _postgres(url)


def _sqlite(url: str) -> DatabaseURL:
    name, _, query = url.removeprefix(_SQLITE_FILE).partition("?")
    if not url.startswith(_SQLITE_FILE) or name in ("", ":memory:"):
        raise ConfigurationError(
            "A SQLite URL names a file: sqlite:///relative.db or sqlite:////absolute/path.db."
        )
    if query:
        names = [parameter.partition("=")[0] for parameter in query.split("&")]
        raise ConfigurationError(f"A SQLite URL takes no parameters; remove {', '.join(names)}.")
    return DatabaseURL(shown=f"{_SQLITE_FILE}{name}", file=Path(name).absolute())


def _postgres(url: str) -> DatabaseURL:
    location, schemas = _without_schema(url)
    parameters, secrets = _as_libpq_reads(location)
    if "@" in parameters.get("host", "") or not _are_ports(parameters.get("port", "")):
        raise ConfigurationError(_UNREADABLE)  # it was a piece of the password
    if not parameters.get("dbname") and "service" not in parameters:
        raise ConfigurationError(
            "The PostgreSQL URL names no database: write postgresql://user:password@host/database."
        )
    schema = schemas[0] if schemas else None
    if len(schemas) > 1 or (
        schema is not None and (not _SCHEMA_NAME.fullmatch(schema) or schema.startswith("pg_"))
    ):
        raise ConfigurationError(
            "The parameter `schema` of the database URL must be one name of lower-case letters, digits and "
            "underscores that does not begin with a digit or with pg_."
        )
    return DatabaseURL(_shown(parameters, secrets, schema), schema=schema, parameters=parameters)


def _without_schema(url: str) -> tuple[str, list[str]]:
    """The URL as libpq takes it, which refuses what it does not know, and the values of `schema`."""
    location, _, query = _behind_user(url)
    if "@" in location:
        raise ConfigurationError(_UNREADABLE)
    given = [parameter for parameter in query.split("&") if parameter]
    schemas = [unquote(value) for name, _, value in (p.partition("=") for p in given) if name == "schema"]
    others = "&".join(parameter for parameter in given if parameter.partition("=")[0] != "schema")
    bare = url.removesuffix(f"?{query}") if query else url.removesuffix("?")
    return (f"{bare}?{others}" if others else bare), schemas


def _behind_user(url: str) -> tuple[str, str, str]:
    """Host and database, "?", and the query. User and password end, as in libpq, at an "@" before any "/"."""
    authority = url.partition("://")[2]
    before, found, behind = authority.partition("@")
    return (behind if found and "/" not in before else authority).partition("?")


def _as_libpq_reads(url: str) -> tuple[dict[str, str], frozenset[str]]:
    """Its connection parameters, and the names of those that are secrets."""
    # Only who uses PostgreSQL loads its driver.
    import psycopg
    from psycopg import pq

    try:
        options = pq.Conninfo.parse(url.encode())
        found = {option.keyword.decode(): option.val.decode() for option in options if option.val is not None}
    except (psycopg.Error, ValueError) as error:
        # What the parser says may quote the password; but for the name of a parameter, where no password is.
        unknown = re.fullmatch(r'invalid URI query parameter: "(\w+)"', str(error).strip())
        if unknown and "@" not in url.partition("?")[2]:
            raise ConfigurationError(
                f"The database URL has a parameter that PostgreSQL does not know, {unknown[1]!r}: remove it."
            ) from None
        raise ConfigurationError(_UNREADABLE) from None
    return found, frozenset(option.keyword.decode() for option in options if option.dispchar == b"*")


def _are_ports(ports: str) -> bool:
    return all(re.fullmatch(r"[0-9]{0,5}", port) for port in ports.split(","))


def _shown(parameters: Mapping[str, str], secrets: frozenset[str], schema: str | None) -> str:
    rest = dict(parameters)
    user, password = rest.pop("user", ""), rest.pop("password", None)
    authority = quote(user, safe="") + (":***" if password is not None else "")
    hosts, ports = rest.pop("host", "").split(","), rest.pop("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    places = [_host(host) + (f":{port}" if port else "") for host, port in zip(hosts, ports, strict=False)]
    database = quote(rest.pop("dbname", ""), safe="")
    query = {name: "***" if name in secrets else quote(value, safe="/") for name, value in rest.items()}
    if schema is not None:
        query["schema"] = schema
    return (
        f"postgresql://{authority}{'@' if authority else ''}{','.join(places)}/{database}"
        + ("?" if query else "")
        + "&".join(f"{name}={value}" for name, value in query.items())
    )


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else quote(host, safe="")
