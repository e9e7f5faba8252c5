"""JSON as the protocol allows it: UTF-8, each key once, no integer above 2^53, no number out of range."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from dalsegno.broker.protocol.limits import MAX_DEPTH, MAX_ITEMS, MAX_JSON_INTEGER
from dalsegno.errors import InvalidMessageError

_DIGITS_MAX = len(str(MAX_JSON_INTEGER)) + 1
"""With a minus sign. Longer ones are refused unread: reading them takes quadratic time."""


def loads(body: bytes, *, depth_max: int = MAX_DEPTH) -> Any:
    """The value that `body` is. Raises InvalidMessageError, which never quotes the body."""
    try:
        # msgspec is the strict one (lone surrogates, 1e400, NaN); only the standard library shows all keys.
        msgspec.json.decode(body)
        value = _DECODER.decode(body.decode())
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, _RefusedError):
            raise InvalidMessageError(f"the body is not acceptable JSON: {error}") from None
        raise InvalidMessageError(f"the body is not valid JSON ({type(error).__name__})") from None
    openings = body.count(b"[") + body.count(b"{")
    # Only a body with many of these characters can be deep or have many values; few have.
    if openings > depth_max or 2 * (openings + body.count(b",") + body.count(b":")) > MAX_ITEMS:
        _refuse_too_deep_or_many(value, depth_max)
    return value


class _RefusedError(ValueError):
    """Valid JSON that we don't take."""


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _RefusedError("an object has a key twice")
    return result


def _small_integer(digits: str) -> int:
    if len(digits) > _DIGITS_MAX or abs(value := int(digits)) > MAX_JSON_INTEGER:
        raise _RefusedError("an integer is above 2^53")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_each_key_once, parse_int=_small_integer)


def _refuse_too_deep_or_many(value: Any, depth_max: int) -> None:
    items = 1
    waiting = [(value, 1)]
    while waiting:
        container, depth = waiting.pop()
        if isinstance(container, dict):
            items += len(container) * 2
            parts = list(container.values())
        elif isinstance(container, list):
            items += len(container)
            parts = container
        else:
            continue
        if depth > depth_max:
            raise InvalidMessageError(f"the body is nested more than {depth_max} deep")
        if items > MAX_ITEMS:
            raise InvalidMessageError(f"the body has more than {MAX_ITEMS} items")
        waiting.extend((part, depth + 1) for part in parts)
