"""How payloads stand in a JSON body, so that people and small clients can read and write them.

- A plain value stands for a `json/plain` payload of that value.
- `{"$payload": {"encoding": "...", "data": "<base64>"}}` stands for any other payload, and for a `json/plain`
  one that JSON readers would spoil: with an integer above 2^53, a key twice, deep nesting, or that is itself an
  object whose only key is `$payload`.

Which parts of a body are payloads follows from the message's type. An absent field is no payload; null is the
payload `null`. Bytes that are no payloads (a token) are base64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from dalsegno.broker.protocol import strict_json
from dalsegno.errors import InvalidMessageError
from dalsegno.payload import JSON_PLAIN, Payload

MARK = "$payload"
PLAIN_DEPTH_MAX = 32
"""Deeper values are written as base64, so that no body gets too deep by what it carries."""

Leaf = Callable[[Any], Any]
Rewrite = Callable[[Any, Leaf], Any]


def to_json(builtins: dict[str, Any], message_type: type) -> bytes:
    """The JSON body of a message that is given as builtins, with its bytes as bytes."""
    return msgspec.json.encode(_rewrite_of_struct(message_type)(builtins, _write_payload))


def from_json(body: Any, message_type: type) -> Any:
    """The body with each payload as a map of `encoding` and `data` (bytes, or base64 as it came)."""
    return _rewrite_of_struct(message_type)(body, _read_payload)


def _write_payload(payload: Any) -> Any:
    if payload["encoding"] == JSON_PLAIN and _is_plain(payload["data"]):
        return msgspec.Raw(payload["data"])
    return {MARK: payload}


def _is_plain(data: bytes) -> bool:
    try:
        value = strict_json.loads(data, depth_max=PLAIN_DEPTH_MAX)
    except InvalidMessageError:
        return False
    return not _is_marked(value)


def _read_payload(value: Any) -> Any:
    if _is_marked(value):
        if value[MARK] is None:  # where a payload may be absent, it would be taken for none
            raise InvalidMessageError(f"a {MARK} is null")
        return value[MARK]
    return {"encoding": JSON_PLAIN, "data": msgspec.json.encode(value)}


def _is_marked(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and MARK in value


# --- finding the payloads of a message type ----------------------------------------------------------------


@cache
def _rewrite_of_struct(cls: type) -> Rewrite:
    parts: dict[str, Rewrite] = {}
    described = inspect.type_info(cls)
    assert isinstance(described, inspect.StructType)

    def rewrite(value: Any, leaf: Leaf) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: parts[key](part, leaf) if key in parts else part for key, part in value.items()}

    for field in described.fields:
        if (part := _rewrite_of(field.type)) is not None:
            parts[field.encode_name] = part
    return rewrite


def _rewrite_of(described: inspect.Type) -> Rewrite | None:
    """How to rewrite a value of that type; None where there can be no payload in it."""
    match described:
        case inspect.StructType(cls=cls) if cls is Payload:
            return lambda value, leaf: leaf(value)
        case inspect.StructType(cls=cls):
            # Late, because a Failure holds a Failure.
            return lambda value, leaf: _rewrite_of_struct(cls)(value, leaf)
        case inspect.VarTupleType(item_type=item_type):
            item = _rewrite_of(item_type)
            return item and _each_item(item)
        case inspect.DictType(value_type=value_type):
            value = _rewrite_of(value_type)
            return value and _each_value(value)
        case inspect.UnionType(types=types):
            alternatives = [rewrite for kind in types if (rewrite := _rewrite_of(kind))]
            return alternatives[0] if alternatives else None
        case _:
            return None


def _each_item(rewrite: Rewrite) -> Rewrite:
    def each(value: Any, leaf: Leaf) -> Any:
        return [rewrite(item, leaf) for item in value] if isinstance(value, list | tuple) else value

    return each


def _each_value(rewrite: Rewrite) -> Rewrite:
    def each(value: Any, leaf: Leaf) -> Any:
        return {key: rewrite(part, leaf) for key, part in value.items()} if isinstance(value, dict) else value

    return each
