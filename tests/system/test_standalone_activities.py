"""Activities that a client starts by itself, without a workflow of the user's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from dalsegno import (
    ActivityFailureError,
    ApplicationError,
    Client,
    PayloadError,
    RetryPolicy,
    WorkflowAlreadyStartedError,
    WorkflowIDConflictPolicy,
    WorkflowStatus,
)
from dalsegno.errors import CanceledError, TerminatedError, TimedOutError
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.errands_alone import Parcel, Scales, decline, fail_until, wait_for_ever, weigh, who_am_i
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.errands_alone"]) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


def an_id() -> str:
    return f"alone-{uuid4()}"


async def test_it_is_run_as_it_is_asked_for_and_its_result_is_restored(client: Client) -> None:
    assert await client.execute_activity(weigh, Parcel(1, 20), id=an_id()) == Parcel(1, 20)
    assert await client.execute_activity(weigh, args=[Parcel(1, 20), 3], id=an_id()) == Parcel(1, 23)
    assert await client.execute_activity(Scales.calibrate, args=[Parcel(1, 9)], id=an_id()) == 9
    by_name = await client.execute_activity("weigh", {"number": 2, "grams": 5}, id=an_id(), result_type=Parcel)
    assert by_name == Parcel(2, 5)


async def test_it_knows_that_it_is_in_no_workflow_and_its_id(client: Client) -> None:
    named = an_id()
    assert await client.execute_activity(who_am_i, id=named) == [named, named, "default", "False"]


async def test_it_is_tried_again_by_its_policy(client: Client) -> None:
    policy = RetryPolicy(initial_interval=0.01, maximum_attempts=3)
    assert await client.execute_activity(fail_until, 3, id=an_id(), retry_policy=policy) == 3
    with pytest.raises(ActivityFailureError) as failed:
        await client.execute_activity(fail_until, 4, id=an_id(), retry_policy=policy)
    assert isinstance(failed.value.cause, ApplicationError)
    assert (failed.value.cause.type, failed.value.cause.message) == ("NotYet", "not yet")


async def test_its_failure_is_told_with_type_and_details(client: Client) -> None:
    named = an_id()
    with pytest.raises(ActivityFailureError, match=named) as failed:
        await client.execute_activity(decline, "too heavy", id=named)
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, tuple(cause.details), cause.non_retryable) == ("Declined", (7,), True)


async def test_it_is_found_again_described_listed_and_cancelled(client: Client) -> None:
    named = an_id()
    await client.start_activity(wait_for_ever, id=named)
    handle = client.get_activity_handle(named, result_type=str)

    async def has_begun() -> bool:
        (pending,) = (await handle.describe()).pending_activities
        return pending.activity_id == named and pending.state == "started"

    await until(has_begun, "a worker has it")
    listed = [run.workflow_id async for run in client.list_workflows(workflow_type="dalsegno.activity")]
    assert named in listed
    await handle.cancel("no more")
    with pytest.raises(ActivityFailureError) as cancelled:
        await handle.result()
    assert isinstance(cancelled.value.cause, CanceledError)
    assert (await handle.describe()).status is WorkflowStatus.CANCELED


async def test_it_is_ended_whatever_its_worker_does(client: Client) -> None:
    handle = await client.start_activity(wait_for_ever, id=an_id())
    await handle.terminate("enough")
    with pytest.raises(ActivityFailureError) as ended:
        await handle.result()
    assert isinstance(ended.value.cause, TerminatedError)


async def test_its_timeouts_hold(client: Client) -> None:
    policy = RetryPolicy(maximum_attempts=1)
    with pytest.raises(ActivityFailureError) as late:
        await client.execute_activity(
            wait_for_ever, id=an_id(), start_to_close_timeout=0.05, retry_policy=policy
        )
    assert isinstance(late.value.cause, TimedOutError)


async def test_its_id_is_taken_while_it_is_under_way(client: Client) -> None:
    first = await client.start_activity(wait_for_ever, id=an_id())
    with pytest.raises(WorkflowAlreadyStartedError):
        await client.start_activity(wait_for_ever, id=first.id)
    same = await client.start_activity(
        wait_for_ever, id=first.id, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    assert same.run_id == first.run_id
    await first.terminate()


async def test_one_that_is_started_again_with_its_message_id_is_the_same(client: Client) -> None:
    named = an_id()
    handles = await asyncio.gather(
        *(client.start_activity(weigh, Parcel(1, 2), id=named, message_id="m-1") for _ in range(2))
    )
    assert handles[0].run_id == handles[1].run_id
    assert await handles[0].result() == Parcel(1, 2)


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({}, TypeError, "needs an id"),
        ({"id": ""}, ValueError, "is empty"),
        ({"id": "x" * 201}, ValueError, "longer than 200 bytes"),
        ({"id": "a", "start_to_close_timeout": 0}, ValueError, "start_to_close_timeout"),
        ({"id": "a", "id_reuse_policy": "never"}, ValueError, "id_reuse_policy"),
        ({"id": "a", "retry_policy": 3}, TypeError, "retry_policy"),
        ({"id": "a", "colour": "red"}, TypeError, "no option 'colour'"),
        ({"id": "a", "args": [1]}, TypeError, "not both"),
    ],
)
async def test_what_cannot_be_is_refused_at_the_call(
    client: Client, options: dict[str, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        await client.start_activity(weigh, Parcel(1, 2), **options)


async def test_what_is_no_activity_or_cannot_be_sent_is_refused_at_the_call(client: Client) -> None:
    with pytest.raises(TypeError, match="is not an activity"):
        await client.start_activity(an_id, id=an_id())
    with pytest.raises(PayloadError):
        await client.start_activity(weigh, object(), id=an_id())  # type: ignore[arg-type]
