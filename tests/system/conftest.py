"""Places to run a stack in, and an audit of each stack's database when it is over."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import fresh_database
from tests.system.audit import audit
from tests.system.releases import BEFORE, Release, build, is_in_history
from tests.system.stack import Stack

EMBEDDED = "embedded broker and SQLite"
SERVERS = "RabbitMQ and PostgreSQL"

StackFactory = Callable[..., AbstractContextManager[Stack]]


@pytest.fixture(scope="session")
def release_before(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Release:
    if not is_in_history(BEFORE):
        pytest.skip(f"The release before cannot be built: its commit {BEFORE} is not in the history.")
    return build(BEFORE, tmp_path_factory.mktemp("release"), uv=uv)


@pytest.fixture(scope="session")
def stack_on(request: pytest.FixtureRequest) -> StackFactory:
    """`with stack_on(SERVERS, modules=[...], hosts=2) as stack:`; other arguments are those of Stack.

    The servers are the session's own; `broker` or `database` name others instead.
    """

    @contextmanager
    def opened(
        kind: str, *, broker: str | None = None, database: str | None = None, **options: Any
    ) -> Iterator[Stack]:
        with ExitStack() as ending:
            # A short path: the embedded broker's socket lies beside its file, and its name has a limit.
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-")))
            if kind == EMBEDDED:
                broker = broker or f"embedded://{folder / 'broker.db'}"
                database = database or f"sqlite:///{folder / 'dalsegno.db'}"
            else:
                if broker is None:
                    server = request.getfixturevalue("rabbitmq_server")
                    broker = ending.enter_context(server.virtual_host())
                if database is None:
                    server = request.getfixturevalue("postgres_server")
                    database = ending.enter_context(fresh_database(server.url))
            with Stack(broker=broker, database=database, folder=folder, **options) as stack:
                yield stack
            faults = audit(database)
            assert not faults, "the audit of the database found:\n" + "\n".join(faults[:20])

    return opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the processes said; after the teardown their logs are gone."""
    report = yield
    if report.failed and call.when != "teardown":
        for value in item.funcargs.values():
            if isinstance(value, Stack):
                report.sections += [(f"the end of the log of {name}", text) for name, text in value.logs]
    return report
