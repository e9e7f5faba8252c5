"""What a person may get wrong about the database URL, and what is said about it."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from dalsegno.errors import ConfigurationError, StoreUnavailableError
from dalsegno.persistence import open_database, open_store
from dalsegno.persistence.postgres import Postgres
from dalsegno.persistence.url import parse_url
from tests.servers import PostgresServer

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "begins with postgresql://"),
        ("dalsegno.db", "begins with postgresql://"),
        (f"mysql://user:{SECRET}@host/db", "no scheme 'mysql'"),
        (f"postgresql+asyncpg://user:{SECRET}@host/db", "no scheme"),
        (f"postgresql://user:{SECRET}@host:port/db", "cannot be read"),
        (f"postgresql://user:{SECRET}", "cannot be read"),
        (f"postgresql://user:{SECRET}@host", "names no database"),
        (f"postgresql://user:{SECRET}@host/", "names no database"),
        (f"postgresql://user:{SECRET}@host/db?schema=a;b", "schema"),
        (f"postgresql://user:{SECRET}@host/db?schema=", "schema"),
        (f"postgresql://user:{SECRET}@host/db?schema=pg_x", "schema"),
        (f"postgresql://user:{SECRET}@host/db?schema=a&schema=b", "schema"),
        ("sqlite://", "names a file"),
        ("sqlite:///", "names a file"),
        ("sqlite:///:memory:", "names a file"),
        ("sqlite://dalsegno.db", "names a file"),
        ("sqlite:///dalsegno.db?schema=a", "takes no parameters"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_a_sentence_without_the_password(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        open_store(url)
    assert says in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_url_is_shown_without_secrets() -> None:
    url = f"postgresql://user:{SECRET}@host:5433/db?schema=orders&sslpassword={SECRET}x&sslmode=require"
    shown = parse_url(url).shown
    assert SECRET not in shown
    for part in ("postgresql://user:***@host:5433/db", "schema=orders", "sslmode=require"):
        assert part in shown


def test_an_absolute_and_a_relative_file_are_told_apart() -> None:
    assert str(parse_url("sqlite:////var/lib/dalsegno.db").path) == "/var/lib/dalsegno.db"
    assert parse_url("sqlite:///state/dalsegno.db").path.parts[-2:] == ("state", "dalsegno.db")
    assert parse_url("sqlite:///state/dalsegno.db").path.is_absolute()


@pytest.fixture
def password_user(private_postgres: PostgresServer) -> str:
    """The URL of the server for a user whose password the server asks for."""
    address = urlsplit(private_postgres.url)
    with psycopg.connect(private_postgres.url, autocommit=True) as connection:
        (hba,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        rules = "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        write = sql.SQL("COPY (SELECT unnest(string_to_array({}, E'\\n'))) TO {}")
        connection.execute(write.format(sql.Literal(rules), sql.Literal(hba)))
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("DROP ROLE IF EXISTS guarded")
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    return f"postgresql://guarded:right@{address.hostname}:{address.port}/postgres"


@pytest.mark.postgres
@pytest.mark.parametrize(
    "break_url",
    [
        lambda url: url.replace(":right@", f":{SECRET}@"),
        lambda url: url.replace(":right@", "@"),
        lambda url: url.replace("/postgres", "/nowhere").replace(":right@", ":right@"),
        lambda url: url.replace("guarded:", "nobody_of_that_name:"),
        lambda url: url + "?sslmode=require",
        lambda url: url + "?sslmode=perhaps",
        lambda url: url + "?nonsense=1",
    ],
    ids=[
        "wrong password",
        "no password",
        "no such database",
        "no such user",
        "no TLS",
        "bad value",
        "bad option",
    ],
)
def test_what_a_person_must_mend_is_a_configuration_error(password_user: str, break_url: object) -> None:
    url = break_url(password_user)  # type: ignore[operator]
    for attempt in (open_store(url).namespace, open_store(url).membership().cluster):
        with pytest.raises(ConfigurationError) as refusal:
            attempt()
        assert SECRET not in str(refusal.value)
        assert "right" not in str(refusal.value).replace("rights", "")


@pytest.mark.postgres
def test_a_user_without_rights_is_told_so(password_user: str) -> None:
    with pytest.raises(ConfigurationError, match="permission denied"):
        open_store(f"{password_user}?schema=forbidden").migrate(partitions=1)


@pytest.mark.postgres
def test_a_pooler_that_drops_the_settings_of_connections_is_refused(
    password_user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables would be those of another schema."""
    monkeypatch.setattr(Postgres, "_options", lambda self, role: "")
    store = open_store(f"{password_user}?schema=own")
    for attempt in (store.namespace, store.membership().cluster, partial(store.migrate, partitions=1)):
        with pytest.raises(ConfigurationError, match="PgBouncer") as refusal:
            attempt()
        assert ":right@" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL:  password authentication failed for user "me"', ConfigurationError),
        ("FATAL:  unsupported startup parameter: options", ConfigurationError),
        ("FATAL:  Passwort-Authentifizierung fehlgeschlagen", StoreUnavailableError),
        ("FATAL:  the database system is starting up", StoreUnavailableError),
    ],
)
def test_a_refused_connection_is_understood_by_its_text_and_waited_out_if_it_is_not(
    text: str, kind: type[Exception]
) -> None:
    database = open_database(f"postgresql://me:{SECRET}@database/orders")
    error = database.translate(psycopg.OperationalError(f"connection failed: {text}"))
    assert isinstance(error, kind)
    assert text in str(error)
    assert SECRET not in str(error)


def test_a_server_that_does_not_answer_may_come_back(unused_tcp_port: int) -> None:
    url = f"postgresql://user:{SECRET}@127.0.0.1:{unused_tcp_port}/db"
    with pytest.raises(StoreUnavailableError) as failure:
        open_store(url).namespace()
    assert SECRET not in str(failure.value)
