"""A broker whose sessions can be cut, and whose publishes can be refused, at a test's word."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from dalsegno.broker.port import (
    Binding,
    Broker,
    Consumer,
    OnClosed,
    OnDelivery,
    Outcome,
    Outgoing,
    Publisher,
    Session,
    Topology,
)
from dalsegno.errors import BrokerUnavailableError


class FlakyBroker:
    """Port: `Broker`. Everything goes to the real one behind it, except what a test takes away."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.sessions: list[FlakySession] = []
        self.is_down = False
        self.batches: list[list[str | None]] = []
        """The message IDs of each write."""
        self.outcomes: deque[Outcome] = deque()
        """For the next publishes, in place of what becomes of them: these are not sent."""

    async def connect(self, *, on_closed: OnClosed, name: str = "dalsegno") -> Session:
        if self.is_down:
            raise BrokerUnavailableError("connection refused")
        session = FlakySession(self, await self._broker.connect(on_closed=on_closed, name=name), on_closed)
        self.sessions.append(session)
        return session

    async def cut(self) -> None:
        """End every session, as a broker that goes away."""
        for session in self.sessions:
            await session.cut()
        self.sessions.clear()


class FlakySession:
    """Port: `Session`."""

    def __init__(self, broker: FlakyBroker, session: Session, on_closed: OnClosed) -> None:
        self._broker = broker
        self._session = session
        self._on_closed = on_closed

    async def cut(self) -> None:
        if self._session.is_open:
            await self._session.close()
            self._on_closed("the connection was cut")

    @property
    def is_open(self) -> bool:
        return self._session.is_open

    async def declare(self, topology: Topology) -> None:
        await self._session.declare(topology)

    async def unbind(self, bindings: Sequence[Binding]) -> None:
        await self._session.unbind(bindings)

    async def delete_queue(self, name: str) -> None:
        await self._session.delete_queue(name)

    async def purge_queue(self, name: str) -> int:
        return await self._session.purge_queue(name)

    async def queue_depth(self, name: str) -> int | None:
        return await self._session.queue_depth(name)

    async def has_consumers(self, name: str) -> bool:
        return await self._session.has_consumers(name)

    async def mark_queue(self, name: str) -> None:
        await self._session.mark_queue(name)

    async def has_mark(self, name: str) -> bool:
        return await self._session.has_mark(name)

    async def open_publisher(self, *, on_closed: OnClosed) -> Publisher:
        return FlakyPublisher(self._broker, await self._session.open_publisher(on_closed=on_closed))

    async def open_consumer(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: OnDelivery,
        on_closed: OnClosed,
        gathers: bool = False,
    ) -> Consumer:
        return await self._session.open_consumer(
            queue, prefetch=prefetch, on_delivery=on_delivery, on_closed=on_closed, gathers=gathers
        )

    async def close(self) -> None:
        await self._session.close()


class FlakyPublisher:
    """Port: `Publisher`."""

    def __init__(self, broker: FlakyBroker, publisher: Publisher) -> None:
        self._broker = broker
        self._publisher = publisher

    @property
    def is_open(self) -> bool:
        return self._publisher.is_open

    def publish(self, batch: Sequence[Outgoing]) -> None:
        self._broker.batches.append([outgoing.message.message_id for outgoing in batch])
        for outgoing in batch:
            if self._broker.outcomes:
                outgoing.on_outcome(self._broker.outcomes.popleft())
            else:
                self._publisher.publish([outgoing])

    async def close(self) -> None:
        await self._publisher.close()
