"""The layout since format 2: MessagePack, written from the structs themselves and read into them, with nothing
in between. That is what makes it cheap; for the bytes it is an array of the format and the body, as in CBOR."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from dalsegno.actors.workflow_actor.interface.steps import Steps
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.formats import Change, Kind, UnreadableError, format_of, plain
from dalsegno.actors.workflow_actor.stored.pieces import Script, pieces
from dalsegno.actors.workflow_actor.stored.splitting import splitting
from dalsegno.payload import mismatch


class MessagePack:
    def dumps(self, kind: Kind, format_: int, value: Any) -> bytes:
        return _encode((format_, value))

    def body(self, kind: Kind, blob: bytes) -> Any:
        return _decoded(blob, Any)

    def load(self, kind: Kind, blob: bytes, type_: Any) -> Any:
        return _decoded(blob, type_)

    def loading(self, kind: Kind, blob: bytes, type_: Any) -> Steps[Any]:
        head = _head(0x90, 0xDC, 2) + _encode(format_of(kind, blob))
        try:
            value = yield from splitting(memoryview(blob)[len(head) :], type_)
        except (msgspec.MsgspecError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError):
            return _decoded(blob, type_)  # which says what is wrong with it, if anything is
        return value

    def pieces(self, format_: int, state: WorkflowState, lower: Mapping[str, Change]) -> Iterator[bytes]:
        yield from pieces(SCRIPT, format_, state, lower)


def _decoded(blob: bytes, type_: Any) -> Any:
    try:
        return _decoder_of(type_).decode(blob)[1]
    except msgspec.ValidationError as error:
        raise UnreadableError(mismatch(error)) from None  # its own text quotes what was stored
    except (msgspec.DecodeError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise UnreadableError(f"it is not MessagePack: {error}") from None


@lru_cache
def _decoder_of(type_: Any) -> msgspec.msgpack.Decoder[tuple[int, Any]]:
    return msgspec.msgpack.Decoder(tuple[int, type_])


def _head(small: int, wide: int, length: int) -> bytes:
    """`small` is the head of an empty one; `wide` is the first byte where the length takes two bytes, and the
    next one where it takes four."""
    if length < 16:
        return bytes([small | length])
    if length < 1 << 16:
        return bytes([wide]) + length.to_bytes(2)
    return bytes([wide + 1]) + length.to_bytes(4)


_encode = msgspec.msgpack.Encoder(enc_hook=plain).encode

SCRIPT = Script(
    dumps=_encode,
    array=lambda length: _head(0x90, 0xDC, length),
    map=lambda length: _head(0x80, 0xDE, length),
)
