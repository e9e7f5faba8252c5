"""A list that only grows, and is kept by what is new: for the state of a sign.

    @dataclass
    class Talk:
        messages: Log[Message]

In signed state, and with a payload store, what was appended since the last sign is put there, in pieces of some
kilobytes, and the state refers to it. So a sign costs what is new, and an activity that is given the log, or a
slice of it, gets it by reference. Without a store it is stored as a list is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, Self, TypeVar, cast, overload

from dalsegno.codecs.branches import FAN_OUT, Branch, Span

T = TypeVar("T")


Load = Callable[[Branch], Sequence[Any]]
"""The branches under a node, or the items of a piece."""


class Log(Sequence[T], Generic[T]):
    """Grows by `append` and `extend`, and changes in no other way. A slice of it is a Log, too.

    Equal to one with the same items in the same order. What was stored is read when it is asked for: in
    workflow code it was fetched before."""

    __slots__ = ("_length", "_load", "_read", "_spans", "_tail")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._spans: tuple[Span, ...] = ()
        self._length = 0
        """Of what the spans hold."""
        self._tail = list(items)
        self._load: Load | None = None
        self._read: tuple[Branch, Sequence[Any]] | None = None
        """The piece that was read last: who goes through a log reads each once."""

    @classmethod
    def _of(cls, spans: Iterable[Span], tail: Iterable[T], load: Load | None) -> Log[T]:
        log: Log[T] = cls(tail)
        log._spans, log._load = tuple(spans), load
        log._length = sum(span.stop - span.start for span in log._spans)
        return log

    # --- growing ---------------------------------------------------------------------------------------------

    def append(self, item: T) -> None:
        self._tail.append(item)

    def extend(self, items: Iterable[T]) -> None:
        self._tail.extend(items)

    def __iadd__(self, items: Iterable[T]) -> Self:
        self.extend(items)
        return self

    def __copy__(self) -> Log[T]:
        return Log._of(self._spans, self._tail, self._load)

    def __deepcopy__(self, memo: dict[int, Any]) -> Log[T]:
        """What is stored does not change, and is no copy."""
        return Log._of(self._spans, copy.deepcopy(self._tail, memo), self._load)

    def __reduce__(self) -> tuple[Any, ...]:
        return Log, (list(self),)

    # --- reading ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._length + len(self._tail)

    def __iter__(self) -> Iterator[T]:
        for span in self._spans:
            yield from self._under(span)
        yield from self._tail

    def __reversed__(self) -> Iterator[T]:
        yield from reversed(self._tail)
        for span in reversed(self._spans):
            yield from reversed(list(self._under(span)))

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Log[T]: ...

    def __getitem__(self, index: int | slice) -> T | Log[T]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self._between(start, max(start, stop))
            return Log(self[place] for place in range(start, stop, step))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError("log index out of range")
        if place >= self._length:
            return self._tail[place - self._length]
        return next(iter(self._between(place, place + 1)))

    def _between(self, start: int, stop: int) -> Log[T]:
        spans: list[Span] = []
        before = 0
        for span in self._spans:
            size = span.stop - span.start
            low, high = max(start - before, 0), min(stop - before, size)
            if low < high:
                spans.append(Span(span.branch, span.start + low, span.start + high))
            before += size
        tail = self._tail[max(start - before, 0) : max(stop - before, 0)]
        return Log._of(spans, tail, self._load)

    def _under(self, span: Span) -> Iterator[T]:
        if not span.branch.height:
            yield from islice(self._loaded(span.branch), span.start, span.stop)
            return
        before = 0
        for branch in cast("Sequence[Branch]", self._loaded(span.branch)):
            low, high = max(span.start - before, 0), min(span.stop - before, branch.items)
            if low < high:
                yield from self._under(Span(branch, low, high))
            before += branch.items

    def _loaded(self, branch: Branch) -> Sequence[Any]:
        if branch.height:
            assert self._load is not None
            return self._load(branch)
        if self._read is None or self._read[0] != branch:
            assert self._load is not None
            self._read = branch, self._load(branch)
        return self._read[1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Log):
            return NotImplemented
        if len(self) != len(other):
            return False
        if self._spans == other._spans:
            return self._tail == other._tail
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Log of {len(self)}>"


def gathered(spans: Iterable[Span], put_node: Callable[[Sequence[Branch]], Branch]) -> list[Span]:
    """The same in fewer: FAN_OUT whole branches of one height that follow one another hang on a node, and so
    on. What is not whole, as at the ends of a slice, stays by itself."""
    found: list[Span] = []
    for span in spans:
        found.append(span)
        while (branches := _full(found[-FAN_OUT:])) is not None:
            node = put_node(branches)
            found[-FAN_OUT:] = [Span(node, 0, node.items)]
    return found


def _full(last: Sequence[Span]) -> list[Branch] | None:
    branches = [span.branch for span in last if span.is_whole]
    is_full = len(branches) == FAN_OUT and len({branch.height for branch in branches}) == 1
    return branches if is_full else None
