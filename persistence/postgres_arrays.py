"""Columns of a batch as PostgreSQL's binary arrays.

psycopg dumps a list one element at a time in Python, 0.24 µs each; a whole column packed at once takes 0.04 µs
an integer and 0.1 µs a text, and a round has about twenty columns.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.postgres import types
from psycopg.pq import Format

ENCODING_ERRORS = (UnicodeEncodeError, struct.error)
"""What the functions raise for a value that the column cannot hold."""

_HEADER = struct.Struct("!iiIii").pack  # dimensions, has NULLs, element type, length, lower bound
_LENGTH = struct.Struct("!i").pack
_NULL = _LENGTH(-1)
_ENTRY = struct.Struct("!iq").pack
_DOUBLE_ENTRY = struct.Struct("!id").pack
_TEXT, _BYTEA, _BIGINT, _DOUBLE = (types[name].oid for name in ("text", "bytea", "int8", "float8"))


class TextArray(bytes):
    """A text[] as it goes over the wire."""


class BytesArray(bytes):
    """A bytea[]."""


class BigintArray(bytes):
    """A bigint[]."""


class DoubleArray(bytes):
    """A float8[]."""


def register(connection: psycopg.Connection[Any]) -> None:
    """Let the connection take these classes as parameters."""
    for kind, element in (
        (TextArray, "text"),
        (BytesArray, "bytea"),
        (BigintArray, "int8"),
        (DoubleArray, "float8"),
    ):
        connection.adapters.register_dumper(kind, _dumper(types[element].array_oid))


def text_array(values: Sequence[str | None]) -> TextArray:
    return TextArray(_pack(_TEXT, [None if value is None else value.encode() for value in values]))


def bytes_array(values: Sequence[bytes | None]) -> BytesArray:
    return BytesArray(_pack(_BYTEA, values))


def double_array(values: Sequence[float | None]) -> DoubleArray:
    body = b"".join([_NULL if value is None else _DOUBLE_ENTRY(8, value) for value in values])
    return DoubleArray(_HEADER(1, None in values, _DOUBLE, len(values), 1) + body)


def bigint_array(values: Sequence[int | None]) -> BigintArray:
    count = len(values)
    if None in values:
        body = b"".join([_NULL if value is None else _ENTRY(8, value) for value in values])
        return BigintArray(_HEADER(1, True, _BIGINT, count, 1) + body)
    interleaved: list[Any] = [8] * (2 * count)
    interleaved[1::2] = values
    return BigintArray(_HEADER(1, False, _BIGINT, count, 1) + struct.pack("!" + "iq" * count, *interleaved))


def _pack(element: int, values: Sequence[bytes | None]) -> bytes:
    body = b"".join([_NULL if value is None else _LENGTH(len(value)) + value for value in values])
    return _HEADER(1, None in values, element, len(values), 1) + body


def _dumper(array: int) -> type[Dumper]:
    class Packed(Dumper):
        oid = array
        format = Format.BINARY

        def dump(self, obj: bytes) -> bytes:
            return obj

    return Packed
