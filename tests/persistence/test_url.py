"""What a person may get wrong about the database URL, and what is said about it."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from dalsegno.errors import ConfigurationError, StoreUnavailableError
from dalsegno.persistence import open_database, open_store
from dalsegno.persistence.database import OwnedConnection, Role
from dalsegno.persistence.postgres import Postgres
from dalsegno.persistence.url import parse_url
from tests.partition_ids import nths
from tests.persistence.rounds import HOUR, creation, round_of
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
        (f"postgresql://user:{SECRET}@host:5432,other:port/db", "cannot be read"),
        (f"postgresql://user:p@{SECRET}@host/db", "cannot be read"),
        (f"postgresql://user:12/{SECRET}@host/db", "cannot be read"),
        (f"postgresql://user:{SECRET}%zz@host/db", "cannot be read"),
        (f"postgresql://user:{SECRET}@[::1/db", "cannot be read"),
        (f"postgresql://user:{SECRET}@host/db?nonsense=1", "'nonsense'"),
        (f"postgresql://user:12/x?{SECRET}=1@host/db", "cannot be read"),
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


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://u@h1:5001,h2:5002/db", "h1,h2", "5001,5002"),
        ("postgresql://u@h1,h2:5002/db", "h1,h2", ",5002"),
        ("postgresql://u@[2001:db8::1]:5001,[::1]/db", "2001:db8::1,::1", "5001,"),
        ("postgresql://u@%2Fvar%2Frun%2Fpg:5001/db", "/var/run/pg", "5001"),
        ("postgresql:///db?host=/var/run/pg&port=5001", "/var/run/pg", "5001"),
        ("postgresql:///db?host=h1,h2&port=5001", "h1,h2", "5001"),
    ],
)
def test_hosts_are_read_as_libpq_has_them(url: str, hosts: str, ports: str) -> None:
    read = parse_url(f"{url}{'&' if '?' in url else '?'}schema=orders")
    assert (read.parameters["host"], read.parameters["port"]) == (hosts, ports)
    assert (read.parameters["dbname"], read.schema) == ("db", "orders")


def test_a_service_may_name_the_database() -> None:
    read = parse_url("postgresql://?service=orders&schema=own")
    assert (read.parameters, read.schema) == ({"service": "orders"}, "own")
    assert read.shown == "postgresql:///?service=orders&schema=own"


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,10}", fullmatch=True)
HOSTS = NAMES | st.ip_addresses(v=6).map(str) | st.just("/var/run/postgresql")
PLACES = st.lists(st.tuples(HOSTS, st.integers(1, 65535)), min_size=1, max_size=3)


@given(user=TEXTS, password=TEXTS, database=TEXTS, places=PLACES, schema=st.none() | st.just("orders"))
def test_what_is_percent_encoded_is_read_as_it_was_meant_and_shown_without_the_password(
    user: str, password: str, database: str, places: list[tuple[str, int]], schema: str | None
) -> None:
    def host(name: str) -> str:
        return f"[{name}]" if ":" in name else quote(name, safe="")

    where = ",".join(f"{host(name)}:{port}" for name, port in places)
    query = f"?schema={schema}&sslmode=prefer" if schema else "?sslmode=prefer"
    url = f"{quote(user, safe='')}:{{}}@{where}/{quote(database, safe='')}{query}"
    read = parse_url("postgresql://" + url.format(quote(password, safe="")))
    assert read.schema == schema
    assert read.parameters == {
        "user": user,
        "password": password,
        "host": ",".join(name for name, _ in places),
        "port": ",".join(str(port) for _, port in places),
        "dbname": database,
        "sslmode": "prefer",
    }
    assert ":***@" in read.shown
    again = parse_url(read.shown)
    assert again.parameters == {**read.parameters, "password": "***"}
    assert (again.shown, again.schema) == (read.shown, read.schema)
    assert repr(read) == repr(parse_url("postgresql://" + url.format("another")))


@given(st.text(max_size=60).map(lambda text: f"postgresql://user:{SECRET}{text}"))
def test_whatever_stands_in_a_url_its_password_is_not_shown(url: str) -> None:
    try:
        shown = parse_url(url).shown
    except ConfigurationError as error:
        shown = str(error)
    if ":***" in shown or "@" in url:
        assert SECRET not in shown


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
        rules = "host replication all 127.0.0.1/32 trust\n"
        rules += "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
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
    ],
    ids=[
        "wrong password",
        "no password",
        "no such database",
        "no such user",
        "no TLS",
        "bad value",
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
@pytest.mark.parametrize("attributes", ["", "read-write", "primary"])
@pytest.mark.parametrize("dead_first", [True, False])
def test_of_several_hosts_every_connection_finds_the_one_that_takes_writes(
    private_postgres: PostgresServer, closed_port: int, attributes: str, dead_first: bool
) -> None:
    with private_postgres.database() as one, PostgresServer(standby_of=private_postgres) as standby:
        alive = f"127.0.0.1:{private_postgres.port}"
        others = [f"127.0.0.1:{closed_port}", f"127.0.0.1:{standby.port}"]
        hosts = [*others, alive] if dead_first else [alive, *others]
        url = one.replace(alive, ",".join(hosts))
        url += f"?target_session_attrs={attributes}" if attributes else ""
        store = open_store(url)
        store.migrate(partitions=4)
        membership = store.membership()
        membership.join("host-a", ttl=HOUR, version="1")
        membership.take(nths(4), "host-a")
        store.writer().commit(round_of(creation("order-1")))
        (loaded,) = store.reader().load(["order-1"])
        assert loaded.instance is not None
        store.close()


@pytest.mark.postgres
@pytest.mark.parametrize("role", [Role.READER, Role.AUDITOR])
def test_a_reader_cannot_write(postgres_url: str, role: Role) -> None:
    owned = OwnedConnection(Postgres(parse_url(postgres_url)), role)
    with pytest.raises(StoreUnavailableError, match="read-only"), owned.transaction() as connection:
        connection.execute(sa.text("CREATE TABLE written (id int)"))
    owned.close()


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


def test_a_server_that_does_not_answer_may_come_back(closed_port: int) -> None:
    url = f"postgresql://user:{SECRET}@127.0.0.1:{closed_port}/db"
    with pytest.raises(StoreUnavailableError) as failure:
        open_store(url).namespace()
    assert SECRET not in str(failure.value)
