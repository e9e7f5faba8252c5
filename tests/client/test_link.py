"""One link: how it writes, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from dalsegno.broker.port import Message, OnClosed, Outcome, Session
from dalsegno.client import Client
from dalsegno.client.link import ClientLink
from dalsegno.errors import BrokerUnavailableError
from tests.broker.witness import eventually
from tests.client.fake_host import FakeHost
from tests.client.flaky_broker import FlakyBroker


@pytest.fixture
def ends() -> list[str]:
    return []


@pytest.fixture
async def link(broker: FlakyBroker, host: FakeHost, ends: list[str]) -> AsyncIterator[ClientLink]:
    link = ClientLink(broker, on_reply=lambda message: None, on_end=ends.append)
    await link.open()
    yield link
    await link.close()


def send(link: ClientLink, message_id: str) -> asyncio.Future[Outcome]:
    message = Message(body=b"", message_id=message_id)
    return asyncio.ensure_future(link.publish("", link.reply_to, message))


async def test_what_is_published_in_one_turn_leaves_in_one_write(link: ClientLink, broker: FlakyBroker) -> None:
    outcomes = await asyncio.gather(*(send(link, f"m-{number}") for number in range(3)))
    assert outcomes == [Outcome.CONFIRMED] * 3
    assert broker.batches == [["m-0", "m-1", "m-2"]]


async def test_one_message_id_is_in_flight_once(link: ClientLink, broker: FlakyBroker) -> None:
    abandoned = send(link, "m-1")
    await asyncio.sleep(0)
    abandoned.cancel()
    outcomes = await asyncio.gather(*(send(link, "m-1") for _ in range(2)))
    assert outcomes == [Outcome.CONFIRMED] * 2
    assert broker.batches == [["m-1"]]
    assert await send(link, "m-1") is Outcome.CONFIRMED
    assert broker.batches == [["m-1"], ["m-1"]]


async def test_other_messages_with_an_id_that_is_in_flight_leave_one_after_the_other(
    link: ClientLink, broker: FlakyBroker
) -> None:
    async def tell(body: bytes) -> Outcome:
        return await link.publish("", link.reply_to, Message(body=body, message_id="m-1"))

    outcomes = await asyncio.gather(*(tell(body) for body in (b"1", b"2", b"1", b"3")))
    assert outcomes == [Outcome.CONFIRMED] * 4
    assert broker.batches == [["m-1"]] * 3


async def test_those_who_wait_for_an_id_learn_of_the_end_of_the_link(
    link: ClientLink, broker: FlakyBroker
) -> None:
    async def tell(body: bytes) -> Outcome:
        return await link.publish("", link.reply_to, Message(body=body, message_id="m-1"))

    first = asyncio.ensure_future(tell(b"1"))
    second = asyncio.ensure_future(tell(b"2"))
    await asyncio.sleep(0)
    await broker.cut()
    assert await asyncio.wait_for(second, 10) is Outcome.LOST
    assert await first in (Outcome.LOST, Outcome.CONFIRMED)


async def test_a_link_ends_once_and_then_publishes_nothing(
    link: ClientLink, broker: FlakyBroker, ends: list[str]
) -> None:
    await broker.cut()
    await link.close()
    await link.close()
    assert ends == ["the connection was cut"]
    assert not link.is_open
    assert await send(link, "m-1") is Outcome.LOST


async def test_a_link_whose_consumer_is_taken_away_has_ended(
    link: ClientLink, broker: FlakyBroker, ends: list[str]
) -> None:
    (session,) = broker.sessions
    await session.delete_queue(link.reply_to)
    await eventually(lambda: not link.is_open, "the end of the link")
    assert len(ends) == 1
    await link.close()
    assert not session.is_open


class SilentBroker:
    """It takes a connection and never says a word."""

    async def connect(self, *, on_closed: OnClosed, name: str = "") -> Session:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


async def test_a_broker_that_does_not_answer_keeps_nobody_for_longer_than_their_time() -> None:
    with pytest.raises(BrokerUnavailableError, match="the broker does not answer"):
        async with Client(SilentBroker(), timeout=0.05):
            pass
