"""The queues that every host consumes beside its partitions': control, dead tasks, its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.state_log import StateLog
from dalsegno.broker.port import Consumer, Delivery, Session, Topology
from dalsegno.errors import DalsegnoError

log = get_logger()

PREFETCH = 20
AGAIN_SECONDS = 1.0


class Acknowledger(Protocol):
    """The part of broker.port.Consumer that whoever takes deliveries needs."""

    @property
    def is_open(self) -> bool: ...

    def acknowledge(self, tag: int) -> None: ...


OnService = Callable[[Delivery, Acknowledger], None]


class Service:
    """One such queue, consumed on one session after the other until `stop`."""

    def __init__(self, name: str, topology: Topology, on_delivery: OnService, said: StateLog) -> None:
        """`topology` is what must exist, so that what is sent to the queue arrives."""
        self.name = name
        self._topology = topology
        self._on_delivery = on_delivery
        self._said = said
        self._sitting: _Sitting | None = None
        self._session: Session | None = None

    async def serve(self, session: Session) -> None:
        """Until the session is gone, or another one is served, or `stop`. A queue that is deleted meanwhile is
        declared anew."""
        self._session = session
        while self._session is session and session.is_open:
            sitting = _Sitting(self._on_delivery)
            try:
                await session.declare(self._topology)
                sitting.consumer = await session.open_consumer(
                    self.name,
                    prefetch=PREFETCH,
                    on_delivery=sitting.deliver,
                    on_closed=lambda _, s=sitting: s.closed.set(),  # type: ignore[misc]
                )
                self._sitting = sitting
                self._said.well("queue_consumed_again", self.name)
                await sitting.closed.wait()
            except DalsegnoError as error:
                self._said.trouble("queue_not_consumed", self.name, str(error))
            await asyncio.sleep(AGAIN_SECONDS)

    @property
    def last_delivered(self) -> int | None:
        """The number of what was delivered last, when nothing is unacknowledged; None when it does not wait for
        anything."""
        sitting = self._sitting
        return None if sitting is None or not sitting.is_idle else sitting.delivered

    async def rebuild(self, reason: str) -> None:
        """The consumer may be deaf: another takes its place."""
        sitting = self._sitting
        if sitting is not None and sitting.consumer is not None and not sitting.closed.is_set():
            log.warning("consumer_rebuilt", queue=self.name, reason=reason)
            await sitting.consumer.close()
            sitting.closed.set()

    async def stop(self) -> None:
        """Consume it no more, and delete it: nobody else ever reads it."""
        session, self._session = self._session, None
        if session is not None and session.is_open:
            await session.delete_queue(self.name)


class _Sitting:
    """One consumer, from its opening to its end."""

    def __init__(self, on_delivery: OnService) -> None:
        self._on_delivery = on_delivery
        self.consumer: Consumer | None = None
        self.closed = asyncio.Event()
        self.delivered = 0
        self._acknowledged = 0

    def deliver(self, delivery: Delivery) -> None:
        self.delivered += 1
        self._on_delivery(delivery, self)

    @property
    def is_open(self) -> bool:
        return self.consumer is not None and self.consumer.is_open

    @property
    def is_idle(self) -> bool:
        return self.is_open and self.delivered == self._acknowledged

    def acknowledge(self, tag: int) -> None:
        if self.consumer is not None:
            self._acknowledged += 1
            self.consumer.acknowledge(tag)
