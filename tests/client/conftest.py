"""A client, a host double, and a broker between them that a test may break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer
from dalsegno.broker.port import Broker
from dalsegno.broker.url import open_broker
from dalsegno.client import Client
from dalsegno.client.timings import ClientTimings
from tests.client.fake_host import FakeHost
from tests.client.flaky_broker import FlakyBroker

IN_HASTE = ClientTimings(resend=0.1, ask_again=0.1, namespace_grace=0.1, pause_min=0.005, pause_max=0.05)
"""What is done again after seconds is done again after milliseconds."""


@pytest.fixture
async def embedded_broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with EmbeddedServer(tmp_path / "broker.db"):
        yield EmbeddedBroker(tmp_path / "broker.db")


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def any_broker(request: pytest.FixtureRequest) -> Broker:
    """Each broker there is, for what depends on it."""
    if request.param == "rabbitmq":
        return open_broker(request.getfixturevalue("rabbitmq_url"))
    broker: Broker = request.getfixturevalue("embedded_broker")
    return broker


@pytest.fixture
def broker(embedded_broker: Broker) -> FlakyBroker:
    return FlakyBroker(embedded_broker)


@pytest.fixture
async def host(embedded_broker: Broker) -> AsyncIterator[FakeHost]:
    """On a way of its own to the broker: what the test breaks is the client's."""
    host = FakeHost(embedded_broker)
    await host.start()
    yield host
    await host.close()


@pytest.fixture
async def client(broker: FlakyBroker, host: FakeHost) -> AsyncIterator[Client]:
    async with Client(broker, timings=IN_HASTE) as client:
        yield client
