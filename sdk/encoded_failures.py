"""Failures whose words only the payload converter (and its codec) can read: message and stack go into a
payload, the first of the details. What retry policies look at, `type` and `non_retryable`, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from dalsegno.errors import PayloadError
from dalsegno.failure import Failure
from dalsegno.payload import Payload, PayloadConverter

ENCODED = "Encoded failure"
"""Stands for the message. (It is what the Temporal SDKs write there.)"""
_MESSAGE, _STACK = "message", "stack_trace"


def encoded(failure: Failure, converter: PayloadConverter) -> Failure:
    """With all its causes and parts. Raises PayloadError."""
    words = converter.to_payload({_MESSAGE: failure.message, _STACK: failure.stack})
    return replace(
        failure,
        message=ENCODED,
        stack="",
        details=(words, *failure.details),
        cause=None if failure.cause is None else encoded(failure.cause, converter),
        parts=tuple(encoded(part, converter) for part in failure.parts),
    )


def decoded(failure: Failure, converter: PayloadConverter) -> Failure:
    """Not its causes and parts. As it is, where its words cannot be read."""
    return decoded_words(failure, converter.from_payload)


def decoded_words(failure: Failure, from_payload: Callable[[Payload], Any]) -> Failure:
    if failure.message != ENCODED or not failure.details:
        return failure
    try:
        words = words_of(from_payload(failure.details[0]))
    except PayloadError:
        return failure
    if words is None:
        return failure
    return replace(failure, message=words[0], stack=words[1], details=failure.details[1:])


def words_of(value: Any) -> tuple[str, str] | None:
    """Message and stack, of a payload that holds them."""
    if type(value) is not dict or not all(type(value.get(name)) is str for name in (_MESSAGE, _STACK)):
        return None
    return value[_MESSAGE], value[_STACK]
