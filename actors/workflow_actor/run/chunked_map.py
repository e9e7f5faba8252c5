"""A map of many entries that never changes: what comes of a change shares all chunks but one with it.

To copy a `dict` costs what all of its entries cost, and a run may have tens of thousands of things pending. Of
few entries a dict is the faster all the same, so a map of the state is one or the other: who changes it does
so to its `copy()`, and says `kept` at the end.

Entries are in the order of their keys, as they are in the dicts of a state (numbers and effect IDs are given
out in order): what follows from a walk through them must not depend on how many there are. The hash trie of a
library is three times as fast for one change, which is a microsecond, and has no order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, ItemsView, Iterator, Mapping, MutableMapping, ValuesView
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar


class Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=Ordered)
V = TypeVar("V")

CHUNK = 128
"""Entries. A change copies one chunk, and the list of all of them."""

DICT_MAX = 256
DICT_AGAIN = 128
"""With more entries than the first it is in chunks, with fewer than the second a dict again."""


class ChunkedMap(Mapping[K, V]):
    """See the module. `firsts` are the least keys that the chunks may have."""

    __slots__ = ("_chunks", "_firsts", "_size")

    def __init__(self, chunks: list[dict[K, V]], firsts: list[K], size: int) -> None:
        self._chunks = chunks
        self._firsts = firsts
        self._size = size

    @classmethod
    def of(cls, entries: Mapping[K, V]) -> ChunkedMap[K, V]:
        ordered = sorted(entries.items(), key=_key)
        chunks = [dict(ordered[at : at + CHUNK]) for at in range(0, len(ordered), CHUNK)]
        return cls(chunks, [next(iter(chunk)) for chunk in chunks], len(ordered))

    def __getitem__(self, key: K) -> V:
        place = bisect_right(self._firsts, key) - 1
        if place < 0:
            raise KeyError(key)
        return self._chunks[place][key]

    def get(self, key: K, default: Any = None) -> Any:
        place = bisect_right(self._firsts, key) - 1
        return default if place < 0 else self._chunks[place].get(key, default)

    def __contains__(self, key: object) -> bool:
        return self.get(key, _ABSENT) is not _ABSENT  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        for chunk in self._chunks:
            yield from chunk

    def values(self) -> ValuesView[V]:
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        return _Items(self)

    def chunks(self) -> Iterator[Mapping[K, V]]:
        """Its parts, in order."""
        return iter(self._chunks)

    def copy(self) -> ChunkedMapEdit[K, V]:
        """One to be changed, as a dict's is, which costs little also where there is much."""
        return ChunkedMapEdit(self._chunks.copy(), self._firsts, self._size)


class _Values(ValuesView[V]):
    """Walked through without a look for each key."""

    _mapping: ChunkedMap[Any, V]

    def __iter__(self) -> Iterator[V]:
        for chunk in self._mapping.chunks():
            yield from chunk.values()


class _Items(ItemsView[K, V]):
    """As _Values."""

    _mapping: ChunkedMap[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        for chunk in self._mapping.chunks():
            yield from chunk.items()


class ChunkedMapEdit(MutableMapping[K, V]):
    """A ChunkedMap while it is changed: each chunk is copied once, when it first changes."""

    __slots__ = ("_chunks", "_firsts", "_has_empty", "_own", "_size")

    def __init__(self, chunks: list[dict[K, V]], firsts: list[K], size: int) -> None:
        self._chunks = chunks
        self._firsts = firsts
        self._size = size
        self._has_empty = False
        self._own: set[int] = set()
        """The chunks that nobody else has, by `id`."""

    def done(self) -> ChunkedMap[K, V]:
        """What came of it; it is not changed any more."""
        if self._has_empty:
            kept = [(first, chunk) for first, chunk in zip(self._firsts, self._chunks, strict=True) if chunk]
            self._firsts = [first for first, _ in kept]
            self._chunks = [chunk for _, chunk in kept]
        return ChunkedMap(self._chunks, self._firsts, self._size)

    def __getitem__(self, key: K) -> V:
        place = bisect_right(self._firsts, key) - 1
        if place < 0:
            raise KeyError(key)
        return self._chunks[place][key]

    def __setitem__(self, key: K, value: V) -> None:
        place = bisect_right(self._firsts, key) - 1
        if place < 0:
            if not self._chunks:
                self._begin_chunk(0, key, value)
                return
            place, self._firsts = 0, [key, *self._firsts[1:]]
        chunk = self._chunks[place]
        if key in chunk:
            self._owned(place)[key] = value
            return
        is_last = not chunk or next(reversed(chunk)) < key
        if len(chunk) >= CHUNK and is_last:
            self._begin_chunk(place + 1, key, value)
            return
        chunk = self._owned(place)
        chunk[key] = value
        self._size += 1
        if not is_last:  # not as numbers are given out, but an order is an order
            self._put_in_order(place, chunk)

    def __delitem__(self, key: K) -> None:
        place = bisect_right(self._firsts, key) - 1
        if place < 0:
            raise KeyError(key)
        if key not in self._chunks[place]:
            raise KeyError(key)
        chunk = self._owned(place)
        del chunk[key]
        self._size -= 1
        self._has_empty |= not chunk

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        for chunk in self._chunks:
            yield from chunk

    def _owned(self, place: int) -> dict[K, V]:
        chunk = self._chunks[place]
        if id(chunk) not in self._own:
            chunk = self._chunks[place] = chunk.copy()
            self._own.add(id(chunk))
        return chunk

    def _put_in_order(self, place: int, chunk: dict[K, V]) -> None:
        """In two, where it has become large."""
        ordered = sorted(chunk.items(), key=_key)
        half = CHUNK if len(ordered) >= 2 * CHUNK else len(ordered)
        parts = [dict(part) for part in (ordered[:half], ordered[half:]) if part]
        firsts = [self._firsts[place], *(next(iter(part)) for part in parts[1:])]
        self._own.discard(id(chunk))
        self._own.update(map(id, parts))
        self._chunks[place : place + 1] = parts
        self._firsts = [*self._firsts[:place], *firsts, *self._firsts[place + 1 :]]

    def _begin_chunk(self, place: int, key: K, value: V) -> None:
        chunk = {key: value}
        self._own.add(id(chunk))
        self._chunks.insert(place, chunk)
        self._firsts = [*self._firsts[:place], key, *self._firsts[place:]]
        self._size += 1


if TYPE_CHECKING:
    Entries = dict[K, V] | ChunkedMap[K, V]
else:
    Entries = Mapping  # what is read again are dicts, and msgspec knows no union with a type of ours
EntriesEdit = dict[K, V] | ChunkedMapEdit[K, V]


def put(edit: EntriesEdit[K, V], key: K, value: V) -> EntriesEdit[K, V]:
    """For keys that come in any order: that of the entries stays. Returns what is to be gone on with."""
    is_last = type(edit) is not dict or not edit or key in edit or next(reversed(edit)) < key
    edit[key] = value
    return edit if is_last else dict(sorted(edit.items(), key=_key))


def kept(edit: EntriesEdit[K, V]) -> Entries[K, V]:
    """What came of the changes to a copy: in chunks, if it is large."""
    if type(edit) is dict:
        return edit if len(edit) <= DICT_MAX else ChunkedMap.of(edit)
    assert isinstance(edit, ChunkedMapEdit)
    return edit.done() if len(edit) >= DICT_AGAIN else dict(edit)


_key: Callable[[tuple[Any, Any]], Any] = itemgetter(0)

_ABSENT = object()
