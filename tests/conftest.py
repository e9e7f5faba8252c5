"""Servers for the whole suite. They start when the first test asks, so unit tests stay fast.

`rabbitmq_url` and `postgres_url` are fresh for each test: a virtual host, a database. `rabbitmq_server` and
`postgres_server` are shared by the session: a test that stops, restarts or overloads a server takes
`private_rabbitmq` or `private_postgres` instead.

DALSEGNO_TEST_BROKER_URL and DALSEGNO_TEST_DATABASE_URL name servers to use instead of starting them. Then all
tests share the one virtual host (take an empty one), and databases are created beside the one in the URL.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pika  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, settings

from dalsegno import _log
from dalsegno._log import flush
from dalsegno.broker.topology import NAMESPACE_QUEUE
from tests.servers import PostgresServer, RabbitMQServer, ServerNotInstalledError, fresh_database

# A script that starts the suite in its background makes it ignore SIGINT, and with it all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No time is asserted in tests, and whoever runs them may do other things beside.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

BROKER_URL = os.environ.get("DALSEGNO_TEST_BROKER_URL", "")
DATABASE_URL = os.environ.get("DALSEGNO_TEST_DATABASE_URL", "")


Server = TypeVar("Server", RabbitMQServer, PostgresServer)

STUCK_SECONDS = 60.0
"""How much longer than its limit a test may take, or its fixtures after it, before its process is ended."""

_stderr = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_stderr] = os.dup(2)  # before it is captured: whoever ends the process says why


def _watch(item: pytest.Item) -> Generator[None, object, object]:
    """A test over its limit is failed by an exception. Where nothing can raise it, or a fixture waits for ever
    after it, all threads are shown and the process ends: one failed test instead of a suite without end."""
    mark = item.get_closest_marker("timeout")
    limit = float(mark.args[0] if mark is not None else item.config.getini("timeout"))
    faulthandler.dump_traceback_later(limit + STUCK_SECONDS, exit=True, file=item.config.stash[_stderr])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _watch(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _watch(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _watch(item))


def _run(kind: type[Server]) -> Iterator[Server]:
    with _installed(kind) as server:
        yield server


def _installed(kind: type[Server]) -> Server:
    try:
        return kind()
    except ServerNotInstalledError as error:
        what_to_install = str(error)
    pytest.fail(what_to_install, pytrace=False)


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """What a test has logged is written while it is that test's: a thread writes it. A command that ran in this
    process has left no configuration for a line that it never said."""
    yield
    flush()
    _log._later = None


@pytest.fixture
async def no_loose_ends() -> AsyncIterator[None]:
    """Fails the test when the loop reports what nobody handled: a callback that raised, an error unread."""
    reports: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reports.append(str(context)))
    yield
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert not reports


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on loopback that refuses connections, and that nobody else can take meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def uv() -> str:
    own = Path(__file__).parents[1] / ".uv/bin/uv"
    found = str(own) if own.exists() else shutil.which("uv")
    assert found is not None, "script/setup brings uv"
    return found


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitMQServer]:
    """The session's own node; never the one of DALSEGNO_TEST_BROKER_URL."""
    yield from _run(RabbitMQServer)


@pytest.fixture(scope="module")
def private_rabbitmq() -> Iterator[RabbitMQServer]:
    """A node that the tests of one module may stop, kill and overload; each leaves it running."""
    yield from _run(RabbitMQServer)


@pytest.fixture
def rabbitmq_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if BROKER_URL:
        # The database of the test before had claimed it.
        with pika.BlockingConnection(pika.URLParameters(BROKER_URL)) as connection:
            connection.channel().queue_delete(NAMESPACE_QUEUE)
        yield BROKER_URL
        return
    server: RabbitMQServer = request.getfixturevalue("rabbitmq_server")
    with server.virtual_host() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's own cluster; never the one of DALSEGNO_TEST_DATABASE_URL."""
    yield from _run(PostgresServer)


@pytest.fixture(scope="module")
def private_postgres() -> Iterator[PostgresServer]:
    """A cluster that the tests of one module may stop and restart; each leaves it running."""
    yield from _run(PostgresServer)


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    server_url = DATABASE_URL or request.getfixturevalue("postgres_server").url
    with fresh_database(server_url) as url:
        yield url
