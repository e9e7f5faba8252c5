"""Local activities on both stacks: by the host itself, tried again, out of time, too many, across its death."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from dalsegno import Client, QueryFailedError
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.nearby import (
    AsksItself,
    Fails,
    GivesUp,
    Interrupted,
    Many,
    Nearby,
    NearbyByName,
    Retries,
)
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.nearby"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


def new_id() -> str:
    return f"nearby-{uuid4()}"


def begun_in(folder: Path) -> int:
    return len(list(folder.iterdir()))


async def test_it_is_run_by_the_host_in_a_thread_of_its_own_and_others_by_workers(client: Client) -> None:
    (one, two, three) = await client.execute(Nearby.run, "here", id=new_id())
    assert one[0] == two[0] == three[0] == "here"
    assert (one[2], two[2], three[2]) == (True, True, False)
    assert one[1] == two[1] != three[1], "the same process, and not the worker's"
    assert "MainThread" not in (one[3], two[3])
    assert one[3] != two[3], "what blocks is not on the loop of the others"


async def test_what_the_host_has_no_other_for_goes_to_the_dynamic_one(client: Client) -> None:
    assert await client.execute(NearbyByName.run, "whatever", id=new_id()) == "whatever of 2"


@pytest.mark.parametrize("threshold", [60.0, 0.0], ids=["in memory", "by a timer"])
async def test_it_is_tried_again_whoever_keeps_the_pause(client: Client, threshold: float) -> None:
    assert await client.execute(Retries.run, args=[0.01, threshold], id=new_id()) == 3


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("refuses", "ApplicationError", "no"),
        ("large", "ApplicationError", "too large"),
        ("waits", "TimedOutError", "start-to-close timeout passed"),
        ("sleeps", "TimedOutError", "start-to-close timeout passed"),
    ],
)
async def test_what_it_fails_with_is_the_cause_of_an_activity_error(
    client: Client, name: str, error: str, says: str
) -> None:
    (kind, text, activity_type) = await client.execute(Fails.run, name, id=new_id())
    assert kind == error
    assert says in text
    assert activity_type == name


async def test_a_thousand_of_one_step_are_all_done(client: Client) -> None:
    assert await client.execute(Many.run, 1_000, id=new_id()) == sum(range(1_000))


async def test_one_that_is_given_up_does_not_keep_the_workflow(client: Client) -> None:
    assert await client.execute(GivesUp.run, 1.5, id=new_id()) == "waited"


async def test_a_query_cannot_ask_for_one(client: Client) -> None:
    handle = await client.start(AsksItself.run, id=new_id())
    with pytest.raises(QueryFailedError, match="may only read"):
        await handle.query(AsksItself.asks)
    await handle.signal(AsksItself.end)
    assert await handle.result() == "done"


async def test_one_that_its_host_has_died_of_runs_again_and_is_seen_meanwhile(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    handle = await client.start(Interrupted.run, str(tmp_path), id=new_id())

    async def pending() -> bool:
        return any(activity.is_local for activity in (await handle.describe()).pending_activities)

    await until(pending, "it is seen to be pending")
    (entry,) = (await handle.describe()).pending_activities
    assert (entry.activity_type, entry.state) == ("holds_on", "started")
    await until(lambda: begun_in(tmp_path), "it has begun")
    (host,) = stack.hosts
    host.kill_child()
    assert await handle.result(timeout=60) == "at last"
    assert begun_in(tmp_path) == 2
    told = [event["type"] async for entry in client.history(handle.id) for event in entry.events]
    assert told[-3:] == ["LocalActivityCompleted", "Ran", "RunClosed"]
    await host.until_ready()
