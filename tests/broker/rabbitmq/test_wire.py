"""Our few AMQP frames agree with the library's, and nothing that a stranger sends breaks the reading."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pamqp.frame
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader

from dalsegno.broker.port import HeaderValue, Message, Outcome, Outgoing
from dalsegno.broker.rabbitmq import wire

BODY_MAX = 4096 - wire.FRAME_OVERHEAD
FRAME_HEAD_SIZE = wire.FRAME_HEAD.size

short_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
header_values: st.SearchStrategy[HeaderValue] = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=80),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.floats(allow_nan=False),
    st.none(),
)
messages = st.builds(
    Message,
    body=st.binary(max_size=3 * BODY_MAX),
    message_id=st.none() | short_texts,
    type=st.none() | short_texts,
    correlation_id=st.none() | short_texts,
    reply_to=st.none() | short_texts,
    content_type=st.none() | short_texts,
    timestamp=st.none() | st.integers(0, 2**32 - 1),
    headers=st.dictionaries(short_texts.filter(bool), header_values, max_size=5),
)


def ignore(_: Outcome) -> None:
    """Nobody waits for these outcomes."""


def frames_of(data: bytes) -> list[Any]:
    """Read with the library's codec."""
    frames = []
    while data:
        size, channel, frame = pamqp.frame.unmarshal(data)
        assert channel == 7
        frames.append(frame)
        data = data[size:]
    return frames


def payload_of(frame: bytes) -> bytes:
    return frame[FRAME_HEAD_SIZE:-1]


@given(messages)
def test_the_library_reads_what_we_publish(message: Message) -> None:
    outgoing = Outgoing("exchange", "key.ü", message, ignore)
    publish, header, *bodies = frames_of(b"".join(wire.encode_publish(7, outgoing, BODY_MAX)))
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("exchange", "key.ü", True)
    assert b"".join(body.value for body in bodies) == message.body
    assert all(0 < len(body.value) <= BODY_MAX for body in bodies)
    assert header.body_size == len(message.body)
    properties = header.properties
    assert properties.delivery_mode == 2
    assert properties.message_id == message.message_id
    assert properties.message_type == message.type
    assert properties.correlation_id == message.correlation_id
    assert properties.reply_to == message.reply_to
    assert properties.content_type == message.content_type
    assert (properties.headers or {}) == message.headers
    sent = properties.timestamp
    assert (None if sent is None else int(sent.timestamp())) == message.timestamp


@given(messages)
def test_we_read_what_we_publish(message: Message) -> None:
    outgoing = Outgoing("", "key", message, ignore)
    frames = wire.encode_publish(7, outgoing, BODY_MAX)
    data = b"".join(frames)
    publish_size = wire.FRAME_OVERHEAD + wire.FRAME_HEAD.unpack_from(data)[2]
    header = data[publish_size:]
    size = wire.FRAME_HEAD.unpack_from(header)[2]
    payload = header[FRAME_HEAD_SIZE : FRAME_HEAD_SIZE + size]
    assert wire.body_size(payload, 0) == len(message.body)
    assert wire.decode_message(payload, message.body) == (message, True)


def test_acknowledgements_and_rejections_are_the_librarys() -> None:
    ack, several, reject = frames_of(
        wire.encode_ack(7, 2**40, multiple=False)
        + wire.encode_ack(7, 3, multiple=True)
        + wire.encode_reject(7, 9)
    )
    assert isinstance(ack, Basic.Ack)
    assert (ack.delivery_tag, ack.multiple) == (2**40, False)
    assert (several.delivery_tag, several.multiple) == (3, True)
    assert isinstance(reject, Basic.Reject)
    assert (reject.delivery_tag, reject.requeue) == (9, False)


def test_we_read_the_librarys_methods() -> None:
    deliver = Basic.Deliver("tag", 2**40, True, "exchange", "key.ü")
    assert wire.decode_deliver(payload_of(pamqp.frame.marshal(deliver, 7))) == (
        2**40,
        True,
        "exchange",
        "key.ü",
    )
    returned = Basic.Return(312, "NO_ROUTE", "exchange", "key.ü")
    assert wire.decode_return(payload_of(pamqp.frame.marshal(returned, 7))) == ("exchange", "key.ü")
    close = Channel.Close(404, "NOT_FOUND - no exchange", 60, 40)
    assert wire.decode_close(pamqp.frame.marshal(close, 7), FRAME_HEAD_SIZE) == (404, "NOT_FOUND - no exchange")
    for settlement in (Basic.Ack(5, True), Basic.Nack(5, True, False)):
        assert wire.decode_settlement(pamqp.frame.marshal(settlement, 7), FRAME_HEAD_SIZE) == (5, True)


def library_header(**properties: Any) -> bytes:
    header = ContentHeader(properties=Basic.Properties(**properties), body_size=0)
    return payload_of(pamqp.frame.marshal(header, 7))


def test_headers_of_strangers_are_read_as_far_as_they_are_plain() -> None:
    header = library_header(
        content_type="application/json",
        content_encoding="gzip",
        headers={
            "plain": "text",
            "table": {"deep": {"deeper": [1, 2, {"deepest": "x"}]}},
            "array": [1, "two", {"three": 3}],
            "time": datetime(2026, 11, 20, tzinfo=UTC),
            "decimal": Decimal("1.25"),
            "bytes": bytearray(b"\xff"),
            "small": 1,
            "big": 2**40,
            "x-delivery-count": 3,
        },
        priority=9,
        expiration="60000",
        message_id="id",
        user_id="guest",
        app_id="app",
    )
    message, readable = wire.decode_message(header, b"")
    assert readable
    assert (message.content_type, message.message_id) == ("application/json", "id")
    assert message.headers == {
        "plain": "text",
        "time": int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()),
        "bytes": b"\xff",
        "small": 1,
        "big": 2**40,
        "x-delivery-count": 3,
    }
    assert wire.delivery_count(message.headers) == 3


def test_a_property_that_is_not_text_is_missing_and_the_rest_is_there() -> None:
    flags = wire.CONTENT_TYPE | wire.MESSAGE_ID | wire.TIMESTAMP | wire.TYPE
    header = struct.pack(">HHQH", 60, 0, 0, flags) + b"\x02\xff\xfe" + b"\x02id" + b"\xff" * 8 + b"\x04type"
    message, readable = wire.decode_message(header, b"body")
    assert readable
    assert message == Message(body=b"body", message_id="id", timestamp=2**64 - 1, type="type")


@pytest.mark.parametrize(
    "rest",
    [
        struct.pack(">H", wire.MESSAGE_ID) + b"\x09short",
        struct.pack(">H", wire.MESSAGE_ID),
        struct.pack(">H", wire.TIMESTAMP) + b"\x00",
        struct.pack(">H", wire.HEADERS) + struct.pack(">I", 2**31) + b"\x01a",
        struct.pack(">H", 1) + b"\x00\x00",
        b"",
    ],
)
def test_a_header_that_ends_too_early_gives_a_message_without_properties(rest: bytes) -> None:
    assert wire.decode_message(struct.pack(">HHQ", 60, 0, 4) + rest, b"body") == (
        Message(body=b"body"),
        False,
    )


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_a_header(rest: bytes) -> None:
    message, _ = wire.decode_message(struct.pack(">HHQ", 60, 0, 0) + rest, b"body")
    assert message.body == b"body"


@given(st.binary(max_size=120))
def test_no_bytes_break_the_reading_of_a_table(fields: bytes) -> None:
    table = struct.pack(">HI", wire.HEADERS, len(fields)) + fields
    message, _ = wire.decode_message(struct.pack(">HHQ", 60, 0, 0) + table, b"body")
    assert message.body == b"body"


@given(
    st.lists(st.tuples(st.binary(max_size=255), st.sampled_from(b"tbBsUuIilLTfdVS"), st.binary(max_size=12)))
)
@example([(b"\xff" * 255, ord("V"), b"")])
@example([(b"time", ord("T"), b"\xff" * 8)])
def test_whatever_headers_a_stranger_sends_the_message_can_be_passed_on(
    fields: list[tuple[bytes, int, bytes]],
) -> None:
    table = b"".join(bytes((len(name), *name, kind)) + value for name, kind, value in fields)
    properties = struct.pack(">HI", wire.HEADERS, len(table)) + table
    message, _ = wire.decode_message(struct.pack(">HHQ", 60, 0, 4) + properties, b"body")
    assert wire.encode_publish(7, Outgoing("", "q", message, ignore), 2**17)


@pytest.mark.parametrize(
    "outgoing",
    [
        Outgoing("", "k", Message(body=b"", headers={"n": "v" * BODY_MAX}), ignore),
        Outgoing("", "k" * 256, Message(body=b""), ignore),
        Outgoing("e" * 256, "k", Message(body=b""), ignore),
        Outgoing("", "k", Message(body=b"", message_id="i" * 256), ignore),
        Outgoing("", "k", Message(body=b"", reply_to="\ud800"), ignore),
        Outgoing("", "k", Message(body=b"", timestamp=-1), ignore),
        Outgoing("", "k", Message(body=b"", headers={"n": 2**63}), ignore),
        Outgoing("", "k", Message(body=b"", headers={"n" * 256: 1}), ignore),
    ],
)
def test_what_amqp_cannot_carry_is_refused_before_it_is_sent(outgoing: Outgoing) -> None:
    with pytest.raises(wire.EncodeError):
        wire.encode_publish(7, outgoing, BODY_MAX)


def test_a_body_that_fills_its_frames_exactly_has_no_empty_last_one() -> None:
    outgoing = Outgoing("", "k", Message(body=bytes(2 * BODY_MAX)), ignore)
    _, _, *parts = frames_of(b"".join(wire.encode_publish(7, outgoing, BODY_MAX)))
    assert [len(part.value) for part in parts if isinstance(part, ContentBody)] == [BODY_MAX, BODY_MAX]
