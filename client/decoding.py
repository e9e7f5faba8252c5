"""What hosts tell of workflows, for who has the converter: payloads without what a codec has done to them.

What cannot be read here is left as it is: somebody who looks is told all else all the same."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from dalsegno.data_converter import DataConverter
from dalsegno.encoded_failures import ENCODED, decoded_words, words_of
from dalsegno.errors import PayloadError
from dalsegno.failure import Failure
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.payload_codec import in_words

S = TypeVar("S", bound=msgspec.Struct)


def decoded(told: S, converter: DataConverter) -> S:
    """The same, with its payloads and failures, at any depth; `converter` is that of the workflow."""
    if not converter.is_bound and not converter.hides_messages:
        return told
    whole: S = _decoded(told, converter)
    return whole


def _decoded(value: Any, converter: DataConverter) -> Any:
    match value:
        case Payload():
            try:
                return converter.from_payload(value, Payload)
            except PayloadError:
                return value
        case msgspec.Struct():
            if isinstance(value, Failure):
                value = decoded_words(value, converter.from_payload)
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            return replace(value, **{name: _decoded(field, converter) for name, field in fields.items()})
        case tuple():
            return tuple(_decoded(item, converter) for item in value)
        case list():
            return [_decoded(item, converter) for item in value]
        case dict():
            return {key: _decoded(item, converter) for key, item in value.items()}
        case _:
            return value


def decoded_events(
    events: Iterable[dict[str, Any]],
    converter: DataConverter,
    workflow_id: str,
    children: Mapping[int, str] = MappingProxyType({}),
) -> tuple[dict[str, Any], ...]:
    """Those of a history: maps, in which a payload that is no plain JSON is `{"$payload": {encoding, data}}`.
    It becomes its value, or words for who cannot read it. What a workflow has asked of another is that one's,
    and so is what a child has come to; `children` has their workflow IDs by their numbers.
    """
    of_run = converter.of_workflow(workflow_id)
    decoded: list[dict[str, Any]] = []
    for event in events:
        child = children.get(event["number"]) if is_end_of_child(event) else None
        owner = workflow_id if child is None else child
        decoded.append(_event(event, of_run if child is None else converter.of_workflow(child), owner))
    return tuple(decoded)


def children_in(events: Iterable[dict[str, Any]]) -> dict[int, str]:
    """Those that are asked for in these, by their numbers."""
    wants = (want for event in events for want in event.get("wants") or ())
    return {want["number"]: want["spec"]["workflow_id"] for want in wants if want.get("type") == "ChildWanted"}


def is_end_of_child(event: dict[str, Any]) -> bool:
    return event.get("type") == "ChildClosed"


def _event(value: Any, converter: DataConverter, workflow_id: str) -> Any:
    match value:
        case {"$payload": {"encoding": str(encoding), "data": str(data)}, **others} if not others:
            return _value(encoding, data, converter)
        case dict():
            owner = value.get("workflow_id")
            if isinstance(owner, str) and owner != workflow_id:
                converter, workflow_id = converter.of_workflow(owner), owner
            return _with_words({key: _event(item, converter, workflow_id) for key, item in value.items()})
        case list() | tuple():
            return [_event(item, converter, workflow_id) for item in value]
        case _:
            return value


def _value(encoding: str, data: str, converter: DataConverter) -> Any:
    try:
        payload = Payload(encoding, b64decode(data, validate=True))
        plain = converter.from_payload(payload, Payload)
        if plain.encoding == JSON_PLAIN:
            return json.loads(plain.data)
        return in_words(plain)
    except PayloadError:
        return in_words(payload)
    except (ValueError, RecursionError):
        return f"{encoding}, unreadable"


def _with_words(failure: dict[str, Any]) -> dict[str, Any]:
    """A failure's own, where they could be read."""
    details = failure.get("details")
    if failure.get("message") != ENCODED or not details or (words := words_of(details[0])) is None:
        return failure
    return {**failure, "message": words[0], "stack": words[1], "details": details[1:]}
