"""A host and a worker that have a workflow and an activity for every name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dalsegno import Client
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.stack import Stack


@pytest.fixture(
    params=[
        EMBEDDED,
        pytest.param(SERVERS, marks=[pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]),
    ],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.anything"], workers=1) as stack:
        yield stack


async def test_a_workflow_and_its_activities_run_under_whatever_name_they_are_asked_for(stack: Stack) -> None:
    async with Client.connect(stack.broker, timeout=30) as client:
        handle = await client.start("Fermata", 2, id="any")
        assert await handle.result(timeout=60) == ["Fermata", 42, ["tune", 1, 2]]
