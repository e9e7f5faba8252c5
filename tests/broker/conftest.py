"""Every broker there is, for the tests that all of them pass."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dalsegno.broker.port import Broker, Queue, Session, Topology
from tests.broker.witness import Ends

ADAPTERS = ("rabbitmq", "rabbitmq-plain", "embedded")

Connect = Callable[..., Awaitable[Session]]
"""Opens a session that is closed after the test; takes `on_closed` or nothing."""


@pytest.fixture(params=[pytest.param(name, marks=_mark) for name in ADAPTERS for _mark in
                        [pytest.mark.rabbitmq if name.startswith("rabbitmq") else ()]])  # fmt: skip
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    match request.param:
        case "embedded":
            from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer

            path = tmp_path / "broker.db"
            async with EmbeddedServer(path):
                yield EmbeddedBroker(path)
        case adapter:
            from dalsegno.broker.rabbitmq import RabbitMQBroker

            url: str = request.getfixturevalue("rabbitmq_url")
            yield RabbitMQBroker(url, hot_path=adapter == "rabbitmq")


@pytest.fixture
async def connect(broker: Broker, no_loose_ends: None) -> AsyncIterator[Connect]:
    opened: list[Session] = []

    async def open_session(on_closed: Ends | None = None) -> Session:
        session = await broker.connect(on_closed=on_closed or Ends(), name="test")
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        await session.close()


@pytest.fixture
async def session(connect: Connect) -> Session:
    return await connect()


@pytest.fixture
async def queue(session: Session) -> AsyncIterator[str]:
    """A durable queue of its own for each test, also on a broker that others use."""
    name = f"test.{secrets.token_hex(6)}"
    await session.declare(Topology(queues=[Queue(name)]))
    yield name
    if session.is_open:
        await session.delete_queue(name)
