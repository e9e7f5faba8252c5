"""AMQP 0-9-1 on the wire, as far as the hot path needs it: publishes, acknowledgements, deliveries.

Pure functions from bytes and to bytes. They exist beside the library's codec for two reasons: a message costs
a few microseconds here, and a message that the library cannot decode (a timestamp beyond the year 9999, a
property that is not UTF-8) ends its connection, is delivered again, and ends the next one. Here it loses what
is unreadable, and arrives.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from struct import Struct

from dalsegno.broker.port import HeaderValue, Message, Outgoing

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_TYPES = frozenset((METHOD, HEADER, BODY, HEARTBEAT))

FRAME_HEAD = Struct(">BHI")
"""Type, channel, payload size. Payload and one end byte follow."""
FRAME_END = b"\xce"
FRAME_OVERHEAD = FRAME_HEAD.size + len(FRAME_END)

# Method payloads begin with class and method.
CONNECTION_CLOSE = b"\x00\x0a\x00\x32"
CONNECTION_BLOCKED = b"\x00\x0a\x00\x3c"
CONNECTION_UNBLOCKED = b"\x00\x0a\x00\x3d"
CHANNEL_OPEN_OK = b"\x00\x14\x00\x0b"
CHANNEL_CLOSE = b"\x00\x14\x00\x28"
CHANNEL_CLOSE_OK = b"\x00\x14\x00\x29"
BASIC_PUBLISH = b"\x00\x3c\x00\x28"
BASIC_RETURN = b"\x00\x3c\x00\x32"
BASIC_DELIVER = b"\x00\x3c\x00\x3c"
BASIC_ACK = b"\x00\x3c\x00\x50"
BASIC_REJECT = b"\x00\x3c\x00\x5a"
BASIC_CANCEL = b"\x00\x3c\x00\x1e"
BASIC_NACK = b"\x00\x3c\x00\x78"
METHOD_SIZE = 4

MANDATORY = b"\x01"
"""The bits of Basic.Publish."""

# Flags of the properties, in the order in which the properties follow.
CONTENT_TYPE = 1 << 15
CONTENT_ENCODING = 1 << 14
HEADERS = 1 << 13
DELIVERY_MODE = 1 << 12
PRIORITY = 1 << 11
CORRELATION_ID = 1 << 10
REPLY_TO = 1 << 9
EXPIRATION = 1 << 8
MESSAGE_ID = 1 << 7
TIMESTAMP = 1 << 6
TYPE = 1 << 5
MORE_FLAGS = 1
PERSISTENT = b"\x02"

_CONTENT_HEAD = Struct(">BHIHHQH")
"""Frame head, class, weight, body size, flags."""
_CONTENT_FIXED = Struct(">HHQH")
_CONTENT_FIXED_SIZE = _CONTENT_FIXED.size
_BASIC_CLASS = 60
_SETTLE = Struct(">BHI4sQBB")
_U16, _U32, _I64, _U64, _F64 = Struct(">H"), Struct(">I"), Struct(">q"), Struct(">Q"), Struct(">d")
_TAG = Struct(">QB")

_NUMBERS: Mapping[int, Struct] = {
    ord(code): Struct(form)
    for code, form in {
        "t": ">?", "b": ">b", "B": ">B", "s": ">h", "U": ">h", "u": ">H", "I": ">i", "i": ">I",
        "l": ">q", "L": ">q", "T": ">Q", "f": ">f", "d": ">d",
    }.items()
}  # fmt: skip
"""Field types of fixed size; a timestamp is its seconds."""
_INTEGER_MAX = 2**63 - 1
"""What a header that we send can hold; a stranger's timestamp can be above it."""
_VOID, _STRING, _BYTES, _DECIMAL = ord("V"), ord("S"), ord("x"), ord("D")
_SIZED = frozenset(b"SxFA")
"""Field types that begin with their size: strings, bytes, nested tables and arrays."""
_DECIMAL_SIZE = 5

EncodeError = (struct.error, UnicodeEncodeError, ValueError, OverflowError, TypeError)
"""What encoding raises for a message that AMQP cannot carry."""
DecodeError = (struct.error, UnicodeDecodeError, IndexError, ValueError)
"""What decoding raises for bytes that are not what the standard says."""


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded  # ValueError above 255 bytes


def _encode_value(value: HeaderValue) -> bytes:
    match value:
        case None:
            return b"V"
        case bool():
            return b"t\x01" if value else b"t\x00"
        case int():
            return b"l" + _I64.pack(value)
        case float():
            return b"d" + _F64.pack(value)
        case str():
            encoded = value.encode()
            return b"S" + _U32.pack(len(encoded)) + encoded
        case bytes():
            return b"x" + _U32.pack(len(value)) + value


def _encode_table(table: Mapping[str, HeaderValue]) -> bytes:
    fields = b"".join(_short(name) + _encode_value(value) for name, value in table.items())
    return _U32.pack(len(fields)) + fields


@lru_cache(maxsize=4096)
def _publish_frame(channel: int, exchange: str, routing_key: str) -> bytes:
    payload = BASIC_PUBLISH + b"\x00\x00" + _short(exchange) + _short(routing_key) + MANDATORY
    return FRAME_HEAD.pack(METHOD, channel, len(payload)) + payload + FRAME_END


def encode_publish(channel: int, outgoing: Outgoing, body_max: int) -> list[bytes]:
    """The frames of one mandatory, persistent publish; raises one of EncodeError.

    `body_max` is what fits into a body frame: the connection's frame size less FRAME_OVERHEAD.
    """
    message = outgoing.message
    flags = DELIVERY_MODE
    properties = b""
    if message.content_type is not None:
        flags |= CONTENT_TYPE
        properties += _short(message.content_type)
    if message.headers:
        flags |= HEADERS
        properties += _encode_table(message.headers)
    properties += PERSISTENT
    if message.correlation_id is not None:
        flags |= CORRELATION_ID
        properties += _short(message.correlation_id)
    if message.reply_to is not None:
        flags |= REPLY_TO
        properties += _short(message.reply_to)
    if message.message_id is not None:
        flags |= MESSAGE_ID
        properties += _short(message.message_id)
    if message.timestamp is not None:
        flags |= TIMESTAMP
        properties += _U64.pack(message.timestamp)
    if message.type is not None:
        flags |= TYPE
        properties += _short(message.type)
    if _CONTENT_FIXED_SIZE + len(properties) > body_max:
        # The standard allows one frame for them, and the broker ends the connection over a larger one.
        raise ValueError("its properties do not fit into a frame")
    body = message.body
    size = len(body)
    head = _CONTENT_HEAD.pack(
        HEADER, channel, _CONTENT_FIXED_SIZE + len(properties), _BASIC_CLASS, 0, size, flags
    )
    frames = [
        _publish_frame(channel, outgoing.exchange, outgoing.routing_key),
        head,
        properties,
        FRAME_END,
    ]
    for start in range(0, size, body_max):
        part = body if size <= body_max else body[start : start + body_max]
        frames += (FRAME_HEAD.pack(BODY, channel, len(part)), part, FRAME_END)
    return frames


def encode_ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    return _SETTLE.pack(METHOD, channel, METHOD_SIZE + _TAG.size, BASIC_ACK, tag, multiple, FRAME_END[0])


def encode_reject(channel: int, tag: int) -> bytes:
    """Without requeue: the queue dead-letters it."""
    return _SETTLE.pack(METHOD, channel, METHOD_SIZE + _TAG.size, BASIC_REJECT, tag, 0, FRAME_END[0])


def decode_settlement(data: bytes, start: int) -> tuple[int, bool]:
    """Tag and `multiple` of the ack or nack whose payload begins at `start`."""
    tag, bits = _TAG.unpack_from(data, start + METHOD_SIZE)
    return tag, bool(bits & 1)


def decode_close(data: bytes, start: int) -> tuple[int, str]:
    """The broker's code and text in a Channel.Close or Connection.Close."""
    at = start + METHOD_SIZE
    (code,) = _U16.unpack_from(data, at)
    at += _U16.size
    return code, data[at + 1 : at + 1 + data[at]].decode("utf-8", "replace")


def decode_return(payload: bytes) -> tuple[str, str]:
    """Exchange and routing key of a Basic.Return."""
    _, at = _read_short(payload, METHOD_SIZE + _U16.size)
    exchange, at = _read_short(payload, at)
    routing_key, _ = _read_short(payload, at)
    return exchange, routing_key


def decode_deliver(payload: bytes) -> tuple[int, bool, str, str]:
    """Tag, redelivered, exchange and routing key of a Basic.Deliver."""
    at = METHOD_SIZE + 1 + payload[METHOD_SIZE]
    tag, redelivered = _TAG.unpack_from(payload, at)
    return tag, bool(redelivered), *_target(payload[at + _TAG.size :])


@lru_cache(maxsize=4096)
def _target(rest: bytes) -> tuple[str, str]:
    """Exchange and routing key. A queue is given the same few again and again."""
    exchange, at = _read_short(rest, 0)
    routing_key, _ = _read_short(rest, at)
    return exchange, routing_key


def body_size(data: bytes, start: int) -> int:
    """What the content header whose payload begins at `start` announces."""
    size: int = _U64.unpack_from(data, start + METHOD_SIZE)[0]
    return size


def _read_short(data: bytes, at: int) -> tuple[str, int]:
    # Names of the broker's, which does not care whether they are text.
    end = at + 1 + data[at]
    return data[at + 1 : end].decode("utf-8", "replace"), end


def _read_text(data: bytes, at: int) -> tuple[str | None, int]:
    """A property: None when it is not UTF-8, since two damaged IDs must not become one."""
    end = at + 1 + data[at]
    try:
        return data[at + 1 : end].decode(), end
    except UnicodeDecodeError:
        return None, end


def decode_message(header: bytes, body: bytes) -> tuple[Message, bool]:
    """The message of a content header and its body, and whether the header could be read.

    A property that is not UTF-8 is missing from the message. When the header cannot be walked through at all,
    the message has no properties, so that nobody takes it for a command, and can be dead-lettered.
    """
    try:
        return _decode_message(header, body), True
    except DecodeError:
        return Message(body=body), False


def _decode_message(header: bytes, body: bytes) -> Message:
    (flags,) = _U16.unpack_from(header, _CONTENT_FIXED_SIZE - _U16.size)
    if flags & MORE_FLAGS:
        raise ValueError("more properties than there are")
    at = _CONTENT_FIXED_SIZE
    content_type = correlation_id = reply_to = message_id = type_ = timestamp = None
    headers: Mapping[str, HeaderValue] = {}
    if flags & CONTENT_TYPE:
        content_type, at = _read_text(header, at)
    if flags & CONTENT_ENCODING:
        at += 1 + header[at]
    if flags & HEADERS:
        start = at + _U32.size
        at = start + _U32.unpack_from(header, at)[0]
        headers = _decode_table(header, start, at)
    if flags & DELIVERY_MODE:
        at += 1
    if flags & PRIORITY:
        at += 1
    if flags & CORRELATION_ID:
        correlation_id, at = _read_text(header, at)
    if flags & REPLY_TO:
        reply_to, at = _read_text(header, at)
    if flags & EXPIRATION:
        at += 1 + header[at]
    if flags & MESSAGE_ID:
        message_id, at = _read_text(header, at)
    if flags & TIMESTAMP:
        (timestamp,) = _U64.unpack_from(header, at)
        at += _U64.size
    if flags & TYPE:
        type_, at = _read_text(header, at)
    if at > len(header):
        raise ValueError("the properties end too early")
    return Message(
        body=body,
        message_id=message_id,
        type=type_,
        correlation_id=correlation_id,
        reply_to=reply_to,
        content_type=content_type,
        timestamp=timestamp,
        headers=headers,
    )


def _decode_table(data: bytes, at: int, end: int) -> Mapping[str, HeaderValue]:
    """The plain fields of a table. Nested tables, arrays and decimals are left out: none of ours has any.

    So is what could not be passed on, because we write no such fields: a name that is not UTF-8, a number that
    is too large.
    """
    table: dict[str | None, HeaderValue] = {}
    while at < end:
        name, at = _read_text(data, at)
        kind = data[at]
        at += 1
        number = _NUMBERS.get(kind)
        if number is not None:
            (value,) = number.unpack_from(data, at)
            if value <= _INTEGER_MAX or isinstance(value, float):
                table[name] = value
            at += number.size
        elif kind in _SIZED:
            start = at + _U32.size
            at = start + _U32.unpack_from(data, at)[0]
            if kind == _STRING:
                table[name] = _text_or_bytes(data[start:at])
            elif kind == _BYTES:
                table[name] = data[start:at]
        elif kind == _VOID:
            table[name] = None
        elif kind == _DECIMAL:
            at += _DECIMAL_SIZE
        else:
            break  # A field of unknown type has unknown size: what follows it cannot be found.
    return {name: value for name, value in table.items() if name is not None}


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def delivery_count(headers: Mapping[str, HeaderValue]) -> int:
    """How often a redelivered message came back. RabbitMQ 4.3 counts hand-outs apart from failures."""
    counts = [headers.get("x-delivery-count"), headers.get("x-acquired-count")]
    return max((count for count in counts if isinstance(count, int)), default=0)
