"""Damaged frames on the embedded broker's socket, and damaged properties from RabbitMQ.

Every prefix of each sample, every flipped bit, and shapes made to exhaust a decoder: read or refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest

from dalsegno.broker.embedded import EmbeddedServer, wire
from dalsegno.broker.embedded.link import UNREADABLE
from dalsegno.broker.message_bytes import decode_message, encode_message
from dalsegno.broker.port import Binding, Exchange, Message, Outcome, Outgoing, Queue, Topology
from dalsegno.broker.rabbitmq import wire as amqp
from tests.broker.embedded.sessions import open_session
from tests.broker.witness import fill, numbered
from tests.protocol.hostile import CANARY

MESSAGE = Message(
    body=b"body",
    message_id="m-1",
    type="workflow.start",
    correlation_id="c-1",
    reply_to="q",
    content_type="application/cbor",
    timestamp=1_795_000_000,
    headers={
        "text": CANARY,
        "number": 2**40,
        "truth": True,
        "nothing": None,
        "fraction": 1.5,
        "bytes": b"\xff",
    },
)
PAYLOAD = encode_message(MESSAGE)
TOPOLOGY = Topology(
    exchanges=[Exchange("e")],
    queues=[Queue("q", delivery_limit=3, dead_letter_exchange="e", dead_letter_routing_key="k")],
    bindings=[Binding("e", "k", "q")],
)
FROM_CLIENTS: list[wire.Operation] = [
    wire.Hello(1, wire.PROTOCOL_VERSION, "name"),
    wire.Declare(2, TOPOLOGY),
    wire.OpenPublisher(3, 1),
    wire.Publish(1, 1, "e", "k", PAYLOAD),
    wire.OpenConsumer(4, 2, "q", 10),
    wire.Acknowledge(2, 1, True),
    wire.DeadLetter(2, 1),
    wire.QueueDepth(5, "q"),
    wire.CancelConsumer(6, 2),
    wire.CloseChannel(7, 2),
    wire.PurgeQueue(8, "q"),
    wire.Unbind(9, TOPOLOGY.bindings),
    wire.DeleteQueue(10, "q"),
    wire.Goodbye(11),
]
FROM_SERVERS: list[wire.Operation] = [
    wire.Response(1, 5, None),
    wire.Response(2, None, "no"),
    wire.Deliver(1, 1, True, 3, "e", "k", PAYLOAD),
    wire.PublishOutcomes(1, Outcome.CONFIRMED, [1, 2]),
    wire.ChannelClosed(1, "why"),
    wire.SessionClosed("why"),
]
HOSTILE = {
    "nothing": b"",
    "2^32 - 1 operations": b"\xdd\xff\xff\xff\xff",
    "2^26 operations": b"\xdd\x04\x00\x00\x00",
    "100,000 lists": b"\x91" * 100_000,
    "100,000 lists behind a greeting": b"\x91\x95\x01\x01\x01\xa1a" + b"\x91" * 100_000 + b"\xc0",
    "100,000 maps behind a greeting": b"\x91\x95\x01\x01\x01\xa1a" + b"\x81\xa1k" * 100_000 + b"\xc0",
    "a name of 2^32 - 1 bytes": b"\x91\x94\x01\x01\x01\xdb\xff\xff\xff\xff",
    "a name that is not text": b"\x91\x94\x01\x01\x01\xa1\xff",
    "an operation that does not exist": b"\x91\x92\x63\x01",
    "an operation without a number": b"\x91\x90",
    "a map": b"\x81\xa1a\x01",
    "bytes behind it": b"\x90\x00",
    "an extension": b"\x91\x94\x01\xc7\x05\x07hello\x01\xa1a",
    "JSON": b'[[1,1,1,"name"]]',
}


def damaged(whole: bytes) -> Iterator[bytes]:
    yield from (whole[:length] for length in range(len(whole)))
    flipped = bytearray(whole)
    for position, bit in product(range(len(whole)), range(8)):
        flipped[position] ^= 1 << bit
        yield bytes(flipped)
        flipped[position] ^= 1 << bit


def body_of(operation: wire.Operation) -> bytes:
    return bytes(wire.encode_frame([operation])[wire.HEADER_BYTES :])


@pytest.mark.parametrize(
    ("operations", "decode"),
    [
        pytest.param(FROM_CLIENTS, wire.decode_client_operations, id="from clients"),
        pytest.param(FROM_SERVERS, wire.decode_server_operations, id="from servers"),
    ],
)
def test_a_damaged_frame_is_read_or_refused(operations: list[wire.Operation], decode: Any) -> None:
    assert all(decode(body_of(operation)) == [operation] for operation in operations)
    refused = 0
    for body in (
        *HOSTILE.values(),
        *(body for operation in operations for body in damaged(body_of(operation))),
    ):
        try:
            decode(body)
        except UNREADABLE as error:
            refused += 1
            assert CANARY not in str(error)
    assert refused > 300


def test_a_damaged_message_is_read_or_refused() -> None:
    assert decode_message(PAYLOAD) == MESSAGE
    for payload in damaged(PAYLOAD):
        try:
            message = decode_message(payload)
        except (ValueError, TypeError):
            continue
        assert decode_message(encode_message(message)) is not None


class _Deaf:
    """A transport that sends nowhere."""

    def __init__(self) -> None:
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert data

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        """There is nothing to read."""

    resume_reading = pause_reading


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "broker.db") as server:
        yield server


async def test_a_server_stands_whatever_comes_through_its_socket(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    ours = await open_session(tmp_path / "broker.db")
    await ours.declare(Topology(queues=[Queue("ours")]))
    await fill(ours, "ours", numbered(3))
    greeting, *others = [bytes(wire.encode_frame([operation])) for operation in FROM_CLIENTS[:-1]]
    streams = [greeting + bytes(stream) for whole in others for stream in damaged(whole)]
    streams += [greeting + len(body).to_bytes(4, "big") + body for body in HOSTILE.values()]
    for number, stream in enumerate(streams):
        link = server._accept()
        transport = _Deaf()
        link.connection_made(cast(asyncio.Transport, transport))
        for start in range(0, len(stream), 1000):
            link.data_received(stream[start : start + 1000])
        link.connection_lost(None)
        if number % 500 == 0:
            assert await ours.queue_depth("ours") == 3
    await fill(ours, "ours", numbered(1))
    assert await ours.queue_depth("ours") == 4
    await ours.close()


def test_damaged_properties_from_rabbitmq_give_a_message_that_can_be_passed_on() -> None:
    head, _, *_ = amqp.encode_publish(1, Outgoing("", "q", MESSAGE, lambda _: None), 4000)[1:]
    properties = amqp.encode_publish(1, Outgoing("", "q", MESSAGE, lambda _: None), 4000)[2]
    header = head[amqp.FRAME_HEAD.size :] + properties
    assert amqp.decode_message(header, MESSAGE.body) == (MESSAGE, True)
    for broken in damaged(header):
        message, _ = amqp.decode_message(broken, MESSAGE.body)
        assert message.body == MESSAGE.body
        assert amqp.encode_publish(1, Outgoing("", "q", message, lambda _: None), 4000)
