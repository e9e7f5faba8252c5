"""The journal for people: each event as a plain map, its payloads as values where they are JSON, and as they
are where only a converter of the user's can read them.

Tokens are left out: whoever reads a history need not be able to answer for an activity.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from itertools import chain
from math import inf, isfinite
from typing import Any

import msgspec

from dalsegno.actors.workflow_actor.run.events import Ran
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.payload import BINARY_PLAIN, JSON_PLAIN, Payload

SHOWN_MAX = 100
"""Of the events of a row that is shown in part, and of what code wanted in one."""
SMALL_SIZE = 500
"""Characters of one that is shown then."""
SMALL_DEPTH = 16
EXACT_MAX = 2**53
"""Above this, many readers of JSON round silently."""

_SECRET = frozenset({"token", "recipients", "recipient", "awaiter", "earlier"})


def events_for_people(
    blob: bytes, codec: StoredCodec = CODEC, *, items_max: float = inf
) -> list[dict[str, Any]] | None:
    """The events of one journal row, oldest first; `type` names each. None if they have more than `items_max`
    values, which is known before all that is beyond is made. Raises UnreadableError."""
    shown: list[dict[str, Any]] = []
    items = 0
    for event in codec.decode_record(blob).events:
        wants: list[dict[str, Any]] = []
        for want in event.wants if isinstance(event, Ran) else ():
            wants.append(_named(want))
            items += items_in(wants[-1])
            if items > items_max:
                return None
        shown.append(_named(event))
        items += items_in(shown[-1])
        if wants:
            shown[-1]["wants"] = wants
    return shown if items <= items_max else None


def first_events(blob: bytes, codec: StoredCodec = CODEC) -> list[dict[str, Any]]:
    """The same for a row that is too large, or too deep, for any message: of the first events, and of the first
    things that code wanted, what is small; `left_out` says what is missing. It fits into every message."""
    events = codec.decode_record(blob).events
    shown = [_small(event) for event in events[:SHOWN_MAX]]
    if more := len(events) - len(shown):
        shown.append({"type": "LeftOut", "left_out": f"{more} more events"})
    return shown


def _small(event: msgspec.Struct) -> dict[str, Any]:
    name = type(event).__name__
    if isinstance(event, Ran):
        wants = [_small(want) for want in event.wants[:SHOWN_MAX]]
        left_out = {"left_out": f"{more} more wants"} if (more := len(event.wants) - len(wants)) else {}
        return {"type": name, **({"wants": wants} if wants else {}), **left_out}
    fields = _fields(event)
    is_small = _size(fields, SMALL_DEPTH) <= SMALL_SIZE
    return {"type": name, **(fields if is_small else {"left_out": "too large"})}


def _size(value: Any, depth: int) -> int:
    """Roughly in characters; more than SMALL_SIZE for what not every form of a message can carry."""
    parts: Iterable[Any]
    match value:
        case _ if depth == 0:
            return SMALL_SIZE + 1
        case str():
            return len(value) if len(value) > SMALL_SIZE or _is_unicode(value) else SMALL_SIZE + 1
        case dict():
            parts = chain.from_iterable(value.items())
        case list():
            parts = value
        case int() if abs(value) > EXACT_MAX:
            return SMALL_SIZE + 1
        case float() if not isfinite(value):
            return SMALL_SIZE + 1
        case _:
            return 8
    size = 2
    for part in parts:
        size += _size(part, depth - 1)
        if size > SMALL_SIZE:
            break
    return size


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def items_in(value: Any) -> int:
    """How many values stand in it, keys included."""
    match value:
        case dict():
            return 1 + sum(1 + items_in(item) for item in value.values())
        case list() | tuple():
            return 1 + sum(items_in(item) for item in value)
        case _:
            return 1


def _named(event: msgspec.Struct) -> dict[str, Any]:
    """Also what user code wanted is named: of two, nothing else would tell what a number means."""
    return {"type": type(event).__name__, **_fields(event)}


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    """Fields that say something: those at their defaults say nothing."""
    shown = {}
    for name, default in _defaults(type(value)):
        item = getattr(value, name)
        if item is not None and item != default and item != ():
            shown[name] = _show(item)
    return shown


@cache
def _defaults(type_: type[msgspec.Struct]) -> list[tuple[str, Any]]:
    """Of the fields that are shown. To ask msgspec costs more than all else, for it reads annotations anew."""
    not_shown = _SECRET | ({"wants"} if type_ is Ran else set())  # each of which is named
    fields = msgspec.structs.fields(type_)
    return [(field.name, _default(field)) for field in fields if field.name not in not_shown]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


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
    if payload.encoding == BINARY_PLAIN:
        return f"{payload.encoding}, {len(payload.data)} bytes"
    # Whoever asks may have the converter that reads it, which the engine does not.
    return {"$payload": {"encoding": payload.encoding, "data": b64encode(payload.data).decode()}}
