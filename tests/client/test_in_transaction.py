"""A start that is written over the caller's own connection, whatever library it is of."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dalsegno import BrokerUnavailableError, ConfigurationError, WorkflowNotFoundError
from dalsegno.broker.message_bytes import decode_message
from dalsegno.broker.protocol.codec import decode
from dalsegno.broker.protocol.ids import run_id
from dalsegno.broker.protocol.messages import AwaitResult, Reply, ReplyError, StartWorkflow
from dalsegno.client import Client, NoAnswerError, UnsendableError, engine
from dalsegno.persistence import open_store
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from tests.client.fake_host import FakeHost, Request


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    store = open_store(f"sqlite:///{path}")
    store.migrate(partitions=1)
    store.close()
    return path


def written(file: Path) -> list[StartWorkflow]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT message FROM inbox ORDER BY number").fetchall()
    bodies = [decode(decode_message(row)) for (row,) in rows]
    assert all(isinstance(body, StartWorkflow) for body in bodies)
    return bodies  # type: ignore[return-value]


async def test_it_is_there_if_the_transaction_commits_and_not_if_it_does_not(
    client: Client, host: FakeHost, file: Path
) -> None:
    app = sa.create_engine(f"sqlite:///{file}")
    with app.begin() as connection:
        handle = await client.start("Order", 7, id="o-1", connection=connection, message_id="m-1")
    with app.connect() as connection:
        await client.start("Order", 8, id="o-2", connection=connection)
        connection.rollback()
    with Session(app) as session:
        await client.start("Order", 9, id="o-3", connection=session, task_queue="slow")
        session.commit()
    app.dispose()

    assert host.requests == [], "the broker is not asked"
    assert (handle.id, handle.run_id) == ("o-1", run_id("o-1", "m-1"))
    assert [(start.workflow_id, start.replies, start.task_queue) for start in written(file)] == [
        ("o-1", (), "default"),
        ("o-3", (), "slow"),
    ]


async def test_what_cannot_be_started_is_refused_at_the_call_and_nothing_is_written(
    client: Client, file: Path
) -> None:
    app = sa.create_engine(f"sqlite:///{file}")
    with app.begin() as connection:
        refused: list[tuple[Callable[[], Awaitable[Any]], type[Exception], str]] = [
            (lambda: client.start("Order", id="o", connection=app), TypeError, "connection"),
            (lambda: client.start("Order", id="o", connection=object()), TypeError, "SQLAlchemy"),
            (lambda: client.start("Order", id="o", connection=str), TypeError, "SQLAlchemy"),
            (lambda: client.start("Order", id="o", schema="x"), TypeError, "only with a connection"),
            (lambda: client.execute("Order", id="o", connection=connection), TypeError, "after its commit"),
            (lambda: client.start("Order", id="", connection=connection), UnsendableError, "cannot be sent"),
            (lambda: client.start("Order", id="o", connection=Elsewhere()), ConfigurationError, "is to mysql"),
        ]
        for start, error, words in refused:
            with pytest.raises(error, match=words):
                await start()
    app.dispose()
    assert written(file) == []


class Elsewhere(sa.Connection):
    """A connection to a database of a third kind."""

    def __init__(self) -> None:
        self.dialect: Any = SimpleNamespace(name="mysql")


async def test_its_result_is_waited_for_until_a_host_has_sent_it_on(
    client: Client, host: FakeHost, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BEGUN_PAUSE_SECONDS", 0.001)
    app = sa.create_engine(f"sqlite:///{file}")
    with app.begin() as connection:
        handle = await client.start("Order", id="o-1", connection=connection)
    app.dispose()
    absent = Reply(kind="result", error=ReplyError(code="not_found", message="no workflow has the ID 'o-1'"))
    done = Reply(kind="result", workflow_id="o-1", run_id=handle.run_id, status=WorkflowStatus.COMPLETED)
    asked: list[Request] = []

    def end(request: Request) -> list[Reply]:
        asked.append(request)
        return [absent if len(asked) < 4 else done]

    host.scripts[AwaitResult] = end
    assert await handle.result() is None
    assert len(asked) == 4

    host.scripts[AwaitResult] = lambda request: [absent]
    with pytest.raises((NoAnswerError, BrokerUnavailableError)):
        await handle.result(timeout=0.3)
    monkeypatch.setattr(engine, "BEGUN_SECONDS", 0.01)
    with pytest.raises(WorkflowNotFoundError):
        await handle.result()


async def test_where_another_run_may_be_taken_the_handle_means_whichever_has_the_id(
    client: Client, host: FakeHost, file: Path
) -> None:
    app = sa.create_engine(f"sqlite:///{file}")
    policy = WorkflowIDConflictPolicy.USE_EXISTING
    with app.begin() as connection:
        handle = await client.start("Order", id="o-1", connection=connection, id_conflict_policy=policy)
    app.dispose()
    assert handle.run_id is None
    host.scripts[AwaitResult] = lambda request: [
        Reply(kind="result", workflow_id="o-1", run_id="another", status=WorkflowStatus.COMPLETED)
    ]
    assert await handle.result() is None
    assert host.of(AwaitResult)[0].run_id is None
