"""A task queue that is there with other arguments, on the brokers themselves."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from dalsegno.actors.supervisor.connection import task_queues
from dalsegno.actors.supervisor.connection.task_queues import TaskQueues
from dalsegno.broker import topology
from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer
from dalsegno.broker.port import Queue, Session, Topology
from dalsegno.broker.rabbitmq import RabbitMQBroker


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def session(
    request: pytest.FixtureRequest, tmp_path: Path, no_loose_ends: None
) -> AsyncIterator[Session]:
    if request.param == "embedded":
        async with EmbeddedServer(tmp_path / "broker.db"):
            session: Session = await EmbeddedBroker(tmp_path / "broker.db").connect(on_closed=lambda _: None)
            yield session
            await session.close()
    else:
        url: str = request.getfixturevalue("rabbitmq_url")
        session = await RabbitMQBroker(url).connect(on_closed=lambda _: None)
        yield session
        await session.close()


async def test_tasks_wait_for_a_queue_that_is_there_with_other_arguments_until_it_is_deleted(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_queues, "RETRY_SECONDS", (0.01, 0.05))
    foreign, own = (f"{name}-{secrets.token_hex(6)}" for name in ("foreign", "own"))
    await session.declare(Topology(queues=[Queue(topology.task_queue(foreign), delivery_limit=7)]))
    queues = TaskQueues(
        asyncio.get_running_loop(), lambda: session, lost=lambda _: None, tell_others=lambda _: None
    )
    declared = {name: asyncio.Event() for name in (foreign, own)}
    refused = asyncio.Event()

    def listen(_: object, __: str, event: dict[str, object]) -> dict[str, object]:
        if event["event"] == "task_queue_not_declared":
            refused.set()
            reasons.append(str(event["reason"]))
        raise structlog.DropEvent

    reasons: list[str] = []
    with structlog.testing.capture_logs(processors=[listen]):
        for name in (foreign, own):
            queues.declare(name, lambda name: declared[name].set())
        await declared[own].wait()
        await refused.wait()
        assert not declared[foreign].is_set()
        assert session.is_open
        await session.delete_queue(topology.task_queue(foreign))
        await declared[foreign].wait()
    assert "exists with other arguments" in reasons[0]
    assert foreign in reasons[0]
    assert len(set(reasons)) == len(reasons), "said once each"
    assert await session.queue_depth(topology.task_queue(foreign)) == 0
    queues.close()
    for name in (foreign, own):
        await session.delete_queue(topology.task_queue(name))
