"""What a client is given is sent in a form that every host reads, or refused with nothing sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from dalsegno.broker.protocol.messages import CancelWorkflow, SignalWorkflow, StartWorkflow
from dalsegno.client import Client
from dalsegno.errors import CommandRejectedError, DalsegnoError
from tests.client.fake_host import FakeHost
from tests.sdk.odd_values import ODD, Loud, Named

START_OPTIONS = (
    "id",
    "task_queue",
    "id_conflict_policy",
    "id_reuse_policy",
    "execution_timeout",
    "memo",
    "message_id",
    "args",
)


async def refused_or_sent(call: Awaitable[Any]) -> str | None:
    """The refusal; None when the host was asked, which reads with its own strict decoder."""
    try:
        await call
    except (TypeError, ValueError, DalsegnoError) as refusal:
        return str(refusal)
    return None


@pytest.mark.parametrize("option", START_OPTIONS)
async def test_an_odd_option_of_a_start_is_refused_at_once_or_sent_as_what_it_is(
    client: Client, host: FakeHost, option: str
) -> None:
    for value in ODD:
        sent = len(host.of(StartWorkflow))
        options: dict[str, Any] = {"id": "order-1", option: value}
        refusal = await refused_or_sent(client.start("Order", **options))
        if refusal is None:
            assert len(host.of(StartWorkflow)) == sent + 1
        else:
            assert len(host.of(StartWorkflow)) == sent, value
            assert option in refusal or option in ("id", "args"), refusal


async def test_an_odd_timeout_is_refused_or_waited_for(client: Client, host: FakeHost) -> None:
    for value in ODD:
        refusal = await refused_or_sent(client.start("Order", id="order-1", timeout=value))
        assert refusal is None or "timeout" in refusal or "within" in refusal


CALLS: dict[str, Callable[[Client, Any], Awaitable[Any]]] = {
    "workflow": lambda client, odd: client.start(odd, id="order-1"),
    "a handle's workflow ID": lambda client, odd: described(client, odd, None),
    "a handle's run ID": lambda client, odd: described(client, "order-1", odd),
    "signal": lambda client, odd: client.get_workflow_handle("w").signal(odd),
    "query": lambda client, odd: client.get_workflow_handle("w").query(odd),
    "message ID": lambda client, odd: client.get_workflow_handle("w").signal("s", message_id=odd),
    "reason to cancel": lambda client, odd: client.get_workflow_handle("w").cancel(odd),
    "reason to terminate": lambda client, odd: client.get_workflow_handle("w").terminate(odd),
    "reason to suspend": lambda client, odd: client.get_workflow_handle("w").suspend(odd),
    "status": lambda client, odd: listed(client, status=odd),
    "type": lambda client, odd: listed(client, workflow_type=odd),
    "page": lambda client, odd: listed(client, page_size=odd),
    "sequence": lambda client, odd: read(client, after=odd),
}


async def described(client: Client, workflow_id: Any, run_id: Any) -> None:
    await client.get_workflow_handle(workflow_id, run_id).cancel()


async def listed(client: Client, **options: Any) -> None:
    async for _ in client.list_workflows(**options):
        pass


async def read(client: Client, **options: Any) -> None:
    async for _ in client.history("w", **options):
        pass


@pytest.mark.parametrize("what", CALLS)
async def test_an_odd_argument_of_any_call_is_refused_at_once_or_sent(
    client: Client, host: FakeHost, what: str
) -> None:
    for value in ODD:
        asked = len(host.requests)
        refusal = await refused_or_sent(CALLS[what](client, value))
        assert (refusal is None) or (len(host.requests) == asked), value


async def test_what_is_of_another_type_by_name_only_is_taken(client: Client, host: FakeHost) -> None:
    await client.start(Named.ONE, id=Named.ONE, task_queue=Loud("loud"), execution_timeout=timedelta(minutes=1))
    (start,) = host.of(StartWorkflow)
    assert (start.workflow_type, start.workflow_id, start.task_queue) == ("one", "one", "loud")
    assert {type(start.workflow_id), type(start.task_queue)} == {str}
    await client.get_workflow_handle(Loud("w")).signal(Named.ONE, message_id=Named.ONE)
    await client.get_workflow_handle("w").cancel(Loud("because"))
    assert [signal.name for signal in host.of(SignalWorkflow)] == ["one"]
    assert [cancel.reason for cancel in host.of(CancelWorkflow)] == ["because"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"id": 7}, TypeError, "id must be text, not 7"),
        ({"id": ""}, ValueError, "workflow_id is empty"),
        (
            {"id": "a", "execution_timeout": float("inf")},
            ValueError,
            "execution_timeout must be a finite duration",
        ),
        ({"id": "a", "execution_timeout": 0}, ValueError, "more than 0 seconds, not 0"),
        (
            {"id": "a", "id_reuse_policy": "sometimes"},
            ValueError,
            "id_reuse_policy must be one of WorkflowIDReuse",
        ),
        ({"id": "a", "memo": [1]}, TypeError, r"memo must be a dict, not \[1\]"),
        ({"id": "a", "memo": {5: 1}}, TypeError, "A key of memo must be text, not 5"),
        ({"id": "a", "args": "hello"}, TypeError, "args must be a list or tuple of arguments, not 'hello'"),
        ({"id": "a", "timeout": "5"}, TypeError, "timeout must be a duration"),
    ],
)
async def test_a_wrong_option_is_told_in_words(
    client: Client, host: FakeHost, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await client.start("Order", **options)
    assert not host.requests


async def test_a_value_that_no_receiver_takes_is_a_rejection_and_a_value_error(client: Client) -> None:
    with pytest.raises(ValueError, match="workflow_id") as caught:
        await client.start("Order", id="a\nb")
    assert isinstance(caught.value, CommandRejectedError)
    assert caught.value.code == "invalid"


async def test_a_wait_may_be_without_end_or_a_timedelta(client: Client, host: FakeHost) -> None:
    await client.start("Order", id="order-1", timeout=timedelta(seconds=20))  # type: ignore[typeddict-item]
    await client.start("Order", id="order-2", timeout=float("inf"))
    assert len(host.of(StartWorkflow)) == 2
