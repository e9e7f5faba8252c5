"""The broker remembers how far it has seen its database, through crashes of those who tell it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from dalsegno.broker import watermark
from dalsegno.broker.port import Message, Outcome, Outgoing, Publisher, Session
from dalsegno.broker.topology import WATERMARK_QUEUE
from dalsegno.broker.watermark import Mark, read_mark, write_mark
from dalsegno.errors import BrokerUnavailableError
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Sender, depth_reached

US, THEM = "a" * 32, "b" * 32


@pytest.fixture
async def publisher(session: Session) -> AsyncIterator[Publisher]:
    await session.delete_queue(WATERMARK_QUEUE)
    publisher = await session.open_publisher(on_closed=Ends())
    yield publisher
    await publisher.close()
    await session.delete_queue(WATERMARK_QUEUE)


async def test_the_highest_mark_is_known_to_every_session_however_often_it_is_read(
    session: Session, publisher: Publisher, connect: Connect
) -> None:
    assert await read_mark(session, US) is None
    for number in range(1, 4):
        await write_mark(session, Mark(US, number, number * 10), publisher.publish)
    for _ in range(3):
        assert await read_mark(await connect(), US) == Mark(US, 3, 30)
    await depth_reached(session, WATERMARK_QUEUE, 1)


async def test_several_that_look_and_tell_at_once_all_find_one_that_was_there(
    session: Session, publisher: Publisher
) -> None:
    await write_mark(session, Mark(US, 1, 1), publisher.publish)
    writing = [write_mark(session, Mark(US, number, 1), publisher.publish) for number in (3, 2)]
    _, _, *found = await asyncio.gather(*writing, *(read_mark(session, US) for _ in range(4)))
    assert all(mark is not None and mark.number in (1, 2, 3) for mark in found)
    assert await read_mark(session, US) == Mark(US, 3, 1)


async def test_a_lower_mark_that_comes_late_changes_nothing(session: Session, publisher: Publisher) -> None:
    await write_mark(session, Mark(US, 7, 1), publisher.publish)
    await write_mark(session, Mark(US, 6, 1), publisher.publish)
    assert await read_mark(session, US) == Mark(US, 7, 1)
    await write_mark(session, Mark(US, 8, 1), publisher.publish)
    await depth_reached(session, WATERMARK_QUEUE, 1)


async def test_what_another_database_or_anybody_else_has_left_says_nothing_and_goes(
    session: Session, publisher: Publisher
) -> None:
    await write_mark(session, Mark(THEM, 99, 1), publisher.publish)
    sender = Sender(publisher)
    sender.send("", WATERMARK_QUEUE, *(Message(body=body, message_id=body.hex()) for body in (b"x", b"{}")))
    assert await sender.settled() == [Outcome.CONFIRMED] * 2
    assert await read_mark(session, US) is None
    await write_mark(session, Mark(US, 1, 1), publisher.publish)
    assert await read_mark(session, US) == Mark(US, 1, 1)
    await depth_reached(session, WATERMARK_QUEUE, 1)


async def test_a_mark_that_was_not_confirmed_leaves_the_one_before(
    session: Session, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_mark(session, Mark(US, 1, 1), publisher.publish)

    def lose(batch: Sequence[Outgoing]) -> None:
        for outgoing in batch:
            outgoing.on_outcome(Outcome.LOST)

    with pytest.raises(BrokerUnavailableError, match="did not confirm"):
        await write_mark(session, Mark(US, 2, 1), lose)
    assert await read_mark(session, US) == Mark(US, 1, 1)


async def test_an_empty_queue_is_looked_at_for_a_while_and_knows_nothing(
    session: Session, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watermark, "LOOK_SECONDS", 0.1)
    assert await read_mark(session, US) is None
    assert await read_mark(session, US) is None
