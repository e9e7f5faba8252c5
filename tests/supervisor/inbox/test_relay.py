"""Rows of the inbox become commands and are removed once the broker has them; what is wrong stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import pytest

from dalsegno.actors.supervisor.database.reading_thread import ToLoop
from dalsegno.actors.supervisor.inbox import relay as relay_module
from dalsegno.actors.supervisor.inbox.relay import (
    BYTES_MAX,
    IN_FLIGHT_BYTES_MAX,
    IN_FLIGHT_MAX,
    OTHERS_AFTER,
    ROWS_MAX,
    SEND_AGAIN_SECONDS,
    Relay,
)
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.broker import topology
from dalsegno.broker.message_bytes import encode_message
from dalsegno.broker.port import Message, Outcome, Outgoing
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.protocol.messages import Ping, SignalWorkflow, StartWorkflow
from dalsegno.errors import StoreUnavailableError
from dalsegno.payload import Payload
from dalsegno.persistence.inbox_port import InboxRow
from dalsegno.persistence.lists import within
from tests.supervisor.outbox.carrier import Shell

NOW = 1_700_000_000_000_000


class Table:
    """An inbox in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, bytes] = {}
        self.error: Exception | None = None
        self.asked: list[dict[str, Any]] = []
        self.is_closed = False

    def waiting(self, *, without: Collection[int], limit: int, bytes_max: int, **asked: Any) -> list[InboxRow]:
        self.asked.append({"without": set(without), **asked})
        if self.error is not None:
            raise self.error
        rows = [InboxRow(number, row) for number, row in self.rows.items() if number not in without][:limit]
        return rows[: within(bytes_max, [len(row.message) for row in rows])]

    def remove(self, numbers: Collection[int]) -> None:
        if self.error is not None:
            raise self.error
        for number in numbers:
            self.rows.pop(number, None)

    def close(self) -> None:
        self.is_closed = True


class Host:
    def __init__(self) -> None:
        self.table = Table()
        self.shell = Shell()
        self.outbox = Outbox(self.shell, self.shell)
        self.outbox.publisher_opened()
        self.is_first = self.may_send = True
        self.escaped: list[BaseException] = []
        self.relay = Relay(
            self.table,
            self.outbox,
            ToLoop(self.escaped.append),
            is_first=lambda: self.is_first,
            may_send=lambda: self.may_send,
            now=lambda: NOW,
            monotonic=self.shell.monotonic,
        )

    async def look(self) -> list[Outgoing]:
        """Look once; what was sent."""
        self.go_on()
        looks = len(self.table.asked)
        self.relay.look()
        await self.until(lambda: len(self.table.asked) > looks and not self.relay._is_under_way)
        self.go_on()
        return self.shell.take()

    def go_on(self) -> None:
        """Do what the outbox has put off."""
        while self.shell.soon:
            self.shell.soon.pop(0)()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self.go_on()
                await asyncio.sleep(0)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    yield host
    host.relay.close()
    assert host.table.is_closed
    assert host.escaped == []


def row(workflow_id: str, message_id: str) -> bytes:
    start = StartWorkflow(workflow_id=workflow_id, workflow_type="Order")
    return encode_message(encode(start, message_id=message_id))


async def test_a_row_is_sent_as_it_is_and_removed_when_the_broker_has_it(host: Host) -> None:
    host.table.rows = {1: row("a", "m-1"), 2: row("b", "m-2")}
    sent = await host.look()
    assert [outgoing.message.message_id for outgoing in sent] == ["m-1", "m-2"]
    assert {outgoing.exchange for outgoing in sent} == {topology.COMMANDS_EXCHANGE}
    assert [outgoing.routing_key for outgoing in sent] == [topology.routing_key_of(id_) for id_ in ("a", "b")]

    assert await host.look() == [], "what is on its way is not read again"
    sent[0].on_outcome(Outcome.CONFIRMED)
    await host.look()
    assert list(host.table.rows) == [2]
    sent[1].on_outcome(Outcome.CONFIRMED)
    await host.look()
    assert host.table.rows == {}


async def test_commands_to_one_workflow_keep_their_order(host: Host) -> None:
    signal = encode_message(encode(SignalWorkflow(workflow_id="a", name="go"), message_id="m-2"))
    host.table.rows = {1: row("a", "m-1"), 2: signal}
    (first,) = await host.look()
    assert first.message.message_id == "m-1"
    first.on_outcome(Outcome.CONFIRMED)
    (second,) = await host.look()
    assert second.message.message_id == "m-2"


async def test_what_is_no_command_is_a_dead_letter_and_stops_no_other(host: Host) -> None:
    garbage = encode_message(Message(body=b"\xff", message_id="m-2", type="workflow.start"))
    ping = encode_message(encode(Ping(), message_id="m-3"))
    host.table.rows = {1: b"nonsense", 2: garbage, 3: ping, 4: row("a", "m-4")}
    sent = await host.look()
    dead = [outgoing for outgoing in sent if outgoing.exchange == topology.DEAD_EXCHANGE]
    reasons = [str(outgoing.message.headers["x-dalsegno-reason"]) for outgoing in dead]
    assert len(dead) == 3
    assert "is no message" in reasons[0]
    assert "control.ping' is no command to a workflow" in reasons[2]
    assert [outgoing.message.message_id for outgoing in sent if outgoing not in dead] == ["m-4"]
    for outgoing in sent:
        outgoing.on_outcome(Outcome.CONFIRMED)
    await host.look()
    assert host.table.rows == {}


async def test_a_defect_of_ours_keeps_the_row_and_lets_others_go(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = relay_module.decode

    def defective(message: Message) -> Any:
        if message.message_id == "m-1":
            raise RuntimeError("a defect")
        return decode(message)

    monkeypatch.setattr(relay_module, "decode", defective)
    host.table.rows = {1: row("a", "m-1"), 2: row("b", "m-2")}
    assert [outgoing.message.message_id for outgoing in await host.look()] == ["m-2"]
    assert await host.look() == []
    monkeypatch.undo()
    host.shell.time += SEND_AGAIN_SECONDS + 1
    assert "m-1" in [outgoing.message.message_id for outgoing in await host.look()]


async def test_what_nobody_confirms_for_long_is_sent_again(host: Host) -> None:
    host.table.rows = {1: row("a", "m-1")}
    assert len(await host.look()) == 1
    host.outbox = Outbox(host.shell, host.shell)  # as another host would have
    host.outbox.publisher_opened()
    host.relay._outbox = host.outbox
    host.shell.time += SEND_AGAIN_SECONDS + 1
    assert [outgoing.message.message_id for outgoing in await host.look()] == ["m-1"]


async def test_other_hosts_take_only_what_has_waited_for_long(host: Host) -> None:
    host.is_first = False
    await host.look()
    assert host.table.asked[-1]["written_before"] == NOW - OTHERS_AFTER
    host.is_first = True
    await host.look()
    assert host.table.asked[-1]["written_before"] is None, "whatever time it was written at"


async def test_nothing_is_read_without_a_broker_or_with_very_much_on_its_way(host: Host) -> None:
    host.may_send = False
    host.relay.look()
    assert host.table.asked == []
    host.may_send = True
    for number in range(IN_FLIGHT_MAX):
        host.table.rows[number] = row(f"w-{number}", f"m-{number}")
    sent = [outgoing for _ in range(IN_FLIGHT_MAX // ROWS_MAX) for outgoing in await host.look()]
    asked = len(host.table.asked)
    host.relay.look()
    assert (len(sent), len(host.table.asked)) == (IN_FLIGHT_MAX, asked)
    sent[0].on_outcome(Outcome.CONFIRMED)
    host.relay.look()
    await host.until(lambda: not host.relay._is_under_way)
    assert 0 not in host.table.rows
    assert len(host.table.asked) == asked, "what was confirmed is removed, and no more is read yet"
    await host.look()


def large(workflow_id: str) -> bytes:
    args = (Payload("binary/plain", bytes(900_000)),)
    start = StartWorkflow(workflow_id=workflow_id, workflow_type="Order", args=args)
    return encode_message(encode(start, message_id=workflow_id))


async def test_bytes_on_their_way_are_bounded_for_as_long_as_the_broker_takes_nothing(host: Host) -> None:
    host.table.rows = {number: large(f"w-{number}") for number in range(60)}
    for _ in range(50):
        host.relay.look()
        await host.until(lambda: not host.relay._is_under_way)
        host.shell.time += SEND_AGAIN_SECONDS + 1
    assert host.outbox.weight.bytes < IN_FLIGHT_BYTES_MAX + 2 * BYTES_MAX
    held = list(host.outbox._in_flight.values())
    assert len(held) < len(host.table.rows)
    assert {len(shipment.causes) for shipment in held} == {1}, "what is here already is not sent again"


async def test_nothing_is_read_while_much_else_is_on_its_way(host: Host) -> None:
    host.table.rows = {1: row("a", "m-1")}
    host.outbox.weight.bytes += host.outbox.weight.bytes_max
    host.relay.look()
    assert host.table.asked == []
    host.outbox.weight.bytes = 0
    assert len(await host.look()) == 1


async def test_a_database_that_is_away_is_asked_less_often_and_what_was_confirmed_is_removed_later(
    host: Host,
) -> None:
    host.table.rows = {1: row("a", "m-1")}
    (sent,) = await host.look()
    sent.on_outcome(Outcome.CONFIRMED)
    host.table.error = StoreUnavailableError("away")
    host.relay.look()
    await host.until(lambda: not host.relay._is_under_way)
    asked = len(host.table.asked)
    host.relay.look()
    assert len(host.table.asked) == asked
    host.table.error = None
    host.shell.time += 1
    await host.look()
    assert host.table.rows == {}
