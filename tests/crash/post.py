"""A session with the broker for what no client of ours would do: messages to wrong queues, without a reader for
their replies, or not to be read at all; and looks into queues. It outlives the broker's deaths."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from dalsegno.broker.port import Broker, Delivery, Message, Outcome, Outgoing, Session
from dalsegno.errors import BrokerUnavailableError

T = TypeVar("T")

PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 60.0


class Post:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._session: Session | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def _persist(self, attempt: Callable[[Session], Awaitable[T]]) -> T:
        """Again and again, on one session after the other. TimeoutError when it takes too long."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    if self._session is None or not self._session.is_open:
                        self._session = await self._broker.connect(on_closed=lambda _: None, name="crash test")
                    return await attempt(self._session)
                except BrokerUnavailableError:
                    await asyncio.sleep(PAUSE_SECONDS)

    async def send(self, exchange: str, routing_key: str, message: Message) -> None:
        """Until the broker has confirmed it."""

        async def publish(session: Session) -> None:
            outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            publisher = await session.open_publisher(on_closed=lambda _: None)
            publisher.publish([Outgoing(exchange, routing_key, message, outcome.set_result)])
            told = await outcome
            await publisher.close()
            if told is not Outcome.CONFIRMED:
                raise BrokerUnavailableError(told.value)

        await self._persist(publish)

    async def depth(self, queue: str) -> int:
        """Messages ready; 0 if there is no such queue."""
        return await self._persist(lambda session: session.queue_depth(queue)) or 0

    async def take(self, queue: str, number: int) -> list[Message]:
        """Take so many messages out of a queue."""
        taken: list[Message] = []
        enough = asyncio.Event()

        def on_delivery(delivery: Delivery) -> None:
            taken.append(delivery.message)
            if len(taken) >= number:
                enough.set()

        async def consume(session: Session) -> None:
            consumer = await session.open_consumer(
                queue, prefetch=number, on_delivery=on_delivery, on_closed=lambda _: enough.set()
            )
            await enough.wait()
            consumer.acknowledge(len(taken), multiple=True)
            await consumer.close()

        await self._persist(consume)
        return taken
