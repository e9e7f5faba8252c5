"""Activities and children replaced by mocks."""

from __future__ import annotations

from dataclasses import dataclass
from unittest.mock import AsyncMock, Mock

import pytest

from dalsegno import activity, workflow
from dalsegno.errors import DefinitionError
from dalsegno.testing import MockSignatureError, WorkflowEnvironment, mocked


@dataclass
class Bill:
    of: str
    cents: int


@activity.defn
async def charge(bill: Bill, currency: str = "EUR") -> str:
    raise NotImplementedError("the real one is not for tests")


@activity.defn(name="ship it")
def ship(bill: Bill) -> str:
    raise NotImplementedError("the real one is not for tests")


@workflow.defn(name="Packing")
class Packing:
    @workflow.run
    async def run(self) -> str:
        raise NotImplementedError("the real one is not for tests")


@workflow.defn(name="Packing")
class PackedAtOnce:
    @workflow.run
    async def run(self) -> str:
        return "packed"


@workflow.defn
class Sale:
    @workflow.run
    async def run(self, bill: Bill) -> list[str]:
        charged = await workflow.execute_activity(charge, bill, start_to_close_timeout=10)
        shipped = await workflow.execute_activity(ship, bill, start_to_close_timeout=10)
        packed = await workflow.execute_child_workflow(Packing.run, id="packing")
        return [charged, shipped, packed]


async def test_mocks_get_the_values_that_the_activity_would() -> None:
    shipping = Mock(return_value="shipped")
    async with (
        await WorkflowEnvironment.start_time_skipping() as env,
        env.worker(
            workflows=[Sale, PackedAtOnce],
            activities=[
                mocked(charge, lambda bill, currency="EUR": f"{bill.cents} {currency}"),
                mocked(ship, shipping),
            ],
        ),
    ):
        result = await env.client.execute_workflow(Sale.run, Bill("o-1", 100), id="s-1")
    assert result == ["100 EUR", "shipped", "packed"]
    shipping.assert_called_once_with(Bill("o-1", 100))


async def test_an_async_mock_stands_for_a_sync_activity() -> None:
    assert await mocked(ship, AsyncMock(return_value="x"))(Bill("o-1", 1)) == "x"


def test_a_mock_that_cannot_be_called_so_is_refused() -> None:
    for wrong in (lambda: "x", lambda bill: "x", lambda bill, currency, more: "x"):
        with pytest.raises(MockSignatureError, match=r"charge.*\(bill, currency\)"):
            mocked(charge, wrong)
    with pytest.raises(MockSignatureError, match="cannot be called"):
        mocked(charge, "charged")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"@activity\.defn"):
        mocked(len, lambda bill: "x")
