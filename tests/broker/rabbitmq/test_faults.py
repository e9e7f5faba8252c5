"""Brokers that stop, die, freeze, run out of memory, and links that fall silent."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from dalsegno.broker.port import Outcome, Queue, Session, Topology
from dalsegno.broker.rabbitmq import Timings
from tests.broker.conftest import Connect
from tests.broker.rabbitmq.conftest import SWIFT
from tests.broker.witness import Ends, Inbox, Sender, bodies, consume, depth_reached, eventually, fill, numbered
from tests.servers import RabbitMQServer

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]

QUEUE = "orders"
TOPOLOGY = Topology(queues=[Queue(QUEUE, single_active_consumer=True)])
"""As partition queues are. After a crash of the broker, an ordinary queue may hand out later messages before it
has noticed that the consumer of the earlier ones is gone; this kind waits for that."""


@pytest.fixture
def url(private_rabbitmq: RabbitMQServer) -> Iterator[str]:
    with private_rabbitmq.virtual_host() as url:
        yield url


class Party:
    """A session with a publisher and a consumer, each with its own ear for the end."""

    def __init__(self) -> None:
        self.ends, self.publisher_ends, self.consumer_ends = Ends(), Ends(), Ends()
        self.inbox = Inbox()

    async def join(
        self, connect_to: Connect, url: str, *, hot_path: bool, timings: Timings | None = None
    ) -> None:
        self.session: Session = await connect_to(url, self.ends, hot_path=hot_path, timings=timings)
        await self.session.declare(TOPOLOGY)
        self.sender = Sender(await self.session.open_publisher(on_closed=self.publisher_ends))
        self.consumer = await consume(self.session, QUEUE, self.inbox, prefetch=5, ends=self.consumer_ends)

    async def told_once(self) -> str:
        """The reason that the session gave, once all three have been told and nothing is open."""
        reasons = [await ends.announced() for ends in (self.ends, self.publisher_ends, self.consumer_ends)]
        assert not (self.session.is_open or self.sender.publisher.is_open or self.consumer.is_open)
        return reasons[0]


def stop_and_start(server: RabbitMQServer) -> None:
    server.stop_app()
    server.start_app()


def kill_and_start(server: RabbitMQServer) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("hot_path", [True, False], ids=["hot", "plain"])
@pytest.mark.parametrize("restart", [stop_and_start, kill_and_start])
async def test_a_restart_is_told_once_and_loses_nothing_that_was_confirmed(
    private_rabbitmq: RabbitMQServer,
    url: str,
    connect_to: Connect,
    restart: Callable[[RabbitMQServer], None],
    hot_path: bool,
) -> None:
    party = Party()
    await party.join(connect_to, url, hot_path=hot_path)
    party.sender.send("", QUEUE, *numbered(20))
    assert await party.sender.settled() == [Outcome.CONFIRMED] * 20
    await party.inbox.receive(5)
    party.consumer.acknowledge(2, multiple=True)
    await party.inbox.receive(7)

    restarting = asyncio.create_task(asyncio.to_thread(restart, private_rabbitmq))
    assert "was lost" in await party.told_once()
    party.sender.send("", QUEUE, *numbered(1, start=20))
    assert (await party.sender.settled())[-1] is Outcome.LOST
    await restarting

    session = await connect_to(url, hot_path=hot_path)
    await session.declare(TOPOLOGY)
    again = Inbox()
    await consume(session, QUEUE, again)
    deliveries = await again.receive(18)
    assert again.bodies == bodies(numbered(18, start=2))
    assert all(delivery.redelivered for delivery in deliveries[:5])


async def test_publishes_in_flight_when_the_broker_dies_have_one_outcome_each(
    private_rabbitmq: RabbitMQServer, url: str, connect_to: Connect
) -> None:
    party = Party()
    await party.join(connect_to, url, hot_path=True)
    await party.consumer.close()
    for start in range(0, 20_000, 500):
        party.sender.send("", QUEUE, *numbered(500, start=start))
    await eventually(lambda: any(party.sender.outcomes), "a first confirm")
    private_rabbitmq.flush()
    # However far it has come by now, what it is sent while it stands still is in flight.
    os.kill(private_rabbitmq.pid, signal.SIGSTOP)
    party.sender.send("", QUEUE, *numbered(500, start=20_000))
    private_rabbitmq.kill(flushed=True)
    outcomes = await party.sender.settled()
    private_rabbitmq.start()
    assert set(outcomes) == {Outcome.CONFIRMED, Outcome.LOST}
    assert outcomes[20_000:] == [Outcome.LOST] * 500
    session = await connect_to(url)
    inbox = Inbox()
    await consume(session, QUEUE, inbox, prefetch=2_000)
    confirmed = [b"%d" % n for n, outcome in enumerate(outcomes) if outcome is Outcome.CONFIRMED]
    await eventually(lambda: set(confirmed) <= set(inbox.bodies) or len(inbox.bodies) == 2_000, "all of them")
    assert confirmed[:2_000] == inbox.bodies[: len(confirmed)]


@pytest.mark.parametrize("hot_path", [True, False], ids=["hot", "plain"])
async def test_a_memory_alarm_delays_publishes_and_leaves_acknowledgements_alone(
    private_rabbitmq: RabbitMQServer, url: str, connect_to: Connect, hot_path: bool
) -> None:
    party = Party()
    await party.join(connect_to, url, hot_path=hot_path, timings=SWIFT)
    party.sender.send("", QUEUE, *numbered(5))
    await party.inbox.receive(5)
    assert await party.sender.settled() == [Outcome.CONFIRMED] * 5
    with private_rabbitmq.memory_alarm():
        party.sender.send("", QUEUE, *numbered(10, start=5))
        party.consumer.acknowledge(5, multiple=True)
        await party.consumer.close()
        await depth_reached(party.session, QUEUE, 0)
        # Longer than two probes may take: a broker that does not read a connection is not one that is gone.
        await asyncio.sleep(2.5 * SWIFT.probe_answer)
        assert not any(party.sender.outcomes[5:])
        assert party.session.is_open
    assert await party.sender.settled() == [Outcome.CONFIRMED] * 15
    await depth_reached(party.session, QUEUE, 10)
    assert not party.ends.reasons


async def test_a_frozen_broker_is_given_up_and_used_again_once_it_thaws(
    private_rabbitmq: RabbitMQServer, url: str, connect_to: Connect
) -> None:
    party = Party()
    await party.join(connect_to, url, hot_path=True, timings=SWIFT)
    os.kill(private_rabbitmq.pid, signal.SIGSTOP)
    try:
        party.sender.send("", QUEUE, *numbered(3))
        assert "no longer answers" in await party.told_once()
        assert await party.sender.settled() == [Outcome.LOST] * 3
    finally:
        os.kill(private_rabbitmq.pid, signal.SIGCONT)
    session = await connect_to(url)
    await fill(session, QUEUE, numbered(1))


@pytest.mark.parametrize("hot_path", [True, False], ids=["hot", "plain"])
async def test_a_link_that_falls_silent_is_given_up(url: str, connect_to: Connect, hot_path: bool) -> None:
    async with silenceable(url) as (proxied, silence):
        party = Party()
        await party.join(connect_to, proxied, hot_path=hot_path, timings=SWIFT)
        party.sender.send("", QUEUE, *numbered(1))
        await party.inbox.receive(1)
        silence.set()
        party.sender.send("", QUEUE, *numbered(1, start=1))
        assert "no longer answers" in await party.told_once()
        assert (await party.sender.settled())[-1] is Outcome.LOST


async def test_the_broker_says_why_it_closes_a_connection(
    private_rabbitmq: RabbitMQServer, url: str, connect_to: Connect
) -> None:
    party = Party()
    await party.join(connect_to, url, hot_path=True)
    private_rabbitmq.evaluate(
        '[rabbit_networking:close_connection(C, "tired of you") || C <- rabbit_networking:connections()]'
    )
    assert "tired of you" in await party.told_once()


async def test_a_deleted_virtual_host_ends_the_session(
    private_rabbitmq: RabbitMQServer, connect_to: Connect
) -> None:
    party = Party()
    with private_rabbitmq.virtual_host() as url:
        await party.join(connect_to, url, hot_path=True)
    await party.told_once()


@asynccontextmanager
async def silenceable(url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The URL of a proxy that stops forwarding, without closing anything, once the event is set."""
    target = URL(url)
    silence = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if not silence.is_set():
                writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(target.host, target.port)
        writers.extend((writer, far_writer))
        await asyncio.gather(forward(reader, far_writer), forward(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield str(target.with_port(server.sockets[0].getsockname()[1])), silence
        for writer in writers:
            writer.close()
