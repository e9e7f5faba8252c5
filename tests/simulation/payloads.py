"""What payloads say to who sees all: whatever they are sealed with, and wherever their bytes lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dalsegno.payload import Payload
from dalsegno.payload_codec import PayloadCodec, PayloadContext, fingerprint_of
from dalsegno.payload_store import STORED, StoredReference, reference_of
from dalsegno.pieces import PIECES, opened
from dalsegno.shelf import PieceShelf
from tests import default_converter
from tests.simulation.broker_model import CULPRIT
from tests.simulation.store_model import REFUSED

FORGED = "the result of a forged token"
IN_THE_CLEAR = (CULPRIT, REFUSED, FORGED.encode())
"""By these broker, database and invariants know what they are to refuse."""

WHOLE = frozenset(("details", "heartbeat_details", "memo", "headers", "update_headers"))
"""Fields of what goes into no store."""


class SealedNotes:
    """What was sealed by whoever it was, by the bytes that came of it; and the pieces in the payload store."""

    def __init__(self) -> None:
        self.inner: dict[bytes, Payload] = {}
        self.pieces: dict[str, bytes] = {}

    def clear(self) -> None:
        self.inner.clear()
        self.pieces.clear()


NOTES = SealedNotes()
"""Of the simulation that runs."""


class NotedCodec:
    """A codec of a process, what it seals being noted for who sees all."""

    def __init__(self, codec: PayloadCodec) -> None:
        self._codec = codec

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self._codec)

    def encode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        if any(mark in payload.data for mark in IN_THE_CLEAR):
            return payload
        sealed = self._codec.encode(payload, context)
        if sealed is not payload:
            NOTES.inner[sealed.data] = payload
        return sealed

    def decode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        return self._codec.decode(payload, context)


class NotedStoreroom:
    """Implements shelf.Storeroom, for who reads all and puts nothing there."""

    def bring(self, references: Sequence[StoredReference]) -> dict[str, bytes]:
        return NOTES.pieces

    def piece(self, reference: StoredReference, data: bytes) -> Any:
        return default_converter.from_payload(NOTES.inner.get(data, Payload(reference.encoding, data)))

    def put_piece(self, value: Any) -> StoredReference:
        raise AssertionError("who sees all puts nothing")

    def put_node(self, node: bytes, encoding: str) -> StoredReference:
        raise AssertionError("who sees all puts nothing")

    def same_as(self, other: object) -> bool:
        return False


def fetched(payload: Payload) -> Payload:
    if payload.encoding != STORED:
        return payload
    reference = reference_of(payload)
    return Payload(reference.encoding, NOTES.pieces[reference.key])


def from_payload(payload: Payload) -> Any:
    if payload.encoding == PIECES:
        inner, references = opened(payload)
        return PieceShelf(NotedStoreroom(), references).whole(from_payload(inner))
    payload = fetched(payload)
    return default_converter.from_payload(NOTES.inner.get(payload.data, payload))


def payloads_in(value: Any) -> Iterator[Payload]:
    if isinstance(value, Payload):
        yield value
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from payloads_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from payloads_in(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from payloads_in(part)


def with_payloads(value: Any, made_of: Callable[[Payload, bool], Payload], *, whole: bool = False) -> Any:
    """The same with others in it; `made_of` is told whether one must stay whole."""
    if isinstance(value, Payload):
        return made_of(value, whole)
    if isinstance(value, Struct):
        changed = {}
        for name in value.__struct_fields__:
            before = getattr(value, name)
            if before is not None and type(before) not in (str, int, bool, bytes):
                after = with_payloads(before, made_of, whole=whole or name in WHOLE)
                if after is not before:
                    changed[name] = after
        return replace(value, **changed) if changed else value
    if isinstance(value, tuple | list) and value:
        parts = [with_payloads(part, made_of, whole=whole) for part in value]
        same = all(new is old for new, old in zip(parts, value, strict=True))
        return value if same else type(value)(parts)
    if isinstance(value, Mapping) and value:
        return {key: with_payloads(part, made_of, whole=whole) for key, part in value.items()}
    return value
