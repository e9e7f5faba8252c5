"""Requests to the control queue are done with, whatever the database does: there are few places for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.outbox.outbox import PARK_AFTER_SECONDS, Outbox
from dalsegno.actors.supervisor.people import control as control_module
from dalsegno.actors.supervisor.people.control import Control
from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.signals.events import SignalReceived
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.port import Delivery, Message, Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import CBOR, JSON, decode, encode
from dalsegno.broker.protocol.limits import MAX_BODY_BYTES
from dalsegno.broker.topology import routing_key_of
from dalsegno.errors import StoreUnavailableError, TooSlowError, UnreadableRowError
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.persistence.port import JournalRow
from tests.broker.witness import eventually
from tests.partition_ids import FIRST
from tests.supervisor.mail import command
from tests.supervisor.outbox.carrier import Shell, shipment


async def declares_nothing(_: object) -> wire.ControlReply:
    raise AssertionError("nobody asks for it")


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
    control = Control(outbox=outbox, store=store, declare=declares_nothing, host_id=lambda: "host-1")
    control.on_request(_delivery(1, wire.ListWorkflows()), consumer)
    for _ in range(10):
        await asyncio.sleep(0)
    assert consumer.acknowledged == [1]


@pytest.mark.parametrize(
    ("error", "request_"),
    [
        (TooSlowError("Narrow the list."), wire.ListWorkflows()),
        (UnreadableRowError("the row of run 'r' is damaged"), wire.GetHistory(workflow_id="w")),
    ],
)
async def test_who_asks_for_what_cannot_be_had_is_told_why_and_not_left_to_ask_again(
    error: Exception, request_: wire.WireMessage
) -> None:
    shell, consumer = Shell(), Consumer()
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    store: Any = BrokenStore(error)
    control = Control(outbox=outbox, store=store, declare=declares_nothing, host_id=lambda: "host-1")
    control.on_request(_delivery(1, request_), consumer)
    await eventually(lambda: bool(shell.published), "the answer")
    (outgoing,) = shell.take()
    reply = decode(outgoing.message)
    assert isinstance(reply, wire.ControlReply)
    assert reply.error is not None
    assert (reply.error.code, reply.error.message) == ("rejected", str(error))


async def test_two_clients_with_the_same_message_id_are_both_answered() -> None:
    """A query is passed on to its partition as it is."""
    shell, consumer = Shell(), Consumer()
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    store: Any = BrokenStore(ZeroDivisionError())
    control = Control(outbox=outbox, store=store, declare=declares_nothing, host_id=lambda: "host-1")
    for tag, workflow_id in enumerate(("w", "other", "w"), 1):
        control.on_request(_delivery(tag, wire.QueryWorkflow(workflow_id=workflow_id, name="q")), consumer)
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
    control = Control(outbox=outbox, store=store, declare=declares_nothing, host_id=lambda: "host-1")
    task = replace(TASK, acknowledge=acknowledge)
    dead = replace(encode(task, message_id="t"), headers={"x-delivery-count": 21, "x-death": "[...]"})
    control.on_dead_task(Delivery(dead, 1, False, "dalsegno.dead", "tasks"), consumer)
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


class Rows:
    """A store that answers by the query; `sizes` are those of the signals in its journal."""

    def __init__(self, *payloads: bytes) -> None:
        self.rows = [
            JournalRow(
                run_id="r",
                sequence=sequence,
                round=1,
                cause="workflow.signal m",
                partition=FIRST,
                epoch=1,
                host="h",
                time=1,
                events=CODEC.encode_record(
                    Record(sequence, 1, True, (), (SignalReceived("say", (Payload(JSON_PLAIN, data),)),))
                ),
            )
            for sequence, data in enumerate(payloads, 1)
        ]

    async def fetch(self, query: Callable[[Any], Any]) -> Any:
        return query(self)

    def run(self, workflow_id: str, run_id: str | None) -> JournalRow:
        return self.rows[0]

    def history(self, run_id: str, *, after: int, limit: int) -> tuple[list[JournalRow], int | None]:
        behind = [row for row in self.rows if row.sequence > after]
        return behind[:limit], behind[limit - 1].sequence if len(behind) > limit else None


TOO_LARGE = [{"type": "SignalReceived", "left_out": "too large"}]


@pytest.mark.parametrize(
    ("payloads", "whole"),
    [
        pytest.param([b'"%s"' % (b"x" * 300_000)] * 7, {1, 2, 3, 4, 5, 6, 7}, id="more than one message"),
        pytest.param([b"1", b'"%s"' % (b"x" * MAX_BODY_BYTES), b"3"], {1, 3}, id="one row too large"),
        pytest.param([b"1", b"[" * 70 + b"]" * 70, b"3"], {1, 3}, id="one row too deep"),
        pytest.param([b"1", b"[%s1]" % (b"1," * 100_000), b"3"], {1, 3}, id="one row of too many values"),
    ],
)
@pytest.mark.parametrize("content_type", [CBOR, JSON])
async def test_a_history_comes_in_pages_that_a_message_can_carry(
    payloads: list[bytes], whole: set[int], content_type: str
) -> None:
    shell, consumer = Shell(), Consumer()
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    store: Any = Rows(*payloads)
    control = Control(outbox=outbox, store=store, declare=declares_nothing, host_id=lambda: "host-1")
    shown: dict[int, list[dict[str, Any]]] = {}
    for tag in range(1, 10):
        body = wire.GetHistory(workflow_id="w", after=max(shown, default=0))
        asked = replace(
            _delivery(tag, body).message, body=encode(body, message_id="m", content_type=content_type).body
        )
        asked = replace(asked, content_type=content_type, message_id=f"m{tag}")
        control.on_request(Delivery(asked, tag, False, "", "dalsegno.control"), consumer)
        for _ in range(10):
            await asyncio.sleep(0)
        (outgoing,) = shell.take()
        outgoing.on_outcome(Outcome.CONFIRMED)
        reply = decode(outgoing.message)
        assert isinstance(reply, wire.ControlReply)
        assert reply.error is None
        shown.update((entry.sequence, list(entry.events)) for entry in reply.history)
        if reply.cursor is None:
            break
    assert list(shown) == [row.sequence for row in store.rows]
    assert {sequence for sequence, events in shown.items() if events != TOO_LARGE} == whole


def _delivery(tag: int, body: wire.WireMessage) -> Delivery:
    return Delivery(command(body, "m"), tag, False, "", "dalsegno.control")


async def test_what_meets_a_defect_while_it_is_read_ends_no_host_and_a_dead_task_of_it_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def defect(message: Message) -> wire.WireMessage:
        raise KeyError("a defect")

    monkeypatch.setattr(control_module, "decode", defect)
    monkeypatch.setattr(control_module, "PUT_BACK_SECONDS", 0.01)
    shell, consumer = Shell(), Consumer()
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    store: Any = BrokenStore(ZeroDivisionError())
    control = Control(outbox=outbox, store=store, declare=declares_nothing, host_id=lambda: "host-1")
    control.on_request(_delivery(1, wire.Ping()), consumer)
    assert consumer.acknowledged == [1]
    dead = encode(TASK, message_id="t")
    control.on_dead_task(Delivery(dead, 2, False, "dalsegno.dead", "tasks"), consumer)
    await eventually(lambda: bool(shell.published), "it is put back")
    (outgoing,) = shell.take()
    assert (outgoing.routing_key, outgoing.message) == ("dalsegno.tasks.dead", dead)
    for outcome in (Outcome.RETURNED, Outcome.REFUSED):  # it may be the only trace of the task
        outgoing.on_outcome(outcome)
        shell.time += PARK_AFTER_SECONDS + 1
        outbox.send([shipment("other")])
        shell.take()[0].on_outcome(Outcome.CONFIRMED)
        outbox.park_overdue()
        shell.later.pop()()
        (outgoing,) = shell.take()
    assert shell.namespaces_declared == 1
    assert consumer.acknowledged == [1]
    outgoing.on_outcome(Outcome.CONFIRMED)
    assert consumer.acknowledged == [1, 2]
