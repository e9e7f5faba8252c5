"""Waiting for workflows to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import (
    AwaitResult,
    AwaitUpdate,
    QueryWorkflow,
    Reply,
    SignalWorkflow,
    StartWorkflow,
)
from dalsegno.client import Client, NoAnswerError
from dalsegno.errors import (
    ApplicationError,
    CanceledError,
    FailureError,
    PayloadError,
    TerminatedError,
    TimedOutError,
    WorkflowFailedError,
    WorkflowNotFoundError,
)
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus
from tests.client.fake_host import FakeHost, Request, accepted, refused
from tests.client.flaky_broker import FlakyBroker
from tests.default_converter import to_payload


@dataclass
class Receipt:
    total: Decimal


def named(name: str, **marks: Any) -> Callable[[Any], Any]:
    """What the decorators of dalsegno.workflow leave on a class or function."""

    def mark(target: Any) -> Any:
        for mark, value in {"__dalsegno_name__": name, **marks}.items():
            setattr(target, mark, value)
        return target

    return mark


@named("Order")
class OrderWorkflow:
    @named("Order", __dalsegno_run__=True)
    async def run(self, sku: str) -> Receipt:
        raise NotImplementedError

    @named("approve!")
    def approve(self) -> None:
        raise NotImplementedError

    @named("total")
    def total(self) -> Decimal:
        raise NotImplementedError


def completed(value: Any) -> Reply:
    return Reply(kind="result", run_id="run-1", status=WorkflowStatus.COMPLETED, result=to_payload(value))


RECEIPT = Receipt(Decimal("1.10"))


def suspended(reason: str) -> Reply:
    return Reply(kind="answer", workflow_id="w-1", status=WorkflowStatus.SUSPENDED, reason=reason)


async def test_a_handle_for_a_workflow_or_an_update_knows_what_comes_back(
    client: Client, host: FakeHost
) -> None:
    result = to_payload(Receipt(Decimal("9.90")))
    ended = Reply(kind="result", workflow_id="w", run_id="r", status=WorkflowStatus.COMPLETED, result=result)
    host.scripts[AwaitResult] = lambda _: [ended]
    told = Reply(
        kind="update", workflow_id="w", run_id="r", update_id="u", update_stage="completed", result=result
    )
    host.scripts[AwaitUpdate] = lambda _: [told]
    handle = client.get_workflow_handle_for(OrderWorkflow, "w", run_id="r")
    assert (handle.id, handle.run_id) == ("w", "r")
    assert await handle.result() == Receipt(Decimal("9.90"))
    assert await handle.get_update_handle_for(OrderWorkflow.run, "u").result() == Receipt(Decimal("9.90"))


async def test_who_waits_is_told_once_of_each_suspension_and_goes_on_waiting(
    broker: Broker, host: FakeHost
) -> None:
    told: list[tuple[str, str]] = []
    host.scripts[AwaitResult] = lambda _: [
        suspended("ZeroDivisionError at orders.py:7"),
        suspended("ZeroDivisionError at orders.py:7"),
        suspended("KeyError at orders.py:9"),
        completed(3),
    ]
    async with Client(broker, on_suspended=lambda *what: told.append(what)) as client:
        assert await client.get_workflow_handle("w-1").result() == 3

    assert told == [("w-1", "ZeroDivisionError at orders.py:7"), ("w-1", "KeyError at orders.py:9")]
    assert host.of(AwaitResult)[0].tell_suspended


async def test_who_waits_is_told_once_of_each_incident_with_the_command_that_shows_it(
    client: Client, host: FakeHost
) -> None:
    def waits_for_a_person(number: int) -> Reply:
        reason = f"incident {number}: activity charge failed after 3 attempts"
        return Reply(
            kind="answer",
            workflow_id="w-1",
            run_id="r",
            status=WorkflowStatus.RUNNING,
            reason=reason,
            incident=number,
        )

    host.scripts[AwaitResult] = lambda _: [*map(waits_for_a_person, (1, 1, 2, 1)), completed(3)]
    with capture_logs() as logs:
        assert await client.get_workflow_handle("w-1").result() == 3

    told = [entry for entry in logs if entry["event"] == "incident_open"]
    assert [entry["log_level"] for entry in told] == ["warning", "warning"]
    assert [entry["hint"] for entry in told] == [
        "dalsegno incidents show w-1 1",
        "dalsegno incidents show w-1 2",
    ]
    assert "charge failed" in told[0]["reason"]


async def test_who_executes_is_told_that_it_was_suspended_at_once(broker: Broker, host: FakeHost) -> None:
    told: list[tuple[str, str]] = []
    host.scripts[StartWorkflow] = lambda request: [
        replace(accepted(request), status=WorkflowStatus.SUSPENDED, reason="a bug"),
        completed(3),
    ]
    async with Client(broker, on_suspended=lambda *what: told.append(what)) as client:
        assert await client.execute("Order", id="w-1") == 3

    assert told == [("w-1", "a bug")]


async def test_the_result_is_what_the_run_method_returns(client: Client, host: FakeHost) -> None:
    host.scripts[AwaitResult] = lambda request: [completed(RECEIPT)]
    handle = await client.start(OrderWorkflow.run, "A-7", id="order-1")
    assert await handle.result() == RECEIPT
    assert host.of(StartWorkflow)[0].workflow_type == "Order"
    assert host.of(AwaitResult) == [
        AwaitResult(workflow_id="order-1", run_id=handle.run_id, tell_suspended=True)
    ]


async def test_the_class_stands_for_its_run_method(client: Client, host: FakeHost) -> None:
    host.scripts[AwaitResult] = lambda request: [completed(RECEIPT)]
    assert await client.execute(OrderWorkflow, "A-7", id="order-1") == RECEIPT
    handle = client.get_workflow_handle("order-1", workflow=OrderWorkflow)
    assert await handle.result() == RECEIPT


async def test_a_workflow_known_by_name_alone_gives_plain_json(client: Client, host: FakeHost) -> None:
    host.scripts[AwaitResult] = lambda request: [completed(RECEIPT)]
    assert await client.execute("Order", "A-7", id="order-1") == {"total": "1.10"}


async def test_a_workflow_without_a_result_gives_none(client: Client, host: FakeHost) -> None:
    host.scripts[AwaitResult] = lambda request: [Reply(kind="result", status=WorkflowStatus.COMPLETED)]
    assert await client.execute("Order", id="order-1") is None


async def test_signals_and_queries_may_be_given_as_methods(client: Client, host: FakeHost) -> None:
    host.scripts[QueryWorkflow] = lambda request: [Reply(kind="answer", result=to_payload(Decimal("2.50")))]
    handle = client.get_workflow_handle("order-1")
    await handle.signal(OrderWorkflow.approve)
    assert await handle.query(OrderWorkflow.total) == Decimal("2.50")
    assert await handle.query("total", result_type=Decimal) == Decimal("2.50")
    assert await handle.query("total") == "2.50"
    assert host.of(SignalWorkflow)[0].name == "approve!"


async def test_a_result_type_that_nothing_can_be_restored_as_is_refused_before_anybody_is_asked(
    client: Client, host: FakeHost
) -> None:
    with pytest.raises(TypeError, match="result_type is FakeHost, which cannot be restored"):
        await client.get_workflow_handle("order-1").query("total", result_type=FakeHost)
    assert host.of(QueryWorkflow) == []


async def test_what_is_not_decorated_has_no_name(client: Client) -> None:
    class Plain:
        async def run(self) -> None:
            raise NotImplementedError

    for target in (Plain, Plain.run):
        with pytest.raises(TypeError, match="has no name in dalsegno: decorate it"):
            await client.start(target, id="order-1")


async def test_a_result_that_does_not_fit_its_annotation_is_told(client: Client, host: FakeHost) -> None:
    host.scripts[AwaitResult] = lambda request: [completed({"total": "a lot"})]
    with pytest.raises(PayloadError, match=r"at `\$.total`"):
        await client.execute(OrderWorkflow.run, "A-7", id="order-1")


@pytest.mark.parametrize(
    ("status", "failure", "cause_type", "words"),
    [
        (WorkflowStatus.FAILED, Failure(message="no funds", type="Broke"), ApplicationError, "it failed"),
        (WorkflowStatus.FAILED, None, ApplicationError, "it failed"),
        (WorkflowStatus.CANCELED, Failure(kind="canceled"), CanceledError, "was canceled"),
        (WorkflowStatus.CANCELED, None, CanceledError, "was canceled"),
        (WorkflowStatus.TERMINATED, None, TerminatedError, "was terminated"),
        (WorkflowStatus.TIMED_OUT, None, TimedOutError, "timed out"),
    ],
)
async def test_an_end_other_than_completion_is_raised_with_its_cause(
    client: Client,
    host: FakeHost,
    status: WorkflowStatus,
    failure: Failure | None,
    cause_type: type[FailureError],
    words: str,
) -> None:
    ended = Reply(kind="result", run_id="run-1", status=status, failure=failure, reason="because")
    host.scripts[AwaitResult] = lambda request: [ended]
    with pytest.raises(WorkflowFailedError, match=words) as caught:
        await client.get_workflow_handle("order-1").result()
    assert (caught.value.workflow_id, caught.value.run_id) == ("order-1", "run-1")
    assert type(caught.value.__cause__) is cause_type
    assert caught.value.__cause__.message == (failure.message if failure else "because")


async def test_waiting_for_a_workflow_that_does_not_exist_is_refused(client: Client, host: FakeHost) -> None:
    host.scripts[AwaitResult] = lambda request: [refused("not_found")]
    with pytest.raises(WorkflowNotFoundError):
        await client.get_workflow_handle("order-1").result()


async def test_waiting_ends_when_its_time_is_up(client: Client, host: FakeHost) -> None:
    host.silent = True
    with pytest.raises(TimeoutError, match="'order-1' has not ended within") as caught:
        await client.get_workflow_handle("order-1").result(timeout=0.05)
    assert isinstance(caught.value, NoAnswerError)


# --- asking again ------------------------------------------------------------------------------------------


async def test_a_host_that_gives_up_its_partition_is_followed_at_once(client: Client, host: FakeHost) -> None:
    host.scripts[AwaitResult] = lambda request: (
        [refused("moved")] if len(host.requests) < 3 else [completed("done")]
    )
    assert await client.get_workflow_handle("order-1").result() == "done"
    assert len({request.message_id for request in host.requests}) == 3


async def test_a_waiter_says_again_that_it_waits(client: Client, host: FakeHost) -> None:
    host.scripts[AwaitResult] = lambda request: [completed("done")] if len(host.requests) == 3 else []
    assert await client.get_workflow_handle("order-1").result() == "done"
    assert len({request.message_id for request in host.requests}) == 3


async def test_a_waiter_whose_link_broke_asks_on_the_next(
    client: Client, host: FakeHost, broker: FlakyBroker
) -> None:
    host.silent = True
    waiting = asyncio.ensure_future(client.get_workflow_handle("order-1").result())
    (before,) = await host.received(AwaitResult)
    host.silent = False
    host.scripts[AwaitResult] = lambda request: [completed("done")]
    await broker.cut()
    assert await waiting == "done"
    assert host.requests[1].reply_to != before.reply_to


# --- execute -----------------------------------------------------------------------------------------------


async def test_execute_takes_the_result_that_the_start_asked_for(client: Client, host: FakeHost) -> None:
    host.scripts[StartWorkflow] = lambda request: [accepted(request), completed(RECEIPT)]
    assert await client.execute(OrderWorkflow.run, "A-7", id="order-1") == RECEIPT
    assert [type(request.body) for request in host.requests] == [StartWorkflow]
    assert host.of(StartWorkflow)[0].replies == ("accepted", "result")


async def test_execute_is_not_confused_by_the_order_of_its_answers(client: Client, host: FakeHost) -> None:
    def accepted_twice(request: Request) -> list[Reply]:
        return [accepted(request), accepted(request), completed(RECEIPT)]

    host.scripts[StartWorkflow] = accepted_twice
    assert await client.execute(OrderWorkflow.run, "A-7", id="order-1") == RECEIPT


async def test_execute_asks_when_its_link_broke_before_the_result(
    client: Client, host: FakeHost, broker: FlakyBroker
) -> None:
    host.scripts[AwaitResult] = lambda request: [completed(RECEIPT)]
    running = asyncio.ensure_future(client.execute(OrderWorkflow.run, "A-7", id="order-1"))
    (start,) = await host.received(StartWorkflow)
    await broker.cut()
    assert await running == RECEIPT
    asked = host.of(AwaitResult)[0]
    assert asked.run_id == accepted(start).run_id
