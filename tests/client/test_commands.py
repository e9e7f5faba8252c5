"""What a client sends, and what it makes of the answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno.broker.protocol.messages import (
    AwaitResult,
    CancelWorkflow,
    DescribeWorkflow,
    Description,
    ErrorCode,
    QueryWorkflow,
    Reply,
    ReplyError,
    ResumeWorkflow,
    SignalWorkflow,
    StartWorkflow,
    SuspendWorkflow,
    TerminateWorkflow,
)
from dalsegno.broker.topology import partition_queue, slot_of
from dalsegno.client import Client
from dalsegno.errors import (
    ApplicationError,
    CommandRejectedError,
    PayloadError,
    QueryFailedError,
    UnsupportedError,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowNotFoundError,
    WorkflowQueryRejectedError,
)
from dalsegno.failure import Failure
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.policies import (
    QueryRejectCondition,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    WorkflowStatus,
)
from tests.client.fake_host import PARTITIONS, FakeHost, accepted, refused
from tests.default_converter import to_payload
from tests.partition_ids import nth


async def test_a_query_that_excludes_ended_runs_is_refused_with_how_it_ended(
    client: Client, host: FakeHost
) -> None:
    ended = ReplyError(code="query_rejected", message="workflow 'w-1' has ended: failed")
    host.scripts[QueryWorkflow] = lambda request: [
        Reply(kind="answer", status=WorkflowStatus.FAILED, error=ended)
    ]
    handle = client.get_workflow_handle("w-1")
    with pytest.raises(WorkflowQueryRejectedError, match="has ended") as caught:
        await handle.query("total", reject_condition=QueryRejectCondition.NOT_OPEN)
    assert (caught.value.status, caught.value.code) == (WorkflowStatus.FAILED, "query_rejected")
    assert host.of(QueryWorkflow)[-1].reject_condition is QueryRejectCondition.NOT_OPEN
    with pytest.raises(ValueError, match="reject_condition"):
        await handle.query("total", reject_condition="never")  # type: ignore[call-overload]


async def test_a_start_says_all_that_it_was_given(client: Client, host: FakeHost) -> None:
    handle = await client.start(
        "Order",
        {"sku": "A-7"},
        2,
        id="order-1",
        task_queue="orders",
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        execution_timeout=timedelta(hours=1),
        memo={"customer": 7},
        message_id="start-1",
    )
    assert host.of(StartWorkflow) == [
        StartWorkflow(
            workflow_id="order-1",
            workflow_type="Order",
            task_queue="orders",
            args=(Payload(JSON_PLAIN, b'{"sku":"A-7"}'), Payload(JSON_PLAIN, b"2")),
            replies=("accepted",),
            conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            execution_timeout=3_600_000_000,
            memo={"customer": Payload(JSON_PLAIN, b"7")},
        )
    ]
    request = host.requests[0]
    assert request.message_id == "start-1"
    assert request.queue == partition_queue(nth(slot_of("order-1") % PARTITIONS))
    assert (handle.id, handle.status, handle.suspended_reason) == ("order-1", WorkflowStatus.RUNNING, None)
    assert handle.run_id == accepted(request).run_id


async def test_arguments_may_be_given_as_a_list(client: Client, host: FakeHost) -> None:
    await client.start_workflow("Order", id="order-1", args=[1, [2]])
    assert [payload.data for payload in host.of(StartWorkflow)[0].args] == [b"1", b"[2]"]


async def test_arguments_may_be_given_as_the_temporal_sdk_calls_them(client: Client, host: FakeHost) -> None:
    host.scripts[QueryWorkflow] = lambda request: [Reply(kind="answer", result=to_payload(5))]
    handle = await client.start_workflow("Order", arg=None, id="order-1", static_summary="x", task_timeout=10)
    await handle.signal("add", args=[1, 2])
    await handle.signal("add", arg=3)
    assert [await handle.query("sum", args=[4, 5]), await handle.query("sum", arg=6)] == [5, 5]
    sent: list[Any] = [*host.of(StartWorkflow), *host.of(SignalWorkflow), *host.of(QueryWorkflow)]
    datas = [[payload.data for payload in command.args] for command in sent]
    assert datas == [[b"null"], [b"1", b"2"], [b"3"], [b"4", b"5"], [b"6"]]
    assert handle.result_run_id == handle.first_execution_run_id == handle.run_id


async def test_the_type_of_a_result_may_be_given(client: Client, host: FakeHost) -> None:
    result = Reply(kind="result", status=WorkflowStatus.COMPLETED, result=to_payload("12.50"))
    host.scripts[StartWorkflow] = lambda request: [accepted(request), result]
    host.scripts[AwaitResult] = lambda request: [result]
    assert await client.execute("Price", id="p", result_type=Decimal) == Decimal("12.50")
    started = await client.start("Price", id="p", result_type=Decimal)
    found = client.get_workflow_handle("p", result_type=Decimal)
    assert [await started.result(), await found.result()] == [Decimal("12.50")] * 2
    with pytest.raises(TypeError, match=r"result_type is .*cannot be restored"):
        await client.start("Price", id="p", result_type=object())


@pytest.mark.parametrize("how", ["signal", "query", "execute_update"])
async def test_arguments_that_are_given_in_two_ways_are_refused(
    client: Client, host: FakeHost, how: str
) -> None:
    with pytest.raises(TypeError, match="one by one or as args"):
        await getattr(client.get_workflow_handle("w"), how)("name", 1, args=[2])
    with pytest.raises(TypeError, match="one by one or as args"):
        await getattr(client.get_workflow_handle("w"), how)("name", arg=1, args=[2])
    assert host.requests == []


async def test_two_starts_are_two_messages(client: Client, host: FakeHost) -> None:
    await client.start("Order", id="order-1")
    await client.start("Order", id="order-1")
    assert len({request.message_id for request in host.requests}) == 2


async def test_a_start_of_an_unknown_type_shows_why_it_does_not_run(client: Client, host: FakeHost) -> None:
    suspended = Reply(
        kind="accepted", run_id="r", status=WorkflowStatus.SUSPENDED, reason="no code for workflow type Order"
    )
    host.scripts[StartWorkflow] = lambda request: [suspended]
    handle = await client.start("Order", id="order-1")
    assert handle.status is WorkflowStatus.SUSPENDED
    assert handle.suspended_reason == "no code for workflow type Order"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs an id"),
        ({"id": "a", "queue": "b"}, "no option 'queue'"),
        ({"id": "a", "cron_schedule": "@daily"}, r"no option 'cron_schedule': .*client.create_schedule\("),
        ({"id": "a", "rpc_timeout": 3}, "no option 'rpc_timeout': timeout=, in seconds"),
        ({"id": "a", "rpc_metadata": {}}, "no option 'rpc_metadata': messages have no metadata"),
        ({"id": "a", "args": [1]}, "not both"),
    ],
)
async def test_options_that_do_not_fit_are_refused_at_once(
    client: Client, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        await client.start("Order", "argument", **options)


@pytest.mark.parametrize("workflow_id", ["", "a\nb", "ü" * 128, "\udc80"])
async def test_an_id_that_no_host_would_take_is_not_sent(
    client: Client, host: FakeHost, workflow_id: str
) -> None:
    with pytest.raises(CommandRejectedError, match="workflow_id"):
        await client.start("Order", id=workflow_id)
    with pytest.raises(CommandRejectedError, match="workflow_id"):
        await client.get_workflow_handle(workflow_id).signal("approve")
    assert not host.requests


async def test_what_cannot_be_sent_is_told_before_it_is_sent(client: Client, host: FakeHost) -> None:
    with pytest.raises(PayloadError, match="Argument 2 of Order"):
        await client.start("Order", 1, object(), id="order-1")
    with pytest.raises(CommandRejectedError, match="limit is") as caught:
        await client.start("Order", "x" * 2_000_000, id="order-1")
    assert caught.value.code == "too_large"
    handle = client.get_workflow_handle("order-1")
    for sent in (
        handle.signal("approve", "x" * 2_000_000),
        handle.query("total", "x" * 2_000_000),
        client.start("Order", id="order-1", memo={"note": "x" * 2_000_000}),
    ):
        with pytest.raises(CommandRejectedError, match="limit is 1048576") as caught:
            await sent
        assert caught.value.code == "too_large"
    with pytest.raises(CommandRejectedError, match="not valid Unicode"):
        await client.get_workflow_handle("order-1").cancel("\udc80")
    assert not host.requests


async def test_each_command_of_a_handle_is_a_message_of_its_own_kind(client: Client, host: FakeHost) -> None:
    handle = client.get_workflow_handle("order-1")
    await handle.signal("approve", "alice", 2, message_id="m-1")
    await handle.cancel("changed my mind", message_id="m-2")
    await handle.suspend("hold")
    await handle.resume()
    await handle.terminate("by hand")
    assert [request.body for request in host.requests] == [
        SignalWorkflow(workflow_id="order-1", name="approve", args=(to_payload("alice"), to_payload(2))),
        CancelWorkflow(workflow_id="order-1", reason="changed my mind"),
        SuspendWorkflow(workflow_id="order-1", reason="hold"),
        ResumeWorkflow(workflow_id="order-1"),
        TerminateWorkflow(workflow_id="order-1", reason="by hand"),
    ]
    assert [request.message_id for request in host.requests[:2]] == ["m-1", "m-2"]
    assert all(request.message_id for request in host.requests)


async def test_commands_after_a_start_go_to_the_current_run(client: Client, host: FakeHost) -> None:
    handle = await client.start("Order", id="order-1")
    await handle.signal("approve")
    assert host.of(SignalWorkflow)[0].run_id is None


async def test_a_handle_made_for_one_run_means_that_run_in_everything(client: Client, host: FakeHost) -> None:
    handle = client.get_workflow_handle("order-1", "run-7")
    await handle.signal("approve")
    await handle.cancel()
    assert [command.run_id for command in (*host.of(SignalWorkflow), *host.of(CancelWorkflow))] == ["run-7"] * 2


async def test_a_query_gives_the_value_that_the_workflow_answers(client: Client, host: FakeHost) -> None:
    host.scripts[QueryWorkflow] = lambda request: [Reply(kind="answer", result=to_payload({"done": 3}))]
    assert await client.get_workflow_handle("order-1").query("progress", "percent") == {"done": 3}
    assert host.of(QueryWorkflow) == [
        QueryWorkflow(workflow_id="order-1", name="progress", args=(to_payload("percent"),))
    ]


async def test_a_description_is_given_as_it_comes(client: Client, host: FakeHost) -> None:
    description = Description(
        workflow_id="order-1",
        run_id="r",
        workflow_type="Order",
        task_queue="default",
        status=WorkflowStatus.RUNNING,
        sequence=3,
        started_at=1,
    )
    host.scripts[DescribeWorkflow] = lambda request: [Reply(kind="answer", description=description)]
    assert await client.get_workflow_handle("order-1").describe() == description


def test_what_is_shown_of_a_run_has_the_names_of_the_temporal_sdk_too() -> None:
    shown = Description(
        workflow_id="order-1",
        run_id="r",
        workflow_type="Order",
        task_queue="default",
        status=WorkflowStatus.COMPLETED,
        sequence=3,
        started_at=1_000_000,
        closed_at=2_500_000,
        parent_workflow_id="shop",
    )
    began = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (shown.id, shown.parent_id) == ("order-1", "shop")
    assert shown.start_time == shown.execution_time == began
    assert shown.close_time == began + timedelta(seconds=1.5)
    assert replace(shown, begins_at=3_000_000).execution_time == began + timedelta(seconds=2)
    assert replace(shown, closed_at=None).close_time is None


async def test_a_failed_query_has_what_the_handler_raised_as_its_cause(client: Client, host: FakeHost) -> None:
    failure = Failure(
        message="unknown", type="Currency", details=(to_payload("XYZ"),), cause=Failure(message="k")
    )
    reply = refused("query_failed", "The query failed")
    host.scripts[QueryWorkflow] = lambda request: [replace(reply, failure=failure)]
    with pytest.raises(QueryFailedError, match="The query failed") as caught:
        await client.get_workflow_handle("order-1").query("total", "XYZ")
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.message, cause.type, list(cause.details), str(cause.__cause__)) == (
        "unknown",
        "Currency",
        ["XYZ"],
        "k",
    )


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("rejected", CommandRejectedError),
        ("invalid", CommandRejectedError),
        ("too_large", CommandRejectedError),
        ("not_found", WorkflowNotFoundError),
        ("already_started", WorkflowAlreadyStartedError),
        ("closed", WorkflowClosedError),
        ("query_failed", QueryFailedError),
        ("unsupported", UnsupportedError),
    ],
)
async def test_each_error_code_is_raised_as_its_own_error(
    client: Client, host: FakeHost, code: ErrorCode, error_type: type[CommandRejectedError]
) -> None:
    host.scripts[SignalWorkflow] = lambda request: [refused(code, "because")]
    with pytest.raises(error_type, match="because") as caught:
        await client.get_workflow_handle("w-1").signal("approve")
    assert type(caught.value) is error_type
    assert caught.value.code == code
    assert len(host.requests) == 1


async def test_a_refused_start_names_the_run_that_stands_in_the_way(client: Client, host: FakeHost) -> None:
    error = ReplyError(code="already_started", message="w-1 is open", workflow_id="w-1", run_id="run-0")
    host.scripts[StartWorkflow] = lambda request: [Reply(kind="accepted", error=error)]
    with pytest.raises(WorkflowAlreadyStartedError) as caught:
        await client.start("Order", id="w-1")
    assert (caught.value.workflow_id, caught.value.run_id) == ("w-1", "run-0")
