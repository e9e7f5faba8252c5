"""What the consumers of a session hold is bounded in bytes, before a body is assembled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from dalsegno.broker.port import Consumer, Delivery, Message, Queue, Session, Topology
from dalsegno.broker.rabbitmq import RabbitMQBroker
from dalsegno.broker.rabbitmq.holding import GROWS_AFTER, Holding, Rations
from dalsegno.errors import BrokerUnavailableError
from tests.broker.witness import Ends, eventually, fill

LIMIT = 10_000
LARGE = 4_000


def test_what_does_not_fit_and_all_behind_it_is_passed_over_until_the_rest_is_settled() -> None:
    holding = Holding(Rations(LIMIT), "q", 300)
    assert [holding.admit(size) for size in (LARGE, LARGE, LARGE, 1)] == [True, True, False, False]
    assert holding.settle(1, multiple=False) is None
    assert holding.settle(2, multiple=False) is not None


def test_the_consumers_of_a_session_share_what_may_be_held_and_each_may_hold_one_message() -> None:
    rations = Rations(LIMIT)
    first, second = Holding(rations, "a", 300), Holding(rations, "b", 300)
    assert first.admit(LIMIT)
    assert [second.admit(LARGE), second.admit(1)] == [True, False]
    first.end()
    assert rations.held.held == LARGE
    second.end()
    assert rations.held.held == 0


def test_a_message_larger_than_the_bound_passes_alone() -> None:
    holding = Holding(Rations(LIMIT), "q", 300)
    assert [holding.admit(5 * LIMIT), holding.admit(1)] == [True, False]


def test_fewer_are_fetched_when_messages_are_large_and_more_again_when_they_are_small() -> None:
    rations = Rations(LIMIT)
    large = Holding(rations, "q", 300)
    assert not all(large.admit(LARGE) for _ in range(3))
    large.end()
    seen = []
    while (holding := Holding(rations, "q", 300)).prefetch < 300:
        seen.append(holding.prefetch)
        for tag in range(1, GROWS_AFTER * holding.prefetch + 1):
            assert holding.admit(1)
            ended = holding.settle(tag, multiple=True)
        assert ended is not None
        holding.end()
    assert seen == [2, 4, 8, 16, 32, 64, 128, 256]


def test_nothing_is_fetched_less_while_messages_stay_large() -> None:
    rations = Rations(LIMIT)
    large = Holding(rations, "q", 300)
    assert not all(large.admit(LARGE) for _ in range(3))
    large.end()
    holding = Holding(rations, "q", 300)
    for tag in range(1, 3 * GROWS_AFTER * holding.prefetch):
        assert holding.admit(LARGE)
        assert holding.settle(tag, multiple=False) is None


def test_a_small_message_now_and_then_makes_nobody_fetch_more_of_the_large_ones() -> None:
    rations = Rations(LIMIT)
    large = Holding(rations, "q", 300)
    assert not all(large.admit(LARGE) for _ in range(3))
    large.end()
    holding = Holding(rations, "q", 300)
    for tag in range(1, 10 * GROWS_AFTER * holding.prefetch):
        assert holding.admit(LARGE if tag % 10 else 1)
        assert holding.settle(tag, multiple=False) is None


def test_more_are_fetched_again_although_there_is_no_moment_without_one_in_hand() -> None:
    rations = Rations(LIMIT)
    large = Holding(rations, "q", 300)
    assert not all(large.admit(LARGE) for _ in range(3))
    large.end()
    holding = Holding(rations, "q", 300)
    was = holding.prefetch
    assert holding.admit(1)
    tag = 1
    while holding.admit(1):
        tag += 1
        assert holding.settle(tag - 1, multiple=True) is None
        assert tag <= GROWS_AFTER * was + 1
    ended = holding.settle(tag, multiple=True)
    assert ended is not None
    assert "more are fetched" in ended
    holding.end()
    assert Holding(rations, "q", 300).prefetch == 2 * was


def test_without_a_bound_nothing_is_counted() -> None:
    holding = Holding(Rations(None), "q", 300)
    assert all(holding.admit(LARGE) for _ in range(1000))
    assert holding.settle(1000, multiple=True) is None


class Reader:
    """Consumes a queue as a host does: acknowledges later, and consumes anew when its channel ends."""

    def __init__(self, session: Session, queue: str) -> None:
        self._session, self._queue = session, queue
        self._consumer: Consumer | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self.held: list[Delivery] = []
        self.most_held = 0
        self.done: list[bytes] = []
        self.ends = 0

    async def open(self) -> None:
        self._consumer = await self._session.open_consumer(
            self._queue, prefetch=300, on_delivery=self._take, on_closed=self._again
        )

    async def _reopen(self) -> None:
        with suppress(BrokerUnavailableError):  # the session is closed with the test
            await self.open()

    def _take(self, delivery: Delivery) -> None:
        self.held.append(delivery)
        self.most_held = max(self.most_held, sum(len(held.message.body) for held in self.held))

    def work(self) -> None:
        """Be done with all that has come."""
        consumer, held = self._consumer, self.held
        if consumer is not None and held and consumer.is_open:
            self.held = []
            self.done += [delivery.message.body[:4] for delivery in held]
            consumer.acknowledge(held[-1].tag, multiple=True)

    def _again(self, _: str) -> None:
        self.ends += 1
        self.held = []
        task = asyncio.get_running_loop().create_task(self._reopen())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)


@pytest.fixture
async def session(rabbitmq_url: str, no_loose_ends: None) -> AsyncIterator[Session]:
    session = await RabbitMQBroker(rabbitmq_url, held_bytes=LIMIT).connect(on_closed=Ends())
    yield session
    await session.close()


@pytest.mark.rabbitmq
@pytest.mark.parametrize("size", [LARGE, 3 * LIMIT])
async def test_a_flood_of_large_messages_is_held_within_the_bound_and_arrives_whole_and_in_order(
    session: Session, size: int
) -> None:
    queue = f"test.holding.{size}"
    await session.declare(Topology(queues=[Queue(queue, single_active_consumer=True)]))
    sent = [b"%04d" % number for number in range(60)]
    await fill(
        session, queue, [Message(body=head + bytes(size - 4), message_id=head.decode()) for head in sent]
    )
    reader = Reader(session, queue)
    await reader.open()

    def all_done() -> bool:
        reader.work()
        return len(reader.done) == len(sent)

    await eventually(all_done, "all messages are done")
    assert reader.done == sent
    assert reader.ends > 0
    assert reader.most_held <= max(LIMIT, size)
    await session.delete_queue(queue)
