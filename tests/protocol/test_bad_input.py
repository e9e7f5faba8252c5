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
from tests.protocol.hostile import CANARY, CBOR_TABLE, HARMLESS_WHERE_IGNORED, JSON_TABLE, start_with

pytestmark = pytest.mark.timeout(30)  # what is looked for here would take hours

BYTES_MAX = 32 * 1024 * 1024
"""That one message may take of Python's memory while it is read."""


def is_refused(body: bytes, content_type: str = CBOR, kind: str = "workflow.start") -> bool:
    """Whether it was refused; any other error, or one that quotes the body, fails the test."""
    try:
        decode(Message(body=body, type=kind, message_id="m-1", content_type=content_type))
    except InvalidMessageError as error:
        assert CANARY not in error.reason
        assert len(error.reason) < 300
        return True
    return False


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


@pytest.mark.parametrize("name", sorted(CBOR_TABLE.keys() - HARMLESS_WHERE_IGNORED))
def test_a_hostile_item_is_refused_in_a_field_that_nobody_reads(name: str) -> None:
    assert peak_memory_of_refusing(start_with(CBOR_TABLE[name])) < BYTES_MAX


def test_every_tag_is_refused() -> None:
    for tag in range(0x10000):
        assert is_refused(start_with(b"\xd9" + tag.to_bytes(2, "big") + b"\x80"))


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
    fields = {"workflow_id": "w-1", "workflow_type": "x", "conflict_policy": "c4n4ry - at `$.c4n4ry`"}
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
        assert decode(message) == StartWorkflow(workflow_id="w-1", workflow_type=CANARY)
