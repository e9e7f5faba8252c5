"""Logs and Blobs: in pieces of a payload store where there is one, and in the value itself elsewhere.

    {"$log": [[0, 960, 0, 960], [1, 7, 2, 7]], "tail": ["and", "so on"]}     of a piece: its place among those
    {"$blob": 2, "size": 5000}                                               listed, its items, from, to

Whoever writes or reads a value that may hold some puts a shelf up (`shelved`), that of this payload. Without
one a Log is written as a list is, and a Blob as bytes are. So is what lies within the items of a Log: a piece
never refers to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from dalsegno.codecs.blob import Blob
from dalsegno.codecs.branches import Branch, Span, StoredReference
from dalsegno.codecs.codec import Codec, Misfit, at
from dalsegno.codecs.log import Log

LOG = "$log"
TAIL = "tail"
BLOB = "$blob"
SIZE = "size"


class Shelf(Protocol):
    """Where the pieces of one payload are put and found."""

    cuts: bool
    """What is new is put there in pieces: it is the state of a sign."""

    def knows(self, load: object) -> bool:
        """What was read by it lies there."""

    def cut(self, log: Log[Any], spans: Sequence[Span], tail: list[Any]) -> tuple[list[Span], list[Any]]:
        """The tail, as it is written, put there as far as it fills pieces; what is left of it. The same for
        the same log."""

    def put_blob(self, blob: Blob) -> StoredReference | None:
        """None for what is too small for a piece."""

    def listed(self, reference: StoredReference) -> int:
        """Its place among those that the payload refers to."""

    def reference(self, place: Any) -> StoredReference:
        """Raises Misfit."""

    def loading(self, read: Callable[[Any], Any], hint: Any) -> Callable[[Branch], Sequence[Any]]:
        """Where a log of such items is read from."""

    def bytes_of(self, reference: StoredReference) -> bytes:
        """Of a blob."""


_shelf: ContextVar[Shelf | None] = ContextVar("dalsegno_shelf", default=None)


@contextmanager
def shelved(shelf: Shelf | None) -> Iterator[None]:
    token = _shelf.set(shelf)
    try:
        yield
    finally:
        _shelf.reset(token)


class LogCodec(Codec):
    rank = 60

    def __init__(self, hint: Any, item: Codec) -> None:
        super().__init__(hint)
        self._item = item

    def parts(self) -> Iterable[Codec]:
        return (self._item,)

    def suits(self, value: Any) -> bool:
        return type(value) is Log

    def exact(self, value: Any) -> bool:
        return False

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        shelf = _shelf.get()
        with shelved(None):
            spans = value._spans if shelf is not None and self._lies_on(shelf, value) else ()
            items = value._tail if spans else value
            behind = len(value) - len(value._tail) if spans else 0
            tail = [at(f"[{behind + place}]", self._item.write, item) for place, item in enumerate(items)]
        if shelf is None:
            return tail
        if shelf.cuts:
            spans, tail = shelf.cut(value, spans, tail)
        if not spans:
            return tail
        named = [[shelf.listed(of.reference), of.items, start, stop] for of, start, stop in spans]
        return {LOG: named, TAIL: tail}

    def _lies_on(self, shelf: Shelf, log: Log[Any]) -> bool:
        """As items of this kind: others were never written as this one writes them."""
        return shelf.knows(log._load) and getattr(log._load, "hint", None) == self._item.hint

    def coerce(self, value: Any) -> Any:
        if type(value) is Log:
            tail = [at(f"[{place}]", self._item.coerce, item) for place, item in enumerate(value._tail)]
            return Log._of(value._spans, tail, value._load)
        if not isinstance(value, list | tuple):
            raise self.refuse(value)
        return Log(at(f"[{place}]", self._item.coerce, item) for place, item in enumerate(value))

    def read(self, data: Any) -> Any:
        if type(data) is list:
            return Log(self._items(data))
        shelf = _shelf.get()
        if shelf is None or not is_in_pieces(data):
            raise self.refuse(data)
        spans = spans_of(data, shelf)
        return Log._of(spans, self._items(data[TAIL]), shelf.loading(self._item.read, self._item.hint))

    def _items(self, data: list[Any]) -> list[Any]:
        with shelved(None):
            return [at(f"[{place}]", self._item.read, item) for place, item in enumerate(data)]


class BlobCodec(Codec):
    rank = 60

    def __init__(self, inline: Codec) -> None:
        """`inline` is that of bytes."""
        super().__init__(Blob)
        self._inline = inline

    def suits(self, value: Any) -> bool:
        return type(value) is Blob

    def exact(self, value: Any) -> bool:
        return False

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        shelf = _shelf.get()
        if shelf is not None:
            reference = value._reference if shelf.knows(value._bring) else None
            if reference is None and shelf.cuts:
                reference = shelf.put_blob(value)
            if reference is not None:
                return {BLOB: shelf.listed(reference), SIZE: len(value)}
        return self._inline.write(bytes(value))

    def coerce(self, value: Any) -> Any:
        if type(value) is Blob:
            return value
        return Blob(self._inline.coerce(value))

    def read(self, data: Any) -> Any:
        shelf = _shelf.get()
        if shelf is not None and is_stored_blob(data):
            return Blob._of(shelf.reference(data[BLOB]), data[SIZE], shelf.bytes_of)
        return Blob(self._inline.read(data))


def is_in_pieces(data: Any) -> bool:
    return type(data) is dict and data.keys() == {LOG, TAIL} and type(data[LOG]) is type(data[TAIL]) is list


def is_stored_blob(data: Any) -> bool:
    return type(data) is dict and data.keys() == {BLOB, SIZE} and type(data[SIZE]) is int


def spans_of(data: dict[str, Any], shelf: Shelf) -> list[Span]:
    """Raises Misfit."""
    spans = []
    for named in data[LOG]:
        if type(named) is not list or len(named) != 4 or any(type(number) is not int for number in named):
            raise Misfit("A damaged log")
        place, items, start, stop = named
        if not 0 <= start < stop <= items:
            raise Misfit("A damaged log")
        spans.append(Span(Branch(shelf.reference(place), items), start, stop))
    return spans


def may_lie_in_pieces(codec: Codec) -> bool:
    """Whether its values may hold what a shelf is for."""
    return any(isinstance(one, LogCodec | BlobCodec) for one in codec.reachable)
