"""Fixtures for what only RabbitMQ does: both paths, and a bare client that knows nothing of us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pika  # type: ignore[import-untyped]
import pytest
from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]

from dalsegno.broker.port import Session
from dalsegno.broker.rabbitmq import RabbitMQBroker, Timings
from tests.broker.conftest import Connect
from tests.broker.witness import Ends

SWIFT = Timings(probe_interval=0.1, probe_answer=2.0)
"""For tests that wait until a link is given up. What is alive may be slow where much else runs."""


@pytest.fixture(params=["rabbitmq", "rabbitmq-plain"])
def broker(request: pytest.FixtureRequest, rabbitmq_url: str) -> RabbitMQBroker:
    return RabbitMQBroker(rabbitmq_url, hot_path=request.param == "rabbitmq")


@pytest.fixture
def stranger(rabbitmq_url: str) -> Iterator[BlockingChannel]:
    """A channel of pika's, for what our own code would never send or declare."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    yield connection.channel()
    if connection.is_open:
        connection.close()


@pytest.fixture
async def connect_to(no_loose_ends: None) -> AsyncIterator[Connect]:
    """Opens sessions at any URL; closed after the test."""
    opened: list[Session] = []

    async def open_session(
        url: str, on_closed: Ends | None = None, *, hot_path: bool = True, timings: Timings | None = None
    ) -> Session:
        broker = RabbitMQBroker(url, hot_path=hot_path, timings=timings)
        session = await broker.connect(on_closed=on_closed or Ends(), name="test")
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        await session.close()
