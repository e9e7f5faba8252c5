"""A process that reads a flood and says how much memory that took: `python -m tests.broker.peak URL HELD COUNT
QUEUE...`.

It is done with what it holds only after so many answers of the broker that whatever may come has come. The last
line of its output is what its resident set grew by, in bytes, up to the peak.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from dalsegno.broker.port import Consumer, Delivery, Session
from dalsegno.broker.url import open_broker

ANSWERS = 20
PREFETCH = 300


class FloodReader:
    """Consumes one queue, and anew when its channel ends."""

    def __init__(self, session: Session, queue: str) -> None:
        self._session, self._queue = session, queue
        self._consumer: Consumer | None = None
        self._opening: asyncio.Task[None] | None = None
        self._held: list[Delivery] = []
        self.done = 0

    async def open(self) -> None:
        self._consumer = await self._session.open_consumer(
            self._queue, prefetch=PREFETCH, on_delivery=lambda d: self._held.append(d), on_closed=self._again
        )

    def _again(self, _: str) -> None:
        self._held = []
        self._opening = asyncio.get_running_loop().create_task(self.open())

    def work(self) -> None:
        if self._consumer is not None and self._consumer.is_open and self._held:
            self.done += len(self._held)
            last, self._held = self._held[-1].tag, []
            self._consumer.acknowledge(last, multiple=True)


async def main(url: str, held_bytes: int | None, count: int, queues: list[str]) -> None:
    session = await open_broker(url, held_bytes=held_bytes).connect(on_closed=lambda _: None)
    before = peak()
    readers = [FloodReader(session, queue) for queue in queues]
    for reader in readers:
        await reader.open()
    while sum(reader.done for reader in readers) < count:
        for _ in range(ANSWERS):
            await session.queue_depth(queues[0])
        for reader in readers:
            reader.work()
    print(peak() - before)
    await session.close()


def peak() -> int:
    """The system's own count for this program; what getrusage says includes the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kibibytes) * 1024


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) or None, int(sys.argv[3]), sys.argv[4:]))
