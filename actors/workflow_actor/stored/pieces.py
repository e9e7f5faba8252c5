"""A large state as the same bytes as ever, in pieces: whoever asks for one after the other can do something
else in between. A state never changes, so that there is no hurry."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import cbor2
import msgspec

from dalsegno.actors.workflow_actor.run.chunked_map import ChunkedMap
from dalsegno.actors.workflow_actor.run.log import Log
from dalsegno.actors.workflow_actor.run.state import WorkflowState

PIECE = 16
"""Entries of an array: an input may be large."""

_ARRAY, _MAP = 4, 5
"""CBOR's major types."""


def cbor_pieces(format_: int, state: WorkflowState) -> Iterator[bytes]:
    """Together they are what `formats.CBOR` makes of it at once."""
    yield _head(_ARRAY, 2) + cbor2.dumps(format_)
    yield from _pieces(state)


def _pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, WorkflowState | Log):
        fields = value.__struct_fields__
        yield _head(_ARRAY, len(fields))
        yield from chain.from_iterable(_pieces(getattr(value, name)) for name in fields)
    elif isinstance(value, ChunkedMap):
        yield _head(_MAP, len(value))
        for part in value.chunks():
            yield _dumps(part)[len(_head(_MAP, len(part))) :]
    elif isinstance(value, tuple) and len(value) > PIECE and not isinstance(value[0], tuple):
        yield _head(_ARRAY, len(value))
        for at in range(0, len(value), PIECE):
            some = value[at : at + PIECE]
            yield _dumps(some)[len(_head(_ARRAY, len(some))) :]
    elif isinstance(value, tuple) and value and isinstance(value[0], tuple):  # the log's full chunks
        yield _head(_ARRAY, len(value))
        yield from chain.from_iterable(map(_pieces, value))
    else:
        yield _dumps(value)


def _dumps(value: Any) -> bytes:
    return cbor2.dumps(msgspec.to_builtins(value, builtin_types=(bytes,)))


def _head(major: int, length: int) -> bytes:
    """Of an array or a map of that length."""
    if length < 24:
        return bytes([major << 5 | length])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if length < 1 << 8 * size:
            return bytes([major << 5 | code]) + length.to_bytes(size)
    raise OverflowError(length)
