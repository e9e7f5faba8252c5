"""The pieces of one payload, as its Logs and Blobs are written there and read from there.

A piece is made only by who sets a sign, of what is new, and of some kilobytes: what is less stays in the value
until there is more of it. So a piece is never made twice, nor one for a few bytes. Everybody else refers to the
pieces that there are, if they are of the same workflow: those of another one are sealed for it.

What a payload refers to is at hand once it has been read, as bytes; a Log reads the items when they are asked
for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from dalsegno.codecs import codec_of
from dalsegno.codecs.blob import Blob
from dalsegno.codecs.branches import NODE, Branch, Span, StoredReference
from dalsegno.codecs.codec import Misfit, at
from dalsegno.codecs.log import Log, gathered
from dalsegno.codecs.piecewise import (
    BLOB,
    TAIL,
    is_in_pieces,
    is_stored_blob,
    may_lie_in_pieces,
    shelved,
    spans_of,
)
from dalsegno.errors import PayloadError
from dalsegno.pieces import branches_of, node_of

PIECE_BYTES = 4096
"""A piece of a log is full with so much; an item that is larger has one for itself."""
BLOB_BYTES = 1024
"""Less is no piece."""


class Storeroom(Protocol):
    """Of the pieces of a workflow: they are sealed as its payloads are."""

    def put_piece(self, value: Any) -> StoredReference:
        """A value that JSON has, or bytes. Raises PayloadError."""

    def put_node(self, node: bytes, encoding: str) -> StoredReference: ...

    def bring(self, references: Sequence[StoredReference]) -> dict[str, bytes]:
        """By their keys, as they lie there, with all that hangs on them. Raises PayloadStoreError,
        PayloadLostError."""

    def piece(self, reference: StoredReference, data: bytes) -> Any:
        """What was put. Raises PayloadError."""

    def same_as(self, other: object) -> bool: ...


class PieceShelf:
    """Implements codecs.piecewise.Shelf."""

    def __init__(
        self, storeroom: Storeroom, references: Sequence[StoredReference] = (), *, cuts: bool = False
    ) -> None:
        """`references`: what the payload that is read refers to; it is brought at once."""
        self.cuts = cuts
        self._storeroom = storeroom
        self.references = list(references)
        self._places = {reference: place for place, reference in enumerate(references)}
        self._cut: dict[int, tuple[object, list[Span], list[Any]]] = {}
        """By the logs' identities, with the log: a union tries more than once how it is written."""
        self._blobs: dict[int, tuple[Blob, StoredReference]] = {}
        self._data = storeroom.bring(references) if references else {}

    # --- writing ---------------------------------------------------------------------------------------------

    def knows(self, load: object) -> bool:
        shelf = load.shelf if isinstance(load, Loading) else getattr(load, "__self__", None)
        return isinstance(shelf, PieceShelf) and self._storeroom.same_as(shelf._storeroom)

    def listed(self, reference: StoredReference) -> int:
        place = self._places.setdefault(reference, len(self.references))
        if place == len(self.references):
            self.references.append(reference)
        return place

    def cut(self, log: Log[Any], spans: Sequence[Span], tail: list[Any]) -> tuple[list[Span], list[Any]]:
        known = self._cut.get(id(log))
        if known is None:
            full, left = filled(tail)
            new = [Span(Branch(self._storeroom.put_piece(piece), len(piece)), 0, len(piece)) for piece in full]
            known = self._cut[id(log)] = log, gathered([*spans, *new], self._put_node), left
        return known[1], known[2]

    def _put_node(self, branches: Sequence[Branch]) -> Branch:
        encoding = f"{NODE}{branches[0].height + 1}"
        reference = self._storeroom.put_node(node_of(branches), encoding)
        return Branch(reference, sum(branch.items for branch in branches))

    def put_blob(self, blob: Blob) -> StoredReference | None:
        if len(blob) < BLOB_BYTES:
            return None
        known = self._blobs.get(id(blob))
        if known is None:
            known = self._blobs[id(blob)] = blob, self._storeroom.put_piece(bytes(blob))
        return known[1]

    # --- reading ---------------------------------------------------------------------------------------------

    def reference(self, place: Any) -> StoredReference:
        if type(place) is not int or not 0 <= place < len(self.references):
            raise Misfit("A reference to a piece that is not listed")
        return self.references[place]

    def loading(self, read: Callable[[Any], Any], hint: Any) -> Loading:
        return Loading(self, read, hint)

    def bytes_of(self, reference: StoredReference) -> bytes:
        found = self._storeroom.piece(reference, self.data(reference))
        if not isinstance(found, bytes):
            raise PayloadError("A piece of the payload store is not what a Blob refers to.")
        return found

    def data(self, reference: StoredReference) -> bytes:
        data = self._data.get(reference.key)
        return self._storeroom.bring([reference])[reference.key] if data is None else data

    def items(self, branch: Branch) -> list[Any]:
        """Of a piece, as JSON has them."""
        found = self._storeroom.piece(branch.reference, self.data(branch.reference))
        if type(found) is not list or len(found) != branch.items:
            raise PayloadError("A piece of the payload store is not what a Log refers to.")
        return found

    def branches(self, branch: Branch) -> Sequence[Branch]:
        found = branches_of(self.data(branch.reference))
        if sum(below.items for below in found) != branch.items:
            raise PayloadError("A node of the payload store is not what a Log refers to.")
        return found

    def whole(self, value: Any) -> Any:
        """With all that lies in pieces in the value itself, for who does not know what is read. Raises Misfit,
        PayloadError."""
        if is_in_pieces(value):
            raw: Log[Any] = Log._of(spans_of(value, self), value[TAIL], self.loading(_as_it_is, None))
            return list(raw)
        if is_stored_blob(value):
            return msgspec.to_builtins(self.bytes_of(self.reference(value[BLOB])))
        if type(value) is dict:
            return {key: self.whole(item) for key, item in value.items()}
        if type(value) is list:
            return [self.whole(item) for item in value]
        return value


class Loading:
    """How a log with such items reads what lies on a shelf."""

    def __init__(self, shelf: PieceShelf, read: Callable[[Any], Any], hint: Any) -> None:
        self.shelf = shelf
        self.hint = hint
        self._read = read

    def __call__(self, branch: Branch) -> Sequence[Any]:
        if branch.height:
            return self.shelf.branches(branch)
        try:
            with shelved(None):
                return [
                    at(f"[{place}]", self._read, item) for place, item in enumerate(self.shelf.items(branch))
                ]
        except Misfit as misfit:
            raise PayloadError(f"An item of a log does not fit its annotation: {misfit}.") from None


@lru_cache(maxsize=4096)
def _may_hold(hint: Any) -> bool:
    return may_lie_in_pieces(codec_of(hint))


def may_hold_pieces(hint: Any) -> bool:
    """Whether values so annotated may have Logs or Blobs in them."""
    try:
        return _may_hold(hint)
    except Exception:  # noqa: BLE001 - annotations run code of the user's; what is wrong is told where it is used
        return False


def filled(items: Sequence[Any]) -> tuple[list[list[Any]], list[Any]]:
    """The pieces that they fill, one after the other, and what is left."""
    full: list[list[Any]] = []
    piece: list[Any] = []
    size = 0
    for item in items:
        piece.append(item)
        size += len(msgspec.json.encode(item)) + 1
        if size >= PIECE_BYTES:
            full.append(piece)
            piece, size = [], 0
    return full, piece


def _as_it_is(item: Any) -> Any:
    return item
