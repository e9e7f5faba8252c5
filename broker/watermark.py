"""The broker's half of the watermark: the highest number that it has been told of its database.

The number only grows, and is raised in the database before it is told here. So a broker that knows a higher one
than its database has works with a database that is older than itself: one that was restored from a backup.

It is a message in a queue of its own, which is taken out to be looked at and goes back when the channel closes;
only one looks at a time (single active consumer). A new number is confirmed before older ones are removed, and
the highest counts. It names its database: what another one has left in this virtual host says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from dalsegno.broker import topology
from dalsegno.broker.port import Consumer, Delivery, Message, Outcome, Outgoing, Session
from dalsegno.errors import BrokerUnavailableError

LOOK_SECONDS = 5.0
"""How long a look waits for its turn, and for what is in the queue."""
MARKS_MAX = 100
"""So many are taken out at most; more than two are there only after crashes."""

Publish = Callable[[Sequence[Outgoing]], None]
"""As `Publisher.publish`."""


class Mark(msgspec.Struct, frozen=True):
    """`time` is the database's when it raised `number`, in microseconds since 1970."""

    database: str
    number: int
    time: int


async def read_mark(session: Session, database: str) -> Mark | None:
    """The highest that the broker knows of the database with this identity; None if it knows none."""
    async with _taken_out(session) as (found, _):
        marks = [mark for mark in map(_mark_of, found) if mark is not None and mark.database == database]
    return max(marks, key=lambda mark: mark.number, default=None)


async def write_mark(session: Session, mark: Mark, publish: Publish) -> None:
    """Have the broker know `mark`, which was committed before. Waits for its confirm, however long that takes;
    BrokerUnavailableError where it may not have arrived."""
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    message = Message(
        body=msgspec.json.encode(mark),
        message_id=f"watermark-{mark.number}",
        type="watermark",
        content_type="application/json",
    )

    def settle(what: Outcome) -> None:
        if not outcome.done():
            outcome.set_result(what)

    await session.declare(topology.watermark())
    publish([Outgoing("", topology.WATERMARK_QUEUE, message, settle)])
    if (what := await outcome) is not Outcome.CONFIRMED:
        raise BrokerUnavailableError(f"the broker did not confirm the watermark {mark.number} ({what.value})")
    async with _taken_out(session) as (found, consumer):
        for delivery in found:
            known = _mark_of(delivery)
            if known is None or known.database != mark.database or known.number < mark.number:
                consumer.acknowledge(delivery.tag)


@asynccontextmanager
async def _taken_out(session: Session) -> AsyncIterator[tuple[list[Delivery], Consumer]]:
    """What is in the queue; at the end of the block it goes back, but for what was acknowledged."""
    name = topology.WATERMARK_QUEUE
    depth = await session.queue_depth(name)
    await session.declare(topology.watermark())
    # A depth of 0: either nothing is there, or another is looking at it and gives it back.
    expected = 0 if depth is None else min(max(depth, 1), MARKS_MAX)
    found: list[Delivery] = []
    ended: list[str] = []
    changed = asyncio.Event()

    def take(delivery: Delivery) -> None:
        found.append(delivery)
        changed.set()

    def end(reason: str) -> None:
        ended.append(reason)
        changed.set()

    consumer = await session.open_consumer(name, prefetch=MARKS_MAX, on_delivery=take, on_closed=end)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                while len(found) < expected and not ended:
                    changed.clear()
                    await changed.wait()
        if ended:
            raise BrokerUnavailableError(ended[0])
        yield list(found), consumer
    finally:
        await consumer.close()


def _mark_of(delivery: Delivery) -> Mark | None:
    """What somebody else has put there says nothing."""
    try:
        return msgspec.json.decode(delivery.message.body, type=Mark)
    except msgspec.DecodeError:
        return None
