"""The ready messages of one queue, in order, of which only a bounded part is in memory; so it is of all queues.

    returned  <  memory  <  on disk          (by position; each part sorted)

What came back from a consumer stands first: everything that was ever handed out is older than everything that
was not. Behind it stands what is in memory, then what is only in the file. New messages join at the end,
so they go to disk alone while anything is there; pages bring the disk part into memory from its front.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence

import msgspec

MAX_ITEMS_IN_MEMORY = 10_000
MAX_BYTES_IN_MEMORY = 32 * 1024 * 1024
"""Of bodies that were never handed out, per queue. Handed-out ones are bounded by the consumers' prefetch and
by what their sessions may hold."""
MAX_BYTES_OF_ALL_LINES = 4 * MAX_BYTES_IN_MEMORY
"""Of all queues of one kind together, those in the file and those that live in memory alone: beyond it a line
keeps one page, or one message, so that each goes on."""
PAGE_LOW_WATER = 500
"""A page is asked for when fewer messages than this are left in memory, so that it arrives in time."""


class Item(msgspec.Struct, frozen=True, gc=False):
    """A message in a queue. `position` grows by one per message of the queue and is its place for ever.

    `payload` is the encoded `Message`: the broker hands it on without looking inside.
    """

    position: int
    exchange: str
    routing_key: str
    payload: bytes
    redelivered: bool = False
    delivery_count: int = 0


class SharedMemory:
    """What the lines that share it have in memory."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        return self.bytes >= MAX_BYTES_OF_ALL_LINES


class PageRequest(msgspec.Struct, frozen=True, gc=False):
    """Read the messages behind `after`, up to and including `up_to`, as many as make a page."""

    after: int
    up_to: int
    number: int
    """Tells the answer to this request from the answer to one that a purge has overtaken."""


class ReadyLine:
    """`stored` messages are ready in the file at first, the last of them at position `tail`.

    A line that is not `paged` keeps everything in memory.
    """

    __slots__ = (
        "_bytes",
        "_cursor",
        "_loading",
        "_memory",
        "_on_disk",
        "_paged",
        "_requests",
        "_returned",
        "_shared",
        "_tail",
    )

    def __init__(self, *, paged: bool, stored: int = 0, tail: int = 0) -> None:
        self._returned: list[tuple[int, Item]] = []
        self._memory: deque[Item] = deque()
        self._bytes = 0
        self._on_disk = stored
        self._cursor = 0
        self._tail = tail
        self._paged = paged
        self._loading = False
        self._requests = 0
        self._shared = SharedMemory()

    def share(self, memory: SharedMemory) -> None:
        """With other lines, from now on; to be called before anything is in it."""
        self._shared = memory

    def __len__(self) -> int:
        return len(self._returned) + len(self._memory) + self._on_disk

    @property
    def bytes_in_memory(self) -> int:
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Whether what comes is not kept in memory; where it cannot be elsewhere, it is refused."""
        items = len(self._memory) + len(self._returned)
        if items >= MAX_ITEMS_IN_MEMORY or self._bytes >= MAX_BYTES_IN_MEMORY:
            return True
        return bool(self._memory) and self._shared.is_full

    @property
    def has_next(self) -> bool:
        """Whether `pop` has something; False also when the rest must be read from the file first."""
        return bool(self._returned or self._memory)

    @property
    def next_size(self) -> int:
        """In bytes, of what `pop` has; only to be asked where there is something."""
        item = self._returned[0][1] if self._returned else self._memory[0]
        return len(item.payload)

    def append(self, item: Item) -> None:
        to_disk = self._has_more_on_disk or (self._paged and self.is_full)
        self._tail = item.position
        if to_disk:
            self._on_disk += 1
        else:
            self._keep(item)

    def give_back(self, items: Sequence[Item]) -> None:
        for item in items:
            heapq.heappush(self._returned, (item.position, item))
            self._shared.bytes += len(item.payload)

    def pop(self) -> Item:
        if self._returned:
            item = heapq.heappop(self._returned)[1]
        else:
            item = self._memory.popleft()
            self._bytes -= len(item.payload)
        self._shared.bytes -= len(item.payload)
        return item

    def next_page(self) -> PageRequest | None:
        """What to read from the file now, if anything; one request is under way at a time."""
        if not self._has_more_on_disk or self._loading or len(self._memory) >= PAGE_LOW_WATER or self.is_full:
            return None
        self._loading = True
        self._requests += 1
        return PageRequest(after=self._cursor, up_to=self._tail, number=self._requests)

    def page_loaded(self, request: PageRequest, items: Sequence[Item]) -> bool:
        """Take in a page. False when the file lacks what it should have: those messages are given up."""
        if request.number != self._requests or not self._loading:
            return True
        self._loading = False
        for item in items:
            self._keep(item)
        self._on_disk -= len(items)
        if not items:
            self._cursor = request.up_to
        if self._has_more_on_disk:
            return True
        missing, self._on_disk = self._on_disk, 0
        return not missing

    def page_failed(self, request: PageRequest) -> None:
        """The file could not be read; the next `next_page` asks again."""
        if request.number == self._requests:
            self._loading = False

    def clear(self) -> tuple[int, list[Item], tuple[int, int]]:
        """Drop everything: how many there were, those in memory, and the range on disk (after, up to)."""
        dropped = len(self)
        in_memory = [item for _, item in self._returned] + list(self._memory)
        on_disk = (self._cursor, self._tail) if self._has_more_on_disk else (0, 0)
        self._shared.bytes -= sum(len(item.payload) for item in in_memory)
        self._returned.clear()
        self._memory.clear()
        self._bytes = 0
        self._on_disk = 0
        self._cursor = self._tail
        self._loading = False
        return dropped, in_memory, on_disk

    @property
    def _has_more_on_disk(self) -> bool:
        return self._cursor < self._tail

    def _keep(self, item: Item) -> None:
        self._memory.append(item)
        self._bytes += len(item.payload)
        self._shared.bytes += len(item.payload)
        self._cursor = item.position
