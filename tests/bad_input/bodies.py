"""Bodies, pair by pair: so that a map can hold a key twice, end too early, or announce more than it has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import cbor2
import msgspec

from dalsegno.broker.protocol.messages import WireMessage
from tests.bad_input.fields import faults_of
from tests.protocol import vectors
from tests.protocol.hostile import CANARY

Pairs = Sequence[tuple[str, Any]]

NOTE = ("note", CANARY)
"""Stands in every body, where nobody reads it."""


class Sound:
    """The fullest valid message of a type, from the protocol's own examples."""

    def __init__(self, cls: type[WireMessage]) -> None:
        self.cls = cls
        vector = max((v for v in vectors.MESSAGES if v["type"] == cls.TYPE), key=lambda v: len(v["cbor"]))
        self.cbor_pairs: Pairs = [NOTE, *cbor2.loads(bytes.fromhex(vector["cbor"])).items()]
        self.json_pairs: Pairs = [NOTE, *vector["json"].items()]

    @property
    def cbor(self) -> bytes:
        return cbor_map(self.cbor_pairs)

    @property
    def json(self) -> bytes:
        return json_map(self.json_pairs)


def cbor_map(pairs: Pairs, *, announced: int | None = None) -> bytes:
    count = len(pairs) if announced is None else announced
    return b"\xb8" + bytes([count]) + b"".join(cbor2.dumps(part) for pair in pairs for part in pair)


def json_map(pairs: Pairs) -> bytes:
    fields = (f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=False)}" for key, value in pairs)
    return ("{" + ",".join(fields) + "}").encode()


def replaced(pairs: Pairs, name: str, value: Any) -> Pairs:
    return [*(pair for pair in pairs if pair[0] != name), (name, value)]


def without(pairs: Pairs, name: str) -> Pairs:
    return [pair for pair in pairs if pair[0] != name]


def wrong_in_cbor(sound: Sound) -> Iterator[tuple[str, bytes]]:
    """What is wrong, and the body: each field missing, twice, and with each value that it must not have."""
    pairs = sound.cbor_pairs
    for name, annotation, required in _fields(sound.cls):
        if required:
            yield f"{name}: missing", cbor_map(without(pairs, name))
        yield f"{name}: twice", cbor_map([*without(pairs, name), *_twice(pairs, name)])
        for what, value in faults_of(annotation, json=False):
            yield f"{name}: {what}", cbor_map(replaced(pairs, name, value))


def wrong_in_json(sound: Sound) -> Iterator[tuple[str, bytes]]:
    pairs = sound.json_pairs
    for name, annotation, required in _fields(sound.cls):
        if required:
            yield f"{name}: missing", json_map(without(pairs, name))
        yield f"{name}: twice", json_map([*without(pairs, name), *_twice(pairs, name)])
        for what, value in faults_of(annotation, json=True):
            if _has_json(value):
                yield f"{name}: {what}", json_map(replaced(pairs, name, value))


def _twice(pairs: Pairs, name: str) -> Pairs:
    value = dict(pairs).get(name, CANARY)
    return [(name, value), (name, value)]


def _fields(cls: type[WireMessage]) -> Iterator[tuple[str, Any, bool]]:
    for field in msgspec.structs.fields(cls):
        yield field.name, field.type, field.required


def _has_json(value: Any) -> bool:
    """Bytes have none; NaN and the like are written in a way that is none, and refused as such."""
    if isinstance(value, bytes):
        return False
    if isinstance(value, list):
        return all(map(_has_json, value))
    return all(map(_has_json, value.values())) if isinstance(value, dict) else True


def mangled_cbor(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """A body that is cut, continued, wrapped, or written otherwise than the protocol allows."""
    count = whole[1]
    for part in range(8):
        yield f"cut after {part}/8", whole[: len(whole) * part // 8]
    yield "cut before its last byte", whole[:-1]
    yield "one byte more", whole + b"\x00"
    yield "twice", whole * 2
    yield "one pair too many announced", b"\xb8" + bytes([count + 1]) + whole[2:]
    if count > 1:
        yield "one pair too few announced", b"\xb8" + bytes([count - 1]) + whole[2:]
    yield "2^32 - 1 pairs announced", b"\xba\xff\xff\xff\xff" + whole[2:]
    yield "2^64 - 1 pairs announced", b"\xbb" + b"\xff" * 8 + whole[2:]
    yield "of indefinite length", b"\xbf" + whole[2:] + b"\xff"
    yield "of indefinite length, without an end", b"\xbf" + whole[2:]
    yield "self-described", b"\xd9\xd9\xf7" + whole
    yield "shared", b"\xd8\x1c" + whole
    yield "in a list", b"\x81" + whole
    yield "in a text", cbor2.dumps(whole.hex())
    yield "in bytes", cbor2.dumps(whole)
    yield "in hexadecimal digits", whole.hex().encode()


def mangled_json(whole: bytes) -> Iterator[tuple[str, bytes]]:
    text = whole.decode()
    for part in range(8):
        yield f"cut after {part}/8", whole[: len(whole) * part // 8]
    yield "cut before its last byte", whole[:-1]
    yield "one byte more", whole + b"}"
    yield "twice", whole * 2
    yield "with a NUL behind it", whole + b"\x00"
    yield "with a byte order mark", b"\xef\xbb\xbf" + whole
    yield "in UTF-16", text.encode("utf-16")
    yield "in UTF-16, without a mark", text.encode("utf-16-be")
    yield "in UTF-32", text.encode("utf-32")
    yield "with bytes that are no UTF-8", whole.replace(CANARY.encode(), CANARY.encode() + b"\xc3\x28", 1)
    yield "with an overlong slash", whole.replace(CANARY.encode(), CANARY.encode() + b"\xc0\xaf", 1)
    yield "with a surrogate in UTF-8", whole.replace(CANARY.encode(), b"\xed\xa0\x80", 1)
    yield "with half a pair of surrogates", whole.replace(CANARY.encode(), CANARY.encode() + b"\\ud800", 1)
    yield "with a raw line break in a text", whole.replace(CANARY.encode(), CANARY.encode() + b"\n", 1)
    yield "with an escape that is none", whole.replace(CANARY.encode(), CANARY.encode() + b"\\x41", 1)
    yield "with a comment", b"/* " + CANARY.encode() + b" */" + whole
    yield "with a comma at its end", whole[:-1] + b",}"
    yield "in single quotes", whole.replace(b'"', b"'")
    yield "in a list", b"[" + whole + b"]"
    yield "in a text", json.dumps(text).encode()
    yield "as JavaScript", b"(" + whole + b")"
    for literal in (b"NaN", b"-Infinity", b"1e400", b"01", b".5", b"+1", b"0x10", b"undefined", b"True"):
        yield f"with {literal.decode()}", _with_field(whole, literal)
    yield "with 9007199254740993", _with_field(whole, b"9007199254740993")
    yield "with 5,000 digits", _with_field(whole, b"9" * 5_000)
    yield "with 64 lists", _with_field(whole, b"[" * 64 + b"]" * 64)
    yield "with 20,000 lists", _with_field(whole, b"[" * 20_000 + b"]" * 20_000)
    yield "with a key twice within", _with_field(whole, b'{"k":1,"k":2}')
    yield "with a key twice by an escape", _with_field(whole, b'{"k":1,"\\u006b":2}')


def _with_field(whole: bytes, value: bytes) -> bytes:
    return whole[:-1] + b',"extra":' + value + b"}"
