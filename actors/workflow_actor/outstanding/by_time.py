"""Effects by when they are due, the earliest first. An activation lets out thousands at one time, which cost as
much as one then: a heap of them all would compare each with a dozen others, twice."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Self

from msgspec import Struct, field

from dalsegno.actors.workflow_actor.interface.effects import EffectID

Key = tuple[str, EffectID]
"""(run ID, effect): effects of earlier runs may be outstanding, too."""

Note = tuple[int, Key]
"""When it is due for sending, and which."""


class NotesByTime(Struct, eq=False):
    """Notes, of which there may be several that are equal. (A Struct, for to make one takes no call of ours:
    each instance has some, and hardly one has a note.)"""

    times: list[int] = field(default_factory=list)
    """A heap, each time once; empty if there are no notes."""
    keys: dict[int, list[Key]] = field(default_factory=dict)
    """Of each of those times; none is empty."""
    count: int = 0

    def extended(self, notes: Iterable[Note]) -> Self:
        """The same, with these, too."""
        for at, key in notes:
            self.add(at, key)
        return self

    def add(self, at: int, key: Key) -> None:
        keys = self.keys.get(at)
        if keys is None:
            self.keys[at] = [key]
            heapq.heappush(self.times, at)
        else:
            keys.append(key)
        self.count += 1

    def first(self) -> Note | None:
        """One of the earliest: of these the last that was added."""
        if not self.times:
            return None
        at = self.times[0]
        return at, self.keys[at][-1]

    def drop_first(self) -> None:
        """There is one."""
        keys = self.keys[self.times[0]]
        keys.pop()
        self.count -= 1
        if not keys:
            del self.keys[heapq.heappop(self.times)]

    def __iter__(self) -> Iterator[Note]:
        """In no order."""
        return ((at, key) for at, keys in self.keys.items() for key in keys)

    def __len__(self) -> int:
        return self.count
