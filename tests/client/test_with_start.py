"""What a client is told of a start with a signal or an update that it cannot send."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno import workflow
from dalsegno.broker.protocol.messages import SignalWithStart, StartWorkflow, UpdateWithStart
from dalsegno.client import Client, NoAnswerError, WithStartWorkflowOperation
from dalsegno.policies import WorkflowIDConflictPolicy
from tests.broker.witness import eventually
from tests.client.fake_host import FakeHost

USE_EXISTING = WorkflowIDConflictPolicy.USE_EXISTING


@workflow.defn
class Cart:
    @workflow.run
    async def run(self) -> None: ...

    @workflow.signal
    def add(self, item: str) -> None: ...


async def test_without_a_signal_it_is_a_start_as_ever(client: Client, host: FakeHost) -> None:
    await client.start(Cart.run, id="w", start_signal=None)
    assert [type(sent) for sent in host.of(StartWorkflow)] == [StartWorkflow]


async def test_an_open_run_is_left_in_place_unless_it_is_said_otherwise(client: Client, host: FakeHost) -> None:
    fail = WorkflowIDConflictPolicy.FAIL
    await client.start(Cart.run, id="w", start_signal="add", start_signal_args=["pen"])
    await client.start(Cart.run, id="w", start_signal="add", start_signal_args=["pen"], id_conflict_policy=fail)
    assert [sent.conflict_policy for sent in host.of(SignalWithStart)] == [USE_EXISTING, fail]


async def test_what_does_not_fit_is_refused_before_it_is_sent(client: Client, host: FakeHost) -> None:
    with pytest.raises(TypeError, match="add takes 1 argument"):
        await client.start(Cart.run, id="w", start_signal=Cart.add)
    with pytest.raises(TypeError, match="start_signal_args"):
        await client.start(Cart.run, id="w", start_signal_args=["pen"])
    with pytest.raises(TypeError, match="has no name in dalsegno"):
        await client.start(Cart.run, id="w", start_signal=len)
    assert host.requests == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"id": "w"}, "needs an id_conflict_policy"),
        ({"id_conflict_policy": USE_EXISTING}, "needs an id"),
        ({"id": "w", "id_conflict_policy": USE_EXISTING, "start_signal": "add"}, "no option 'start_signal'"),
        ({"id": "w", "id_conflict_policy": USE_EXISTING, "connection": object()}, "no option 'connection'"),
        ({"id": "w", "id_conflict_policy": USE_EXISTING, "colour": "red"}, "no option 'colour'"),
    ],
)
def test_an_operation_without_what_it_needs_is_refused_where_it_is_made(
    options: dict[str, object], why: str
) -> None:
    with pytest.raises(TypeError, match=why):
        WithStartWorkflowOperation(Cart.run, **options)  # type: ignore[arg-type]


async def test_a_policy_that_is_none_is_told_to_who_awaits_the_handle_too(client: Client) -> None:
    operation: WithStartWorkflowOperation[None] = WithStartWorkflowOperation(
        Cart.run,
        id="w",
        id_conflict_policy="perhaps",  # type: ignore[arg-type]
    )
    with pytest.raises((TypeError, ValueError), match="id_conflict_policy"):
        await client.execute_update_with_start_workflow("put", start_workflow_operation=operation)
    with pytest.raises((TypeError, ValueError), match="id_conflict_policy"):
        await operation.workflow_handle()


async def test_what_is_no_operation_is_refused(client: Client) -> None:
    with pytest.raises(TypeError, match="start_workflow_operation"):
        await client.execute_update_with_start_workflow("put", start_workflow_operation="w")  # type: ignore[arg-type]


async def test_who_waits_for_the_workflow_of_an_update_that_is_cancelled_is_told_so(
    client: Client, host: FakeHost
) -> None:
    host.scripts[UpdateWithStart] = lambda _: []
    operation = WithStartWorkflowOperation(Cart.run, id="w", id_conflict_policy=USE_EXISTING)
    updating = asyncio.create_task(
        client.execute_update_with_start_workflow("count", start_workflow_operation=operation)
    )
    await eventually(lambda: bool(host.of(UpdateWithStart)), "it is sent")
    updating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await updating
    with pytest.raises(NoAnswerError, match="was cancelled"):
        await operation.workflow_handle()
