"""An activity that kills its workers, those beside it that do not, and a network that only looks like it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from dalsegno import Client
from dalsegno.actors.workflow_actor.activities.worker_deaths import DEATHS_ALONE_MAX
from dalsegno.workers.suspects import RETURNS_MIN
from tests.servers import RabbitMQServer
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.deadly import EXIT_CODE, Patient, Poisoned
from tests.system.stack import Program, Stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DELIVERY_LIMIT = 20


@pytest.fixture(params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])])
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.deadly"]) as stack:
        yield stack


@pytest.fixture
def servers(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=["tests.system.deadly"]) as stack:
        yield stack


@pytest.fixture
async def reviver(stack: Stack) -> AsyncIterator[None]:
    """What restarts a worker's process wherever it is deployed."""
    (worker,) = stack.workers

    async def revive() -> None:
        while True:
            assert await worker.until_ended(seconds=600) == EXIT_CODE
            await worker.start().until_ready()

    reviving = asyncio.create_task(revive())
    yield
    assert not reviving.done()
    reviving.cancel()


def begun(stack: Stack) -> Counter[str]:
    """How often each began."""
    path = stack.ledger.with_name("begun")
    return Counter(path.read_text().splitlines() if path.exists() else ())


async def test_an_activity_that_kills_its_workers_fails_soon_and_takes_no_other_with_it(
    stack: Stack, reviver: None
) -> None:
    async with stack.client() as client:
        handle = await client.start(Poisoned.run, id="poisoned")
        attempts, how = await asyncio.wait_for(handle.result(), 240)
    assert attempts == [1] * 10
    assert how == "WorkerLostError"
    assert begun(stack)["poison 1"] <= RETURNS_MIN + DEATHS_ALONE_MAX


def break_connections_of(worker: Program, server: RabbitMQServer) -> None:
    identity = worker.log.split("ready: worker ")[-1].split()[0]
    named = 'lists:keyfind(<<"connection_name">>, 1, proplists:get_value(client_properties, Told))'
    server.evaluate(
        # A connection of before may be going while it is looked at.
        '[(catch rabbit_networking:close_connection(Connection, "closed by a test"))'
        " || Connection <- rabbit_networking:connections(),"
        " Told <- [(catch rabbit_reader:info(Connection, [client_properties]))], is_list(Told),"
        f' {{_, _, Name}} <- [{named}], binary:match(Name, <<"{identity}">>) =/= nomatch]'
    )


def again_connected(worker: Program) -> Callable[[], bool]:
    """Whether it has been connected once more than now."""
    before = worker.log.count("broker_session_ready")
    return lambda: worker.log.count("broker_session_ready") > before


@pytest.mark.rabbitmq
@pytest.mark.postgres
async def test_an_activity_goes_on_undisturbed_while_its_worker_s_connection_breaks_again_and_again(
    servers: Stack, rabbitmq_server: RabbitMQServer
) -> None:
    (worker,) = servers.workers

    async def is_running(client: Client) -> bool:
        (pending,) = (await client.get_workflow_handle("patient").describe()).pending_activities
        return pending.state == "started"

    async with servers.client() as client:
        handle = await client.start(Patient.run, id="patient")
        await until(lambda: is_running(client), "the worker says that it runs")
        for _ in range(DELIVERY_LIMIT + 5):
            until_back = again_connected(worker)
            break_connections_of(worker, rabbitmq_server)
            await until(until_back, "the worker is connected again")
        servers.trap.touch()
        assert await asyncio.wait_for(handle.result(), 60) == 1
    assert begun(servers) == {"until_let": 1}
