"""Where payloads lie that are too large to travel: a store that is given bytes by the digest of them.

    data_converter = DataConverter(payload_store=FolderPayloadStore("/srv/payloads"), threshold=64 * 1024)

What is larger than the threshold, behind the codec, is put there, and a *reference* travels and is stored in
its place: the digest, which is the key, the size, and the encoding. So the key is known before anything is put,
user code amid a workflow need not wait for it, and who puts the same twice has put it once.

*Never a reference to what is not there.* Whoever has made one puts what it refers to before the reference
leaves or is committed. Who dies in between leaves a piece that nobody refers to; what nobody refers to any
more, since it went with its workflow's retention, is the same: `dalsegno payloads sweep` finds and deletes
both. To put what is there already makes it new, so that it is not swept just then.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from msgspec import Struct

from dalsegno import given
from dalsegno.codecs.branches import NODE
from dalsegno.codecs.branches import StoredReference as StoredReference
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload
from dalsegno.pieces import MARK, PIECES, opened

STORED = "stored/sha256"
"""The encoding of a reference."""
THRESHOLD_BYTES = 32 * 1024
PIECE_BYTES_MAX = 256 * 1024 * 1024
_DIGEST = rb"[0-9a-f]{64}"
_REFERENCE = re.compile(MARK + rb"(%s):(\d{1,12}):([\x20-\x7e]{1,255})" % _DIGEST)
_KEYS = re.compile(MARK + rb"(%s):" % _DIGEST)
_NODES = re.compile(MARK + rb"(%s):(\d{1,12}):(%s\d{1,3})" % (_DIGEST, NODE.encode()))
_MARK_IN_JSON = b64encode(MARK)
_IN_JSON = re.compile(re.escape(_MARK_IN_JSON) + rb"([A-Za-z0-9+/]{88})")
"""The mark is of a length that base64 ends with; behind it come the key, and two characters more."""


class PayloadStore(Protocol):
    """Called by several threads at once, and never by one that an event loop runs on: it may take its time, but
    is to give up after some seconds. What it raises means that it cannot be reached now."""

    def put(self, key: str, data: bytes, /) -> None:
        """Durably, before it returns; also where there is such a key, whose age begins anew. Keys are
        of 64 hexadecimal digits."""

    def get(self, key: str, /) -> bytes | None:
        """None if there is no such key."""

    def delete(self, keys: Sequence[str], before: float, /) -> None:
        """Those of them that were last put before that time (as of `time.time()`), and are still there."""

    def keys(self, before: float, /) -> Iterator[str]:
        """Those that were last put before that time."""


def referring_to(payload: Payload) -> tuple[str, Payload]:
    """The key of its bytes, and what travels in its place. Raises PayloadError."""
    size = len(payload.data)
    if size > PIECE_BYTES_MAX:
        raise PayloadError(
            f"A payload has {size:,} bytes; a payload store is given {PIECE_BYTES_MAX:,} at most."
        )
    if not re.fullmatch(r"[\x20-\x7e]{1,255}", payload.encoding):
        raise PayloadError(f"A payload of the encoding {payload.encoding[:100]!r} cannot be put into a store.")
    key = key_of(payload.data)
    return key, Payload(STORED, b"%b%b:%d:%b" % (MARK, key.encode(), size, payload.encoding.encode()))


def key_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def reference_of(payload: Payload) -> StoredReference:
    """What a payload of that encoding refers to. Raises PayloadError."""
    found = _REFERENCE.fullmatch(payload.data)
    if found is None:
        raise PayloadError("A reference to a stored payload is damaged.")
    key, size, encoding = found.groups()
    return StoredReference(key.decode(), int(size), encoding.decode())


def references_in(*values: Any) -> dict[str, StoredReference]:
    """Those of all payloads in them, at any depth, by their keys; what is damaged is for who reads it."""
    found: dict[str, StoredReference] = {}
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, Payload):
            if value.encoding == STORED and _REFERENCE.fullmatch(value.data):
                reference = reference_of(value)
                found[reference.key] = reference
            elif value.encoding == PIECES:
                with suppress(PayloadError):
                    inner, references = opened(value)
                    found |= {reference.key: reference for reference in references}
                    waiting.append(inner)
        elif isinstance(value, Struct):
            waiting.extend(getattr(value, name) for name in value.__struct_fields__)
        elif isinstance(value, tuple | list):
            waiting.extend(value)
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
    return found


def keys_in(stored: bytes) -> set[str]:
    """Of the references in bytes that a database or a message holds, also of one in JSON."""
    found = {key.decode() for key in _KEYS.findall(stored)}
    if _MARK_IN_JSON in stored:
        for begun in _IN_JSON.findall(stored.replace(rb"\/", b"/")):
            found |= {key.decode() for key in _KEYS.findall(MARK + b64decode(begun))}
    return found


def nodes_in(stored: bytes) -> list[StoredReference]:
    """Those to nodes, on which others hang. (None stands in JSON: what does is whole.)"""
    return [
        StoredReference(key.decode(), int(size), encoding.decode())
        for key, size, encoding in _NODES.findall(stored)
    ]


def required_store(value: Any) -> PayloadStore:
    """Raises TypeError for what is none, with what was probably meant."""
    if isinstance(value, type):
        raise TypeError(
            f"payload_store must be a PayloadStore, not the class {value.__name__}: give {value.__name__}(...)."
        )
    for method in ("put", "get", "delete", "keys"):
        if not callable(getattr(value, method, None)):
            raise TypeError(
                "payload_store must be a PayloadStore, with put, get, delete and keys, not a value of the type "
                f"{type(value).__name__}."
            )
    store: PayloadStore = value
    return store


def required_threshold(value: Any) -> int:
    """Raises TypeError and ValueError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise given.wrong_type("threshold", value, "a number of bytes")
    if value < 1024:
        raise ValueError(f"threshold must be a number of bytes, 1024 at least, not {value}.")
    return value
