"""A real SQLite store, a host that has joined it, and an outbox in a shell that writes down its calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Membership, Store
from dalsegno.persistence.reader_port import Reader
from tests.supervisor.mail import signal
from tests.supervisor.membership.seat import PARTITIONS, Host
from tests.supervisor.opened import Opened
from tests.supervisor.outbox.carrier import Shell
from tests.workflow_actor.local_work import local_activities


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate(partitions=PARTITIONS)
    yield store
    store.close()


@pytest.fixture
def outside(store: Store) -> Membership:
    """The test's own look at the tables."""
    return store.membership()


@pytest.fixture
def reader(store: Store) -> Reader:
    return store.reader()


@pytest.fixture
def host(store: Store) -> Host:
    host = Host(store, "host-a")
    host.tick()
    return host


@pytest.fixture
def shell() -> Shell:
    return Shell()


@pytest.fixture
def outbox(shell: Shell) -> Outbox:
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    return outbox


@pytest.fixture(params=["preparing", "working"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """The turn of a signal is open."""
    opened = Opened(*((Signal,) if request.param == "preparing" else ()))
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    assert opened.actor.turn is not None
    return opened


@pytest.fixture
def quiet() -> Iterator[None]:
    """Nothing is logged: to draw a traceback takes longer than most tests."""
    with capture_logs():
        yield


@pytest.fixture
def local() -> Iterator[None]:
    """Activities of one queue are local work."""
    with local_activities():
        yield
