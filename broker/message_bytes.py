"""A message as bytes: the same in the file, on the socket and between the two sides of the owner's process."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno.broker.port import Message


class _Stored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fields of `Message` by position, for ever in this order: new ones go to the end, with a default."""

    body: bytes
    message_id: str | None
    type: str | None
    correlation_id: str | None
    reply_to: str | None
    content_type: str | None
    timestamp: int | None
    headers: dict[str, Any]  # msgspec knows no union of str and bytes; `_check` does.


_HEADER_TYPES = frozenset({str, int, bool, bytes, float, type(None)})
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


def encode_message(message: Message) -> bytes:
    """Raises TypeError, ValueError or OverflowError for a value that a broker does not carry."""
    stored = _Stored(
        message.body,
        message.message_id,
        message.type,
        message.correlation_id,
        message.reply_to,
        message.content_type,
        message.timestamp,
        dict(message.headers),
    )
    _check(stored.headers)
    return _encode(stored)


def decode_message(payload: bytes) -> Message:
    """Raises ValueError or TypeError for bytes that are no message (msgspec.DecodeError is a ValueError)."""
    try:
        stored = _decode(payload)
    except RecursionError:
        raise ValueError("the headers are nested too deeply") from None
    _check(stored.headers)
    return Message(
        body=stored.body,
        message_id=stored.message_id,
        type=stored.type,
        correlation_id=stored.correlation_id,
        reply_to=stored.reply_to,
        content_type=stored.content_type,
        timestamp=stored.timestamp,
        headers=stored.headers,
    )


def with_cause_of_death(payload: bytes, *, queue: str, exchange: str, reason: str) -> bytes:
    """The message with the headers that RabbitMQ gives a dead letter, the first time it dies."""
    try:
        message = decode_message(payload)
    except (ValueError, TypeError):
        return payload  # That may well be what it died of.
    headers = {
        "x-first-death-queue": queue,
        "x-first-death-exchange": exchange,
        "x-first-death-reason": reason,
        **message.headers,
    }
    return encode_message(msgspec.structs.replace(message, headers=headers))


def _check(headers: dict[str, Any]) -> None:
    for name, value in headers.items():
        if type(value) not in _HEADER_TYPES:
            raise TypeError(f"header {name!r} has a value of type {type(value).__name__}")
