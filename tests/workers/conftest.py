"""Workers on every broker (`broker`, `engine`) and on the one whose answers a test decides,
`fake` with its `fake_engine`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dalsegno.broker.port import Broker
from dalsegno.workers import Worker, WorkerTiming
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

QUICK = WorkerTiming(
    started_after=0.05,
    ask_again_after=0.05,
    suspect_after=0.05,
    alone_patience=0.2,
    alone_for=0.2,
    alone_again_after=0.02,
    reconnect_after=0.01,
    reconnect_after_max=0.1,
    publish_again_after=0.01,
    publish_again_after_max=0.05,
    backlog_patience=0.05,
    watchdog=0.05,
    cancel_grace=1.0,
)

StartWorker = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
def fake() -> FakeBroker:
    return FakeBroker()


@pytest.fixture(params=["fake", "embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def broker(request: pytest.FixtureRequest, tmp_path: Path, fake: FakeBroker) -> AsyncIterator[Broker]:
    match request.param:
        case "fake":
            yield fake
        case "embedded":
            from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer

            async with EmbeddedServer(tmp_path / "broker.db"):
                yield EmbeddedBroker(tmp_path / "broker.db")
        case _:
            from dalsegno.broker.rabbitmq import RabbitMQBroker

            yield RabbitMQBroker(request.getfixturevalue("rabbitmq_url"))


@pytest.fixture
async def engine(broker: Broker, no_loose_ends: None) -> AsyncIterator[Engine]:
    engine = Engine(broker)
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
async def fake_engine(fake: FakeBroker, no_loose_ends: None) -> AsyncIterator[Engine]:
    engine = Engine(fake)
    await engine.start()
    yield engine
    await engine.stop()


@asynccontextmanager
async def running(broker: Broker, *activities: Callable[..., Any], **options: Any) -> AsyncIterator[Worker]:
    """A worker with quick timing, ready; shut down at the end."""
    options = {"timing": QUICK, "drain_timeout": 5.0, **options}
    async with Worker(broker, activities=activities, **options) as worker:
        yield worker
