"""Interceptors that hosts and workers are given on their command lines: what a client says reaches all that its
workflow calls, by way of both brokers and both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dalsegno import Client
from tests.propagated import Outer, customer, propagated
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.stack import Stack

INTERCEPTOR = ["--interceptor", "tests.propagated:propagated"]


@pytest.fixture(
    params=[
        EMBEDDED,
        pytest.param(SERVERS, marks=[pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]),
    ],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.propagated"], workers=0, host_flags=INTERCEPTOR) as stack:
        where = ["--broker", stack.broker, "--log-format", "json"]
        stack.start("worker", ["worker", "tests.propagated", *where, *INTERCEPTOR]).wait_ready()
        yield stack


async def test_what_a_client_says_reaches_all_that_its_workflow_calls(stack: Stack) -> None:
    async with Client.connect(stack.broker, interceptors=[propagated], timeout=30) as client:
        customer.set("anna")
        handle = await client.start(Outer.run, 1, id="o-1")
        customer.set("ben")
        assert await handle.execute_update(Outer.name) == "ben"
        assert await handle.query(Outer.who) == "ben"
        await handle.signal(Outer.hear)
        assert await handle.result(timeout=60) == [
            "run anna",
            "signal ben",
            "activity anna",
            "thread anna",
            "local anna",
            "child anna",
        ]
    async with Client.connect(stack.broker, timeout=30) as client:  # one without
        assert await client.get_workflow_handle("o-1").query(Outer.who) == "nobody"
