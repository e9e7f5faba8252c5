"""Whatever comes from outside is decoded or refused: with one error, in bounded time, quoting nothing.

The tables are of what CBOR and JSON decoders are known to stumble over; the sweeps are for what is not known.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from itertools import product
from typing import Any

import cbor2
import pytest

from dalsegno.broker.port import Message
from dalsegno.broker.protocol.codec import CBOR, JSON, MESSAGE_TYPES, decode
from dalsegno.broker.protocol.messages import StartWorkflow
from dalsegno.errors import InvalidMessageError
from tests.protocol import vectors

pytestmark = pytest.mark.timeout(30)  # what is looked for here would take hours

BYTES_MAX = 32 * 1024 * 1024
"""That one message may take of Python's memory while it is read."""


def is_refused(body: bytes, content_type: str = CBOR, kind: str = "workflow.start") -> bool:
    """Whether it was refused; any other error, or one that quotes the body, fails the test."""
    try:
        decode(Message(body=body, type=kind, message_id="m-1", content_type=content_type))
    except InvalidMessageError as error:
        assert "secret" not in error.reason
        assert len(error.reason) < 300
        return True
    return False


def item(head: str, payload: bytes = b"") -> bytes:
    return bytes.fromhex(head) + payload


def start_with(extra: bytes, key: bytes = b"\x65extra") -> bytes:
    """A valid start with one more field, which by itself would be ignored."""
    start = cbor2.dumps({"workflow_id": "w-1", "workflow_type": "secret"})
    return b"\xa3" + start[1:] + key + extra


def shared_tower(levels: int) -> bytes:
    """Shared references: each level holds the one below twice. Printed, it has 2**levels leaves."""
    tower = b"\xd8\x1c\x80"
    for level in range(levels):
        tower = b"\xd8\x1c\x82" + tower + b"\xd8\x1d" + bytes([level + 1])
    return tower


def string_references() -> bytes:
    return b"\xd9\x01\x00\x82" + cbor2.dumps("x" * 65_000) + b"\x99\x27\x10" + b"\xd8\x19\x00" * 10_000


def colliding_integer_keys(count: int) -> bytes:
    return cbor2.dumps({number * (2**61 - 1): 0 for number in range(count)})


CBOR_TABLE = {
    "nothing": b"",
    "array of 2^64-1": item("9bffffffffffffffff"),
    "array of 2^31": item("9a80000000"),
    "array of 2^26": item("9a04000000"),
    "map of 2^26": item("ba04000000"),
    "bytes of 2^62": item("5b4000000000000000"),
    "text of 2^30": item("7a40000000"),
    "399 arrays": b"\x81" * 399 + b"\x00",
    "100,000 arrays": b"\x81" * 100_000,
    "50,000 tags": b"\xc1" * 50_000,
    "100,000 indefinite arrays": b"\x9f" * 100_000,
    "a million empty maps": b"\x9a\x00\x0f\x00\x00" + b"\xa0" * 0xF0000,
    "trailing bytes": cbor2.dumps({"workflow_id": "w-1", "workflow_type": "secret"}) + b"\x02\x03",
    "two messages": cbor2.dumps({"workflow_id": "w-1", "workflow_type": "secret"}) * 2,
    "duplicate keys": item("a266736563726574016673656372657402"),
    "cycle": item("d81c81d81d00"),
    "shared references, 25 levels": shared_tower(25),
    "string references": string_references(),
    "colliding integer keys": colliding_integer_keys(4_000),
    "list as key": item("a1810001"),
    "NaN as key": item("a3f97e0000f97e0001f97e0002"),
    "regular expression": item("d823") + cbor2.dumps("(a+)+(b+)$"),
    "MIME": item("d824") + cbor2.dumps("a: b\n\n"),
    "bignum of 1 MB": item("c2") + cbor2.dumps(b"\xff" * 1_000_000),
    "decimal with exponent 10^18": item("c4821b0de0b6b3a764000001"),
    "bigfloat with exponent 10^9": item("c5821a3b9aca0001"),
    "rational with 0": item("d81e820100"),
    "time that is NaN": item("c1fb7ff8000000000000"),
    "time that is nonsense": item("c0") + cbor2.dumps("secret"),
    "short UUID": item("d82541ff"),
    "network that is junk": item("d9010441ff"),
    "unknown tag": item("da0001869f00"),
    "self-described": item("d9d9f7") + cbor2.dumps({"workflow_id": "w-1", "workflow_type": "secret"}),
    "bad UTF-8": item("62c328"),
    "lone surrogate": item("63eda080"),
    "lone break": item("ff"),
    "reserved length": item("1c"),
    "truncated": item("a16a"),
    "simple 24": item("f818"),
    "indefinite map": item("bf") + cbor2.dumps("workflow_id") + cbor2.dumps("w-1") + item("ff"),
    "indefinite text": item("7f") + cbor2.dumps("secret") + item("ff"),
    "undefined": item("f7"),
    "null": item("f6"),
    "array": cbor2.dumps(["w-1", "Order"]),
    "text": cbor2.dumps("secret"),
    "JSON": b'{"workflow_id":"w-1","workflow_type":"secret"}',
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x06secret\x94.",
    "gzip": bytes.fromhex("1f8b08000000000000ff"),
}


HARMLESS_WHERE_IGNORED = {"undefined", "null", "array", "text"}
"""In a field that nobody reads they do no harm, as anything that a newer version may put there."""


def peak_memory_of_refusing(body: bytes, content_type: str = CBOR) -> int:
    tracemalloc.start()
    try:
        assert is_refused(body, content_type)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("body", CBOR_TABLE.values(), ids=CBOR_TABLE.keys())
def test_a_hostile_cbor_body_is_refused(body: bytes) -> None:
    assert peak_memory_of_refusing(body) < BYTES_MAX


@pytest.mark.parametrize("name", CBOR_TABLE.keys() - HARMLESS_WHERE_IGNORED)
def test_a_hostile_item_is_refused_in_a_field_that_nobody_reads(name: str) -> None:
    assert peak_memory_of_refusing(start_with(CBOR_TABLE[name])) < BYTES_MAX


def test_every_tag_is_refused() -> None:
    for tag in range(0x10000):
        assert is_refused(start_with(b"\xd9" + tag.to_bytes(2, "big") + b"\x80"))


JSON_TABLE = {
    "nothing": b"",
    "100,000 arrays": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "65 levels": b'{"workflow_id":"w-1","workflow_type":"x","extra":' + b"[" * 64 + b"]" * 64 + b"}",
    "many empty objects": b'{"workflow_id":"w-1","workflow_type":"x","extra":[' + b"{}," * 200_000 + b"1]}",
    "a long integer": b'{"workflow_id":"w-1","workflow_type":"x","extra":' + b"9" * 1_000_000 + b"}",
    "an integer above 2^53": b'{"workflow_id":"w-1","workflow_type":"x","extra":9007199254740993}',
    "a duplicate key": b'{"workflow_id":"w-1","workflow_id":"secret","workflow_type":"x"}',
    "a duplicate key within": b'{"workflow_id":"w-1","workflow_type":"x","args":[{"secret":1,"secret":2}]}',
    "a duplicate key by escape": b'{"workflow_id":"w-1","workflow_type":"x","a":1,"\\u0061":2}',
    "1e400": b'{"workflow_id":"w-1","workflow_type":"x","extra":1e400}',
    "NaN": b'{"workflow_id":"w-1","workflow_type":"x","extra":NaN}',
    "Infinity": b'{"workflow_id":"w-1","workflow_type":"x","extra":-Infinity}',
    "a lone surrogate": b'{"workflow_id":"w-1","workflow_type":"x","extra":"\\ud800"}',
    "bad UTF-8": b'{"workflow_id":"w-1","workflow_type":"x","extra":"\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"workflow_id":"w-1","workflow_type":"x"}',
    "UTF-16": '{"workflow_id":"w-1","workflow_type":"x"}'.encode("utf-16"),
    "trailing bytes": b'{"workflow_id":"w-1","workflow_type":"x"}{}',
    "a comment": b'{"workflow_id":"w-1",/* secret */"workflow_type":"x"}',
    "single quotes": b"{'workflow_id':'secret'}",
    "CBOR": cbor2.dumps({"workflow_id": "w-1", "workflow_type": "x"}),
    "an array": b'["secret"]',
    "null": b"null",
}


@pytest.mark.parametrize("body", JSON_TABLE.values(), ids=JSON_TABLE.keys())
def test_a_hostile_json_body_is_refused(body: bytes) -> None:
    assert peak_memory_of_refusing(body, JSON) < BYTES_MAX


WRONG_VALUES = [
    None,
    True,
    -1,
    2**63,
    2**64,
    1.5,
    float("nan"),
    float("inf"),
    "",
    b"",
    [],
    {},
    [None],
    {"a": None},
]


def wrong_fields() -> Iterator[tuple[str, str, object]]:
    """(message type, field, value) for each field of each vector and values of every kind."""
    for vector in vectors.MESSAGES:
        for field, value in product(vector["json"], WRONG_VALUES):
            yield vector["type"], field, value


def test_a_field_with_a_wrong_value_is_refused_or_decoded_but_never_another_error() -> None:
    outcomes = {True: 0, False: 0}
    whole = {vector["type"]: cbor2.loads(bytes.fromhex(vector["cbor"])) for vector in vectors.MESSAGES}
    for kind, field, value in wrong_fields():
        fields = whole[kind] | {field: value}
        outcomes[is_refused(cbor2.dumps(fields), kind=kind)] += 1
    assert outcomes[True] > outcomes[False]


def test_a_message_without_one_of_its_required_fields_is_refused() -> None:
    for vector in vectors.MESSAGES:
        cls = MESSAGE_TYPES[vector["type"]]
        fields = cbor2.loads(bytes.fromhex(vector["cbor"]))
        for name in cls.__struct_fields__[: len(cls.__struct_fields__) - len(cls.__struct_defaults__)]:
            rest = {field: value for field, value in fields.items() if field != name}
            assert is_refused(cbor2.dumps(rest), kind=vector["type"])


@pytest.mark.parametrize("value", [True, False, -1, 2**53 + 1, 2**64, 1.0, "1", None])
def test_an_attempt_is_a_small_whole_number_and_no_bool(value: object) -> None:
    vector = next(v for v in vectors.MESSAGES if v["name"] == "activity started")
    fields = cbor2.loads(bytes.fromhex(vector["cbor"])) | {"attempt": value}
    assert is_refused(cbor2.dumps(fields), kind=vector["type"])


def test_a_policy_that_does_not_exist_is_not_quoted() -> None:
    fields = {"workflow_id": "w-1", "workflow_type": "x", "conflict_policy": "secret - at `$.secret`"}
    assert is_refused(cbor2.dumps(fields))


# --- sweeps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [CBOR, JSON])
def test_all_bodies_of_one_and_two_bytes_are_refused_for_a_start(content_type: str) -> None:
    for first in range(256):
        assert is_refused(bytes([first]), content_type)
        for second in range(256):
            assert is_refused(bytes([first, second]), content_type)


def test_an_empty_map_in_either_spelling_is_a_ping_and_no_other_short_body_is() -> None:
    accepted = [
        body
        for body in (bytes(pair) for size in (1, 2) for pair in product(range(256), repeat=size))
        if not is_refused(body, kind="control.ping")
    ]
    assert accepted == [b"\xa0", b"\xb8\x00"]


@pytest.mark.parametrize("vector", vectors.MESSAGES, ids=[vector["name"] for vector in vectors.MESSAGES])
def test_every_prefix_of_a_vector_is_refused(vector: dict[str, Any]) -> None:
    whole = bytes.fromhex(vector["cbor"])
    text = json.dumps(vector["json"]).encode()
    assert all(is_refused(whole[:length], kind=vector["type"]) for length in range(len(whole)))
    assert all(is_refused(text[:length], JSON, vector["type"]) for length in range(len(text)))


@pytest.mark.parametrize("vector", vectors.MESSAGES, ids=[vector["name"] for vector in vectors.MESSAGES])
def test_every_single_flipped_bit_is_decoded_or_refused(vector: dict[str, Any]) -> None:
    for body, content_type in (
        (bytes.fromhex(vector["cbor"]), CBOR),
        (json.dumps(vector["json"]).encode(), JSON),
    ):
        flipped = bytearray(body)
        for position, bit in product(range(len(body)), range(8)):
            flipped[position] ^= 1 << bit
            is_refused(bytes(flipped), content_type, vector["type"])
            flipped[position] ^= 1 << bit
        assert decode(
            Message(body=bytes(flipped), type=vector["type"], message_id="m-1", content_type=content_type)
        )


def test_a_field_that_nobody_reads_does_no_harm() -> None:
    for name in HARMLESS_WHERE_IGNORED:
        message = Message(body=start_with(CBOR_TABLE[name]), type="workflow.start", content_type=CBOR)
        assert decode(message) == StartWorkflow(workflow_id="w-1", workflow_type="secret")
