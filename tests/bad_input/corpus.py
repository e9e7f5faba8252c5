"""The corpus: messages that must be refused wherever they arrive. The same ones each time, each with a name.

fields       each field of each message type: missing, twice, and with every value that it must not have
mangled      each message type cut, continued, wrapped, in encodings that are none of ours
hostile      what is made to take time, memory or a decoder's footing, as a body, a field, a payload
properties   AMQP properties that are missing, wrong, forged or too large
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

import cbor2

from dalsegno.broker.port import Message
from dalsegno.broker.protocol.codec import CBOR, JSON, MESSAGE_TYPES
from tests.bad_input.bodies import (
    NOTE,
    Pairs,
    Sound,
    cbor_map,
    json_map,
    mangled_cbor,
    mangled_json,
    wrong_in_cbor,
    wrong_in_json,
)
from tests.bad_input.fields import FORGING
from tests.protocol.hostile import CANARY, CBOR_TABLE, HARMLESS_WHERE_IGNORED, JSON_TABLE

MEBIBYTE = 1024 * 1024
SMALL_BYTES = 1024
"""Hostile items up to this size are tried with every message type, larger ones with a few."""
ENTRANCES = ("workflow.start", "activity.task", "activity.completed", "control.workflows", "reply")
"""One message type for each kind of reader."""
NEED_AN_ID = tuple(f"workflow.{what}" for what in ("signal", "cancel", "terminate", "suspend", "resume"))
SHORT_BYTES_MAX = 255
"""What AMQP has room for in a property."""


class Refusal(Enum):
    INVALID = "invalid"
    """Nobody can ever read it."""
    UNSUPPORTED = "unsupported"
    """Perhaps a later version can."""


@dataclass(frozen=True, slots=True)
class Case:
    """`has_own_id`: its message ID is what is wrong with it; any other case may be sent with another ID."""

    name: str
    message: Message
    refusal: Refusal = Refusal.INVALID
    has_own_id: bool = False

    @property
    def fits_amqp(self) -> bool:
        """Whether AMQP can carry its properties; the embedded broker carries more."""
        message = self.message
        shorts = (message.message_id, message.type, message.content_type, message.correlation_id)
        return all(len((text or "").encode()) <= SHORT_BYTES_MAX for text in (*shorts, message.reply_to))


@cache
def corpus() -> tuple[Case, ...]:
    """All cases, in one order, each a combination of body and properties that no other has."""
    cases: dict[Message, Case] = {}
    for case in _all():
        cases.setdefault(_key(case.message), case)
    return tuple(cases.values())


def _key(message: Message) -> Any:
    headers = tuple(sorted(message.headers.items()))
    return (message.body, message.message_id, message.type, message.correlation_id, message.reply_to), (
        message.content_type,
        headers,
    )


def _all() -> Iterator[Case]:
    for name, cls in sorted(MESSAGE_TYPES.items()):
        sound = Sound(cls)
        yield from _fields(name, sound)
        yield from _mangled(name, sound)
        yield from _hostile_within(name, sound)
        yield from _properties(name, sound)
    yield from _hostile()
    yield from _large()


def _case(kind: str, what: str, body: bytes, content_type: str = CBOR) -> Case:
    label = "JSON" if content_type == JSON else "CBOR"
    message = Message(body=body, type=kind, message_id="bad", content_type=content_type)
    return Case(f"{kind}, {label}, {what}", message)


def _fields(kind: str, sound: Sound) -> Iterator[Case]:
    for what, body in wrong_in_cbor(sound):
        yield _case(kind, what, body)
    for what, body in wrong_in_json(sound):
        yield _case(kind, what, body, JSON)


def _mangled(kind: str, sound: Sound) -> Iterator[Case]:
    for what, body in mangled_cbor(sound.cbor):
        yield _case(kind, what, body)
    for what, body in mangled_json(sound.json):
        yield _case(kind, what, body, JSON)
    yield _case(kind, "but it is JSON", sound.json)
    yield _case(kind, "but it is CBOR", sound.cbor, JSON)


# --- hostile ---------------------------------------------------------------------------------------------


def _hostile_within(kind: str, sound: Sound) -> Iterator[Case]:
    for what, item in CBOR_TABLE.items():
        if what in HARMLESS_WHERE_IGNORED or (len(item) > SMALL_BYTES and kind not in ENTRANCES):
            continue
        yield _case(kind, f"a field that nobody reads: {what}", _with_raw(sound.cbor_pairs, "extra", item))


def _hostile() -> Iterator[Case]:
    for kind in ENTRANCES:
        for what, body in CBOR_TABLE.items():
            yield _case(kind, f"all of it: {what}", body)
        for what, body in JSON_TABLE.items():
            yield _case(kind, f"all of it: {what}", body, JSON)
    start = Sound(MESSAGE_TYPES["workflow.start"]).cbor_pairs
    completed = Sound(MESSAGE_TYPES["activity.completed"]).cbor_pairs
    for what, item in CBOR_TABLE.items():
        args = [pair for pair in start if pair[0] != "args"]
        result = [pair for pair in completed if pair[0] != "result"]
        yield _case("workflow.start", f"an argument: {what}", _with_raw(args, "args", b"\x81" + item))
        yield _case("activity.completed", f"the result: {what}", _with_raw(result, "result", item))
    for byte in range(256):  # what can begin a body
        yield _case("control.ping", f"beginning with {byte:02x}", bytes([byte]) + CANARY.encode())
        yield _case("control.ping", f"beginning with {byte:02x}", bytes([byte]) + CANARY.encode(), JSON)


def _with_raw(pairs: Pairs, name: str, item: bytes) -> bytes:
    """The map with a field more, whose value is written as it stands."""
    return cbor_map(pairs, announced=len(pairs) + 1) + cbor2.dumps(name) + item


def _large() -> Iterator[Case]:
    filling = CANARY * (MEBIBYTE // len(CANARY) + 1)
    for kind in ENTRANCES:
        sound = Sound(MESSAGE_TYPES[kind])
        yield _case(kind, "a mebibyte", cbor_map([*sound.cbor_pairs, ("filling", filling)]))
        yield _case(kind, "a mebibyte", json_map([*sound.json_pairs, ("filling", filling)]), JSON)
    yield _case("workflow.start", "a mebibyte of nothing", b"\x00" * (MEBIBYTE + 1))
    yield _case("workflow.start", "8 MiB of lists", b"\x81" * (8 * MEBIBYTE))


# --- properties ------------------------------------------------------------------------------------------

NO_NAMES = {
    "nothing in it": "",
    "256 bytes": "n" * 256,
    "256 bytes of umlauts": "ü" * 128,
    "10 KB": "n" * 10_000,
    **{f"U+{ord(character):04X}": f"name{character}" for character in FORGING},
}
WRONG_CONTENT_TYPES = (
    "",
    "text/plain",
    "application/octet-stream",
    "application/cbor-seq",
    "application/jsonl",
    "application/x-python-pickle",
    "cbor",
    "*/*",
)
UNKNOWN_TYPES = (
    "workflow.dance",
    "Workflow.Start",
    "child.started",
    "os.system",
    "__main__.x",
    "../../passwd",
    "workflow.*",
    "'",
)
NOT_FOR_ANSWERS = (
    "dalsegno.control",
    "dalsegno.partition.1.0",
    "dalsegno.tasks.default",
    "dalsegno.dead",
    "dalsegno.host.a",
    "dalsegno.",
    "amq.rabbitmq.reply-to.",
    "amq.rabbitmq.reply-to.g2dkAA5jNG40cnlAbG9jYWxob3N0.x",
)
TOO_MANY_HEADERS = {f"x-{number}": CANARY for number in range(65)}
TOO_LARGE_HEADERS = {
    "one of 16 KiB": {"x": CANARY * 2731},
    "64 of 300 bytes": {f"x-{number}": CANARY * 50 for number in range(64)},
    "one of 100 KB": {"x": b"\xff" * 100_000, "note": CANARY},
}


def _properties(kind: str, sound: Sound) -> Iterator[Case]:
    def case(what: str, refusal: Refusal = Refusal.INVALID, **changes: Any) -> Case:
        # With its own name in the body, so that two of them are never taken for the same message twice.
        body = cbor_map([*sound.cbor_pairs, ("case", f"{kind}, {what}")])
        properties: dict[str, Any] = {"type": kind, "message_id": "bad", "content_type": CBOR, **changes}
        has_own_id = "message_id" in changes
        return Case(f"{kind}, {what}", Message(body=body, **properties), refusal, has_own_id=has_own_id)

    for what, name in NO_NAMES.items():
        yield case(f"message ID: {what}", message_id=name)
        yield case(f"correlation ID: {what}", correlation_id=name)
        yield case(f"reply_to: {what}", reply_to=name)
    if kind in NEED_AN_ID:
        yield case("no message ID", message_id=None)
    for queue in NOT_FOR_ANSWERS:
        yield case(f"reply_to: {queue}", reply_to=queue)
    for content_type in WRONG_CONTENT_TYPES:
        yield case(f"content type: {content_type!r}", content_type=content_type)
    yield case("65 headers", headers=TOO_MANY_HEADERS)
    for what, headers in TOO_LARGE_HEADERS.items():
        yield case(f"headers: {what}", headers=headers)
    if kind not in ENTRANCES:
        return
    yield case("no type", type=None)
    for what, name in NO_NAMES.items():
        yield case(f"type: {what}", type=name)
    for name in UNKNOWN_TYPES:
        yield case(f"type: {name}", Refusal.UNSUPPORTED, type=name)


__all__ = ["CANARY", "NOTE", "Case", "Refusal", "corpus"]
