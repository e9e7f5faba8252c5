"""Failures whose words only the payload converter (and its codec) can read: message and stack go into a
payload, the first of the details. What retry policies look at, `type` and `non_retryable`, stays as it is.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from dalsegno.errors import PayloadError
from dalsegno.failure import Failure
from dalsegno.payload import PayloadConverter

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
    if failure.message != ENCODED or not failure.details:
        return failure
    try:
        words: Any = converter.from_payload(failure.details[0])
    except PayloadError:
        return failure
    if type(words) is not dict or not all(type(words.get(name)) is str for name in (_MESSAGE, _STACK)):
        return failure
    return replace(failure, message=words[_MESSAGE], stack=words[_STACK], details=failure.details[1:])
