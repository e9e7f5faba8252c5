"""Bodies that decoders stumble over, by what is wrong with them.

All hold CANARY where they can, so that whoever quotes one is found out. Most mean a start of a workflow.
"""

from __future__ import annotations

import cbor2

CANARY = "c4n4ry"
"""In no message of ours, and in nothing random that is written in hexadecimal digits."""


def item(head: str, payload: bytes = b"") -> bytes:
    return bytes.fromhex(head) + payload


def start_with(extra: bytes, key: bytes = b"\x65extra") -> bytes:
    """A valid start with one more field, which by itself would be ignored."""
    start = cbor2.dumps({"workflow_id": "w-1", "workflow_type": CANARY})
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
    "trailing bytes": cbor2.dumps({"workflow_id": "w-1", "workflow_type": CANARY}) + b"\x02\x03",
    "two messages": cbor2.dumps({"workflow_id": "w-1", "workflow_type": CANARY}) * 2,
    "duplicate keys": item(f"a266{CANARY.encode().hex()}0166{CANARY.encode().hex()}02"),
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
    "time that is nonsense": item("c0") + cbor2.dumps(CANARY),
    "short UUID": item("d82541ff"),
    "network that is junk": item("d9010441ff"),
    "unknown tag": item("da0001869f00"),
    "self-described": item("d9d9f7") + cbor2.dumps({"workflow_id": "w-1", "workflow_type": CANARY}),
    "bad UTF-8": item("62c328"),
    "lone surrogate": item("63eda080"),
    "lone break": item("ff"),
    "reserved length": item("1c"),
    "truncated": item("a16a"),
    "simple 24": item("f818"),
    "indefinite map": item("bf") + cbor2.dumps("workflow_id") + cbor2.dumps("w-1") + item("ff"),
    "indefinite text": item("7f") + cbor2.dumps(CANARY) + item("ff"),
    "undefined": item("f7"),
    "null": item("f6"),
    "array": cbor2.dumps(["w-1", "Order"]),
    "text": cbor2.dumps(CANARY),
    "JSON": b'{"workflow_id":"w-1","workflow_type":"c4n4ry"}',
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x06c4n4ry\x94.",
    "gzip": bytes.fromhex("1f8b08000000000000ff"),
}


HARMLESS_WHERE_IGNORED = {"undefined", "null", "array", "text"}
"""In a field that nobody reads they do no harm, as anything that a newer version may put there."""


JSON_TABLE = {
    "nothing": b"",
    "100,000 arrays": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "65 levels": b'{"workflow_id":"w-1","workflow_type":"x","extra":' + b"[" * 64 + b"]" * 64 + b"}",
    "many empty objects": b'{"workflow_id":"w-1","workflow_type":"x","extra":[' + b"{}," * 200_000 + b"1]}",
    "a long integer": b'{"workflow_id":"w-1","workflow_type":"x","extra":' + b"9" * 1_000_000 + b"}",
    "an integer above 2^53": b'{"workflow_id":"w-1","workflow_type":"x","extra":9007199254740993}',
    "a duplicate key": b'{"workflow_id":"w-1","workflow_id":"c4n4ry","workflow_type":"x"}',
    "a duplicate key within": b'{"workflow_id":"w-1","workflow_type":"x","args":[{"c4n4ry":1,"c4n4ry":2}]}',
    "a duplicate key by escape": b'{"workflow_id":"w-1","workflow_type":"x","a":1,"\\u0061":2}',
    "1e400": b'{"workflow_id":"w-1","workflow_type":"x","extra":1e400}',
    "NaN": b'{"workflow_id":"w-1","workflow_type":"x","extra":NaN}',
    "Infinity": b'{"workflow_id":"w-1","workflow_type":"x","extra":-Infinity}',
    "a lone surrogate": b'{"workflow_id":"w-1","workflow_type":"x","extra":"\\ud800"}',
    "bad UTF-8": b'{"workflow_id":"w-1","workflow_type":"x","extra":"\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"workflow_id":"w-1","workflow_type":"x"}',
    "UTF-16": '{"workflow_id":"w-1","workflow_type":"x"}'.encode("utf-16"),
    "trailing bytes": b'{"workflow_id":"w-1","workflow_type":"x"}{}',
    "a comment": b'{"workflow_id":"w-1",/* c4n4ry */"workflow_type":"x"}',
    "single quotes": b"{'workflow_id':'c4n4ry'}",
    "CBOR": cbor2.dumps({"workflow_id": "w-1", "workflow_type": "x"}),
    "an array": b'["c4n4ry"]',
    "null": b"null",
}
