"""A converter of the user's own, in hosts, workers and clients; and what is said where one has another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dalsegno import (
    ApplicationError,
    Client,
    PayloadError,
    QueryFailedError,
    WorkflowFailedError,
)
from dalsegno.policies import WorkflowStatus
from tests.sealed import SECRET, WAYS, Courier, Letter, sealed
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.stack import Program, Stack

CONVERTER = ["--data-converter", "tests.sealed:sealed"]


def sealing_worker(stack: Stack) -> Program:
    where = ["--broker", stack.broker, "--log-format", "json"]
    return stack.start("worker", ["worker", "tests.sealed", *where, *CONVERTER])


@pytest.fixture(
    scope="module",
    params=[
        EMBEDDED,
        pytest.param(SERVERS, marks=[pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]),
    ],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    options = {"modules": ["tests.sealed"], "workers": 0, "host_flags": CONVERTER}
    with stack_on(request.param, **options) as stack:
        sealing_worker(stack).wait_ready()
        yield stack


async def test_a_value_comes_back_whole_by_every_way_and_lies_nowhere_as_it_is(stack: Stack) -> None:
    async with Client.connect(stack.broker, data_converter=sealed, timeout=30) as client:
        handle = await client.start(Courier.run, Letter(SECRET), id="whole", memo={"text": SECRET})
        assert await handle.query(Courier.ask, "there?") == ["there?"]
        await handle.signal(Courier.say, SECRET)
        await handle.signal("anything", SECRET)
        assert (await handle.result(timeout=60)).ways == WAYS
        assert await handle.query(Courier.ask, "and?") == ["and?"]  # since the sign nobody has said anything
        with pytest.raises(QueryFailedError) as refused:
            await handle.query(Courier.refuse, SECRET)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.details == (SECRET,)
    assert SECRET.encode() not in stored_in(stack)


async def test_the_failure_of_a_run_comes_back_whole_to_who_waits(stack: Stack) -> None:
    text = "the vault is empty"
    async with Client.connect(stack.broker, data_converter=sealed, timeout=30) as client:
        handle = await client.start(Courier.run, Letter(text), id="failing", memo={"text": text})
        for signal in ("say", "anything"):
            await handle.signal(signal, text)
        with pytest.raises(WorkflowFailedError) as failed:
            await handle.result(timeout=60)
    cause = failed.value.__cause__
    assert isinstance(cause, ApplicationError)
    assert (cause.message, cause.type) == (text, "Returned")
    assert cause.details[0]["ways"] == WAYS
    assert text.encode() not in stored_in(stack)


async def test_a_client_without_the_converter_is_told_which_encoding_it_cannot_read(stack: Stack) -> None:
    async with Client.connect(stack.broker, data_converter=sealed, timeout=30) as client:
        handle = await client.start(Courier.run, Letter(SECRET), id="strange", memo={"text": SECRET})
        for signal in ("say", "anything"):
            await handle.signal(signal, SECRET)
        await handle.result(timeout=60)
    async with Client.connect(stack.broker, timeout=30) as stranger:
        with pytest.raises(PayloadError, match=r"can read .* encoding 'sealed/json/plain': .*data_converter="):
            await stranger.get_workflow_handle("strange").result(timeout=30)


async def test_what_a_host_cannot_read_suspends_the_workflow_and_names_the_encoding(
    stack: Stack,
) -> None:
    async with Client.connect(stack.broker, timeout=30) as stranger:
        handle = await stranger.start(Courier.run, Letter(SECRET), id="plain", memo={"text": SECRET})
    assert handle.status is WorkflowStatus.SUSPENDED
    assert handle.suspended_reason is not None
    assert (
        "SealingPayloadConverter cannot read a payload of the encoding 'json/plain'" in handle.suspended_reason
    )


def stored_in(stack: Stack) -> bytes:
    """All bytes of all rows; of servers nothing."""
    if not stack.database.startswith("sqlite"):
        return b""
    path = Path(stack.database.removeprefix("sqlite:///"))
    stored: list[bytes | str] = []
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in connection.execute(f'select * from "{table}"'):
                stored += [value for value in row if isinstance(value, str | bytes)]
    assert len(stored) > 50
    return b"\n".join(value.encode() if isinstance(value, str) else value for value in stored)
