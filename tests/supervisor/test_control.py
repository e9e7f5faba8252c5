"""Requests to the control queue are done with, whatever the database does: there are few places for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.control import Control
from dalsegno.actors.supervisor.outbox import Outbox
from dalsegno.broker.port import Delivery, Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.broker.topology import routing_key_of
from dalsegno.errors import StoreUnavailableError
from tests.supervisor.scripted_world import command
from tests.supervisor.test_outbox import Shell


class Consumer:
    is_open = True

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        self.acknowledged.append(tag)


class BrokenStore:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def fetch(self, query: Callable[[Any], Any]) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [StoreUnavailableError("it is away"), ZeroDivisionError()])
async def test_a_request_that_cannot_be_answered_now_is_not_held(error: Exception) -> None:
    shell, consumer = Shell(), Consumer()
    outbox = Outbox(shell, shell)
    store: Any = BrokenStore(error)
    control = Control(outbox=outbox, store=store, membership=store, host_id=lambda: "host-1")
    control.on_request(_delivery(1, wire.ListWorkflows()), consumer)  # type: ignore[arg-type]
    for _ in range(10):
        await asyncio.sleep(0)
    assert consumer.acknowledged == [1]


async def test_two_clients_with_the_same_message_id_are_both_answered() -> None:
    """A query is passed on to its partition as it is."""
    shell, consumer = Shell(), Consumer()
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    store: Any = BrokenStore(ZeroDivisionError())
    control = Control(outbox=outbox, store=store, membership=store, host_id=lambda: "host-1")
    for tag, workflow_id in enumerate(("w", "other", "w"), 1):
        control.on_request(_delivery(tag, wire.QueryWorkflow(workflow_id=workflow_id, name="q")), consumer)  # type: ignore[arg-type]
    passed_on = []
    while shell.published:
        batch = shell.take()
        assert len({outgoing.message.message_id for outgoing in batch}) == len(batch)
        for outgoing in batch:
            passed_on.append(outgoing.message.body)
            outgoing.on_outcome(Outcome.CONFIRMED)
    assert len(set(passed_on)) == 2
    assert sorted(consumer.acknowledged) == [1, 2, 3]


@pytest.mark.parametrize("acknowledge", ["early", "late"])
async def test_a_dead_task_is_a_failed_attempt_unless_it_was_never_granted(
    acknowledge: Literal["early", "late"],
) -> None:
    shell, consumer = Shell(), Consumer()
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    store: Any = BrokenStore(ZeroDivisionError())
    control = Control(outbox=outbox, store=store, membership=store, host_id=lambda: "host-1")
    task = replace(TASK, acknowledge=acknowledge)
    dead = replace(encode(task, message_id="t"), headers={"x-delivery-count": 21, "x-death": "[...]"})
    control.on_dead_task(Delivery(dead, 1, False, "dalsegno.dead", "tasks"), consumer)  # type: ignore[arg-type]
    for queue in shell.declared:
        outbox.task_queue_declared(queue)
    (outgoing,) = shell.take()
    assert consumer.acknowledged == []
    outgoing.on_outcome(Outcome.CONFIRMED)
    assert consumer.acknowledged == [1]
    sent = decode(outgoing.message)
    if acknowledge == "early":
        assert (outgoing.exchange, outgoing.routing_key) == ("", "dalsegno.tasks.payments")
        assert sent == task
        assert outgoing.message.headers == {}
    else:
        assert (outgoing.exchange, outgoing.routing_key) == ("dalsegno.results", routing_key_of("w"))
        assert isinstance(sent, wire.ActivityFailed)
        assert (sent.failure.kind, sent.attempt, sent.token) == ("worker_lost", 1, task.token)


TASK = wire.ActivityTask(
    workflow_id="w",
    run_id="r",
    workflow_type="Order",
    activity_id="1",
    activity_type="charge",
    task_queue="payments",
    attempt=1,
    token=b"t" * 16,
    fence=1,
    idempotency_key="k",
    exchange="dalsegno.results",
    routing_key=routing_key_of("w"),
    scheduled_at=1,
)


def _delivery(tag: int, body: wire.WireMessage) -> Delivery:
    return Delivery(command(body, "m"), tag, False, "", "dalsegno.control")
