"""The journal for people: each event as a plain map, its payloads as values where they are JSON.

Tokens are left out: whoever reads a history need not be able to answer for an activity.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from dalsegno.actors.workflow_actor.run.events import Ran
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.payload import JSON_PLAIN, Payload

_SECRET = frozenset({"token", "callers", "caller", "earlier"})


def events_for_people(blob: bytes, codec: StoredCodec = CODEC) -> list[dict[str, Any]]:
    """The events of one journal row, oldest first; `type` names each. Raises UnreadableError."""
    return [_named(event) for event in codec.decode_record(blob).events]


def event_types(blob: bytes, codec: StoredCodec = CODEC) -> list[dict[str, Any]]:
    """The same without what they say: for a row that is too large, or too deep, for any message."""
    return [
        {"type": type(event).__name__, "left_out": "too large"} for event in codec.decode_record(blob).events
    ]


def _named(event: msgspec.Struct) -> dict[str, Any]:
    """Also what user code wanted is named: of two, nothing else would tell what a number means."""
    fields = _fields(event)
    if isinstance(event, Ran) and event.wants:
        fields["wants"] = [_named(want) for want in event.wants]
    return {"type": type(event).__name__, **fields}


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    """Fields that say something: those at their defaults say nothing."""
    shown = {}
    for field in msgspec.structs.fields(type(value)):
        item = getattr(value, field.name)
        if field.name not in _SECRET and item is not None and item != field.default and item != ():
            shown[field.name] = _show(item)
    return shown


def _show(value: Any) -> Any:
    match value:
        case Payload():
            return _show_payload(value)
        case msgspec.Struct():
            return _fields(value)
        case tuple() | list():
            return [_show(item) for item in value]
        case dict():
            return {str(key): _show(item) for key, item in value.items()}
        case bytes():
            return f"{len(value)} bytes"
        case _:
            return value


def _show_payload(payload: Payload) -> Any:
    if payload.encoding == JSON_PLAIN:
        try:
            return json.loads(payload.data)
        except (ValueError, RecursionError):
            return "unreadable JSON"
    return f"{payload.encoding}, {len(payload.data)} bytes"
