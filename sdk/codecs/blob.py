"""Bytes in the state of a sign that lie in the payload store, and are put there once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.codecs.branches import StoredReference

Bring = Callable[[StoredReference], bytes]


class Blob:
    """Bytes that do not change: `bytes(blob)`, `len(blob)`. In signed state, and with a payload store, they are
    put there at the first sign, and every later one refers to them; an activity is given them by reference.
    Without a store they are stored as bytes are. Equal to one with the same bytes."""

    __slots__ = ("_bring", "_data", "_reference", "_size")

    def __init__(self, data: bytes | bytearray | memoryview = b"") -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"A Blob is made of bytes, not of a value of the type {type(data).__name__}.")
        self._data: bytes | None = bytes(data)
        self._size = len(self._data)
        self._reference: StoredReference | None = None
        self._bring: Bring | None = None

    @classmethod
    def _of(cls, reference: StoredReference, size: int, bring: Bring) -> Blob:
        blob = cls()
        blob._data, blob._size, blob._reference, blob._bring = None, size, reference, bring
        return blob

    def __bytes__(self) -> bytes:
        if self._data is None:
            assert self._bring is not None and self._reference is not None
            return self._bring(self._reference)
        return self._data

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Blob):
            return NotImplemented
        if self._reference is not None and self._reference == other._reference:
            return True
        return self._size == other._size and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))

    def __deepcopy__(self, memo: object) -> Blob:
        return self

    def __copy__(self) -> Blob:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Blob, (bytes(self),)

    def __repr__(self) -> str:
        return f"<Blob of {self._size:,} bytes>"
