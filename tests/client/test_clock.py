"""A client with the time in a test's hand, on a broker that works in real time."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import AwaitResult, QueryWorkflow, StartWorkflow
from dalsegno.client import Client
from dalsegno.client.errors import NoAnswerError
from dalsegno.errors import BrokerUnavailableError, ConfigurationError
from tests.broker.witness import eventually
from tests.client.fake_host import FakeHost, accepted
from tests.client.flaky_broker import FlakyBroker
from tests.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def test_a_request_is_sent_again_and_given_up_when_the_clock_says_so(
    broker: Broker, host: FakeHost, clock: HandClock
) -> None:
    host.silent = True
    async with Client(broker, clock=clock) as client:
        asking = asyncio.create_task(client.get_workflow_handle("w-1").query("q"))
        for count in (1, 2, 3, 4):
            await host.received(QueryWorkflow, count)
            await clock.until_set(3)
            if count < 4:
                clock.advance(2.9)
                assert len(host.of(QueryWorkflow)) == count
                clock.advance(0.1)
        assert not asking.done()
        clock.advance(1)
        with pytest.raises(NoAnswerError, match="within 10 s"):
            await asking


async def test_who_waits_for_a_result_says_so_again_by_the_clock(
    broker: Broker, host: FakeHost, clock: HandClock
) -> None:
    host.scripts[AwaitResult] = lambda request: []
    async with Client(broker, clock=clock) as client:
        handle = await client.start("Order", id="order-1")
        waiting = asyncio.create_task(handle.result(timeout=50))
        for count in (1, 2, 3):
            await host.received(AwaitResult, count)
            await clock.until_set(20)
            clock.advance(20 if count < 3 else 10)
        with pytest.raises(NoAnswerError, match="within 50 s"):
            await waiting


async def test_a_broker_that_is_away_is_tried_again_and_given_up_by_the_clock(
    broker: FlakyBroker, host: FakeHost, clock: HandClock
) -> None:
    broker.is_down = True
    client = Client(broker, clock=clock)
    connecting = asyncio.create_task(client.__aenter__())
    for most in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
        await clock.until_set(most / 2, most)
        clock.advance(most)
    await clock.until_set(1, 2)
    assert not connecting.done()
    clock.advance(10)
    with pytest.raises(BrokerUnavailableError, match="within 10 s"):
        await connecting

    broker.is_down = False
    client = Client(broker, clock=clock)
    async with client:
        host.scripts[StartWorkflow] = lambda request: [accepted(request)]
        await client.start("Order", id="order-1")
    await eventually(lambda: not clock.waits, "no timer is left")


def test_a_clock_that_is_none_is_refused(broker: Broker) -> None:
    with pytest.raises(ConfigurationError, match="clock must be None or have the methods"):
        Client(broker, clock=7)  # type: ignore[arg-type]
