"""A payload that refers to pieces in a payload store, and the nodes that many pieces hang on.

The *envelope* of such a payload lists in the clear what the value within it refers to, beside the value, which
may be encrypted, or a reference to the store itself: whoever fetches, or sweeps the store, need not read it. A
*node* is a piece that says which pieces follow one another, so that of however many the value names few.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from dalsegno.codecs.branches import NODE, Branch, StoredReference
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload

PIECES = "pieces/1"
"""The encoding of an envelope."""
MARK = b"dalsegno-stored-payload:"
"""Stands in front of a key, so that references are found in whatever bytes they are part of."""
_DIGEST_BYTES = 32


class _Node(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    encodings: tuple[str, ...]
    digests: bytes
    sizes: tuple[int, ...]
    counts: tuple[int, ...]
    kinds: bytes
    """For each its place among the encodings."""


_WRITE, _READ = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Node)


def node_of(branches: Sequence[Branch]) -> bytes:
    """Some 40 bytes for each of them; the same for the same."""
    encodings = sorted({branch.reference.encoding for branch in branches})
    return _WRITE.encode(
        _Node(
            tuple(encodings),
            b"".join(bytes.fromhex(branch.reference.key) for branch in branches),
            tuple(branch.reference.size for branch in branches),
            tuple(branch.items for branch in branches),
            bytes(encodings.index(branch.reference.encoding) for branch in branches),
        )
    )


@lru_cache(maxsize=1024)
def branches_of(node: bytes) -> tuple[Branch, ...]:
    """Raises PayloadError. (Remembered: whoever is given a log goes through its nodes.)"""
    try:
        read = _READ.decode(node)
        keys = [
            read.digests[start : start + _DIGEST_BYTES].hex()
            for start in range(0, len(read.digests), _DIGEST_BYTES)
        ]
        parts = zip(keys, read.sizes, read.counts, read.kinds, strict=True)
        return tuple(
            Branch(_sound(StoredReference(key, size, read.encodings[kind])), count)
            for key, size, count, kind in parts
        )
    except (msgspec.DecodeError, ValueError, IndexError):
        raise PayloadError("A node of stored pieces is damaged.") from None


def _sound(reference: StoredReference) -> StoredReference:
    """Raises ValueError."""
    if reference.is_node and not re.fullmatch(r"[1-9]\d?", reference.encoding.removeprefix(NODE)):
        raise ValueError
    return reference


def enveloped(inner: Payload, references: Sequence[StoredReference]) -> Payload:
    """Each line begins at a multiple of three bytes, so that its mark is found in base64, too."""
    lines: list[bytes] = []
    for key, size, encoding in references:
        line = b"%b%b:%d:%b\n" % (MARK, key.encode(), size, encoding.encode())
        lines.append(line + b"\n" * (-len(line) % 3))
    return Payload(PIECES, b"".join([*lines, b"\0", inner.encoding.encode(), b"\0", inner.data]))


def opened(payload: Payload) -> tuple[Payload, list[StoredReference]]:
    """The value, and what it refers to, in order. Raises PayloadError."""
    try:
        head, encoding, data = payload.data.split(b"\0", 2)
        references = []
        for line in filter(None, head.split(b"\n")):
            mark, key, size, of = line.split(b":", 3)
            if mark + b":" != MARK or len(bytes.fromhex(key.decode())) != _DIGEST_BYTES:
                raise ValueError
            references.append(_sound(StoredReference(key.decode(), int(size), of.decode())))
        return Payload(encoding.decode(), data), references
    except ValueError:
        raise PayloadError("A payload that refers to stored pieces is damaged.") from None
