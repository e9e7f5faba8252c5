"""A signal that does not fit its handler, from the client's side: found, mended, and given to the workflow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from dalsegno import Client, CommandRejectedError
from tests.default_converter import from_payload
from tests.system.baskets import Basket
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.stack import Stack


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.baskets"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


async def test_it_is_found_edited_and_retried_while_the_workflow_goes_on(client: Client) -> None:
    basket = await client.start(Basket.run, id=f"basket-{uuid4()}")
    for item in (7, "ink", 8):
        await basket.signal("put_in", item)
    assert await basket.execute_update(Basket.count) == 1
    first, second = await basket.quarantine()
    assert (first.number, first.name, second.number) == (1, "put_in", 2)
    assert "does not fit its handler" in first.reason
    assert first.args is not None
    assert from_payload(first.args[0]) == 7
    await basket.edit_quarantined(1, "pen")
    await basket.retry_quarantined(1)
    await basket.drop_quarantined(2)
    assert await basket.quarantine() == ()
    with pytest.raises(CommandRejectedError, match="nothing is in the quarantine"):
        await basket.retry_quarantined(2)
    assert await basket.execute_update(Basket.close) == ["ink", "pen"]


async def test_what_is_no_number_of_a_signal_is_refused_before_it_is_sent(client: Client) -> None:
    basket = client.get_workflow_handle("basket")
    with pytest.raises(TypeError, match="number"):
        await basket.retry_quarantined("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 1 on"):
        await basket.drop_quarantined(0)
