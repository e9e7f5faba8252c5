"""The queues that every host consumes beside its partitions': control, dead tasks, its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dalsegno.actors.supervisor.state_log import StateLog
from dalsegno.broker.port import Consumer, Delivery, Session, Topology
from dalsegno.errors import DalsegnoError

OnService = Callable[[Delivery, Consumer], None]

PREFETCH = 20
AGAIN_SECONDS = 1.0


class Service:
    """One such queue, consumed on one session after the other until `stop`."""

    def __init__(self, name: str, topology: Topology, on_delivery: OnService, said: StateLog) -> None:
        """`topology` is what must exist, so that what is sent to the queue arrives."""
        self.name = name
        self._topology = topology
        self._on_delivery = on_delivery
        self._said = said
        self._consumer: Consumer | None = None
        self._session: Session | None = None

    async def serve(self, session: Session) -> None:
        """Until the session is gone, or another one is served, or `stop`. A queue that is deleted meanwhile is
        declared anew."""
        self._session = session
        while self._session is session and session.is_open:
            closed = asyncio.Event()
            try:
                await session.declare(self._topology)
                self._consumer = await session.open_consumer(
                    self.name,
                    prefetch=PREFETCH,
                    on_delivery=self._deliver,
                    on_closed=lambda _, e=closed: e.set(),  # type: ignore[misc]
                )
                self._said.well("queue_consumed_again", self.name)
                await closed.wait()
            except DalsegnoError as error:
                self._said.trouble("queue_not_consumed", self.name, str(error))
            await asyncio.sleep(AGAIN_SECONDS)

    def _deliver(self, delivery: Delivery) -> None:
        assert self._consumer is not None, "no callback comes before the consumer is returned"
        self._on_delivery(delivery, self._consumer)

    async def stop(self) -> None:
        """Consume it no more, and delete it: nobody else ever reads it."""
        session, self._session = self._session, None
        if session is not None and session.is_open:
            await session.delete_queue(self.name)
