"""CBOR as the protocol allows it: one item, definite lengths, no tags, text or byte keys, each key once.

cbor2 by itself accepts more than is good for a host: bytes after the item, shared references (a few hundred
bytes that grow to gigabytes when they are printed), regular expressions. docs/protocol.md lists the limits.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, NoReturn

from cbor2 import CBORDecodeEOF, CBORDecodeError, CBORDecoder, dumps

from dalsegno.broker.protocol.limits import MAX_DEPTH, MAX_ITEMS
from dalsegno.errors import InvalidMessageError

__all__ = ["dumps", "loads"]


def loads(body: bytes) -> Any:
    """The item that `body` is. Raises InvalidMessageError, which never quotes the body."""
    if len(body) > MAX_ITEMS:  # n bytes hold at most n items
        _refuse_too_many_items(body)
    stream = BytesIO(body)
    try:
        decoder = _idle.pop()
        decoder.fp = stream
    except IndexError:
        decoder = _new_decoder(stream)
    try:
        item = decoder.decode()
    except CBORDecodeError as error:
        raise InvalidMessageError(f"the body is not acceptable CBOR: {_reason(error)}") from None
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        # cbor2 is meant to wrap these; a body from outside must not show us where it does not.
        raise InvalidMessageError(f"the body is not acceptable CBOR ({type(error).__name__})") from None
    if stream.tell() != len(body):
        raise InvalidMessageError("the body goes on after its CBOR item")
    _idle.append(decoder)  # one that has met anything odd is not used again
    return item


def _new_decoder(stream: BytesIO) -> CBORDecoder:
    return CBORDecoder(
        stream,
        max_depth=MAX_DEPTH,
        allow_duplicate_keys=False,
        allow_indefinite=False,
        strict_hashable_types=True,
        semantic_decoders=_REFUSE_ALL_TAGS,
    )


_idle: list[CBORDecoder] = []
"""Decoders between two messages: to make one takes longer than to read a message. Each thread takes its own."""


class _EveryTag(dict[int, Any]):
    """Looked up for each tag, known to cbor2 or not; a plain dict would let through what it does not list."""

    def __missing__(self, tag: int) -> Any:
        return _refuse_tag


def _refuse_tag(decoder: Any, immutable: bool) -> NoReturn:
    raise ValueError("tags are not part of the protocol")


_REFUSE_ALL_TAGS = _EveryTag()


def _reason(error: CBORDecodeError) -> str:
    if isinstance(error, CBORDecodeEOF):
        return "it ends too early"
    text = str(error)
    if "Duplicate map key" in text:
        return "a map has a key twice"
    if "semantic tag" in text:
        return "it has a tag"
    # What else cbor2 says names its rules; a quotation mark would show that it quotes the body.
    return text if "'" not in text and '"' not in text else "an item is malformed"


def _refuse_too_many_items(body: bytes) -> None:
    """Count heads without building anything: a million empty maps would be 64 MB."""
    position = items = 0
    end = len(body)
    while position < end:
        items += 1
        if items > MAX_ITEMS:
            raise InvalidMessageError(f"the body has more than {MAX_ITEMS} items")
        major, argument = divmod(body[position], 32)
        position += 1
        if 24 <= argument <= 27:
            size = 1 << (argument - 24)
            argument = int.from_bytes(body[position : position + size], "big")
            position += size
        if major in (2, 3):  # bytes and text follow; what is malformed is the decoder's affair
            position += argument
