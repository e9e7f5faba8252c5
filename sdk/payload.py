"""A payload: a value as bytes with a label that says how to read it. The engine never looks inside."""

from __future__ import annotations

from msgspec import Struct


class Payload(Struct, frozen=True):
    """`encoding` is one of ENCODINGS or a user's own; `data` are the bytes."""

    encoding: str
    data: bytes


JSON_PLAIN = "json/plain"
BINARY_PLAIN = "binary/plain"
"""A value that was bytes."""
