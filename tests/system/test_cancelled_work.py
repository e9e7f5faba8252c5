"""A cancellation tells the truth of work that nobody has heard of yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from dalsegno import CanceledError, Client, WorkflowFailedError
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.exports import Saga
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.exports"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


def booked(stack: Stack) -> list[str]:
    account = stack.ledger.with_name("charges")
    return account.read_text().splitlines() if account.exists() else []


async def test_a_saga_that_is_cancelled_while_a_charge_is_made_knows_that_it_was_made(
    stack: Stack, client: Client
) -> None:
    handle = await client.start(Saga.run, id="saga")
    await until(lambda: "begun saga 0" in booked(stack), "the charge is being made")
    await handle.cancel("changed my mind")
    with pytest.raises(WorkflowFailedError) as failed:
        await handle.result()
    assert isinstance(failed.value.__cause__, CanceledError)
    made = [line.removeprefix("made ") for line in booked(stack) if line.startswith("made saga")]
    assert made
    assert made == [line.removeprefix("begun ") for line in booked(stack) if line.startswith("begun saga")]
    assert await handle.query(Saga.knows_of) == made
