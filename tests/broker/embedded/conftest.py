"""Here the broker is an embedded one in a process of its own, reached through its socket.

So the contract tests that this folder imports run a second time, between two processes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer
from tests.broker.embedded.owner import OwnerProcess


@pytest.fixture(scope="session")
def shared_owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a broker that another process serves."""
    path = tmp_path_factory.mktemp("owner") / "broker.db"
    with OwnerProcess(path):
        yield path


@pytest.fixture
def broker(shared_owner: Path) -> EmbeddedBroker:
    return EmbeddedBroker(shared_owner)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file for a broker of the test's own."""
    return tmp_path / "broker.db"


@pytest.fixture
async def server(path: Path) -> AsyncIterator[EmbeddedServer]:
    """Its owner, on the test's loop."""
    async with EmbeddedServer(path) as running:
        yield running
