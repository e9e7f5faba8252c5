"""What no field of a message may hold, by the field's type. Drawn from docs/protocol.md, not from the decoder.

Values are given as a CBOR body has them. In a JSON body nearly everything is a payload; what is none has a
table of its own.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from dalsegno.broker.protocol.messages import Counter, Microseconds, Name, TaskQueue, Text, Token
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from tests.protocol.hostile import CANARY

Faults = Iterator[tuple[str, Any]]
"""What is wrong, in a few words, and the value."""

FORGING = "\x00\x1b\n\r\x85\u2028\u200e\u202e\u2066\ufeff"
"""Each of them tears a log line or a terminal, or hides what is there."""

_SMALL = {"a boolean": True, "a float": 1.5, "a list": [CANARY], "a map": {CANARY: CANARY}}
_NO_TEXT = {**_SMALL, "a number": 7, "bytes": CANARY.encode()}
_NO_NUMBER = {
    **_SMALL,
    "a text": "1",
    "bytes": b"\x01",
    "not a number": float("nan"),
    "infinity": float("inf"),
    "negative": -1,
    "above 2^53": 2**53 + 1,
    "2^63": 2**63,
    "2^64 - 1": 2**64 - 1,
    "-2^63": -(2**63),
}
_NO_INTEGER = {**_SMALL, "a text": "1", "bytes": b"\x01", "not a number": float("nan")}
_NO_NAME = {
    **_NO_TEXT,
    "nothing in it": "",
    "256 characters": (CANARY * 50)[:256],
    "256 bytes": CANARY + "ü" * 125,
    "10 KB": CANARY * 1700,
    **{f"U+{ord(character):04X}": CANARY + character for character in FORGING},
}
_NO_TASK_QUEUE = {
    **_NO_NAME,
    "241 characters": "q" * 241,
    "umlauts": "bestellungen-ü",
    "a star": "*",
    "dead": "dead",
}
_NO_LONG_TEXT = {**_NO_TEXT, "10,001 characters": CANARY * 1667, "a NUL": f"{CANARY}\0"}
_NO_TOKEN = {
    **_SMALL,
    "a text": CANARY,
    "a number": 7,
    "15 bytes": b"\x01" * 15,
    "65 bytes": b"\x01" * 65,
    "nothing in it": b"",
}
_NO_BOOLEAN = {"0": 0, "1": 1, "a text": "true", "a list": [True], "a map": {}, "a float": 1.0}
_NO_CHOICE = {**_NO_TEXT, "nothing in it": "", "one that does not exist": CANARY}
_NO_LIST = {"a boolean": True, "a number": 7, "a text": CANARY, "bytes": CANARY.encode(), "a map": {CANARY: 1}}
_NO_MAP = {"a boolean": True, "a number": 7, "a text": CANARY, "bytes": CANARY.encode(), "a list": [CANARY]}
_NO_PLAIN_VALUE = {"null": None, "a map": {CANARY: 1}, "a list of numbers": [7], "a list of lists": [[CANARY]]}
"""Nor any of the types that the value of a search attribute may have."""
_NO_PAYLOAD = {
    **_NO_MAP,
    "without data": {"encoding": "json/plain"},
    "without an encoding": {"data": CANARY.encode()},
    "of a numbered encoding": {"encoding": 7, "data": CANARY.encode()},
    "of a list": {"encoding": "json/plain", "data": [CANARY]},
}
_NO_JSON_PAYLOAD: Mapping[str, Any] = {
    "of nothing": {"$payload": None},
    "of a text": {"$payload": CANARY},
    "of no fields": {"$payload": {}},
    "without data": {"$payload": {"encoding": "json/plain"}},
    "without an encoding": {"$payload": {"data": "AP8="}},
    "of a number": {"$payload": {"encoding": "json/plain", "data": 7}},
    "of no base64": {"$payload": {"encoding": "binary/plain", "data": f"!{CANARY}!"}},
    "of half a base64": {"$payload": {"encoding": "binary/plain", "data": "AP8"}},
}

_BY_TYPE: dict[Any, Mapping[str, Any]] = {
    Name: _NO_NAME,
    TaskQueue: _NO_TASK_QUEUE,
    Text: _NO_LONG_TEXT,
    Token: _NO_TOKEN,
    Counter: _NO_NUMBER,
    Microseconds: _NO_NUMBER,
    str: _NO_TEXT,
    int: _NO_INTEGER,
    bool: _NO_BOOLEAN,
}
_NOTHING = {"null": None}


TOP = 2
"""How far into structures. What holds of texts and causes as such holds at the top alone."""


def faults_of(annotation: Any, *, json: bool, depth: int = TOP) -> Faults:
    """Values that a field of that type must not have."""
    if annotation is object:
        return
    if annotation is Payload:
        yield from (_NO_JSON_PAYLOAD if json else _NO_PAYLOAD | _NOTHING).items()
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        present = [part for part in arguments if part is not type(None)]
        if len(present) > 1:
            yield from _NO_PLAIN_VALUE.items()
            return
        faults = faults_of(present[0], json=json, depth=depth)
        yield from ((what, value) for what, value in faults if what != "null")
        return
    yield from _NOTHING.items()
    if annotation in _BY_TYPE:
        known = _BY_TYPE[annotation].items()
        yield from ((what, value) for what, value in known if depth == TOP or what != "a NUL")
    elif origin is Literal or (isinstance(annotation, type) and issubclass(annotation, Enum)):
        yield from _NO_CHOICE.items()
    elif origin is Annotated and get_origin(arguments[0]) is dict:  # so many at most
        yield from faults_of(arguments[0], json=json, depth=depth)
        value = {"encoding": "json/plain", "data": None if json else b"null"}
        yield "too many", {f"{CANARY} {number}": value for number in range(arguments[1].max_length + 1)}
    elif origin is Annotated:  # a number within bounds
        bounds = arguments[1]
        numbers = {**_NO_NUMBER, "too small": bounds.ge - 1, "too large": bounds.le + 1}.items()
        yield from ((what, value) for what, value in numbers if arguments[0] is int or what != "a float")
    elif origin is tuple:
        yield from _NO_LIST.items()
        items = faults_of(arguments[0], json=json, depth=depth)
        yield from ((f"an item: {what}", [value]) for what, value in items)
    elif origin is dict:
        yield from _NO_MAP.items()
        yield from ((f"a value: {what}", {"k": value}) for what, value in faults_of(arguments[1], json=json))
    else:
        yield from _NO_MAP.items()
        if depth:
            yield from _faults_within(annotation, json=json, depth=depth - 1)
        if annotation is Failure and depth == TOP:
            yield "21 causes", _chain(21)


def _faults_within(cls: type[Any], *, json: bool, depth: int) -> Faults:
    sound = {field.name: _sample(field.type) for field in msgspec.structs.fields(cls) if field.required}
    for field in msgspec.structs.fields(cls):
        if field.required:
            yield f"{field.name}: missing", {name: sound[name] for name in sound if name != field.name}
        for what, value in faults_of(field.type, json=json, depth=depth):
            yield f"{field.name}: {what}", {**sound, field.name: value}


def _sample(annotation: Any) -> Any:
    """A small value that is right, for a required field beside the one that is wrong."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if get_origin(annotation) is tuple:
        return []
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation)).value
    return 1 if annotation is int else "x"


def _chain(causes: int) -> dict[str, Any]:
    failure: dict[str, Any] = {"message": CANARY}
    for _ in range(causes - 1):
        failure = {"message": CANARY, "cause": failure}
    return failure
