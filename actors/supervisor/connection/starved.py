"""Consumers that are given nothing although their queues have messages. It happens that a broker forgets whom
it was to deliver to (a lost cancellation, a defect of single active consumers)."""

from __future__ import annotations

from dalsegno.actors.supervisor.connection.services import Service
from dalsegno.actors.supervisor.deliveries.channel import Channel
from dalsegno.broker import topology
from dalsegno.broker.port import Session
from dalsegno.errors import DalsegnoError

WATCH_SECONDS = 10.0
"""Between two looks; the second decides."""

STARVED = "it was given nothing although its queue has messages"


class StarvedWatch:
    """Over those of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: dict[Channel | Service, int] = {}
        self._suspects: dict[Channel | Service, int] = {}

    def look_again(self) -> None:
        """Another look at all of them begins."""
        self._before, self._suspects = self._suspects, {}

    async def is_starved(self, consumer: Channel | Service) -> bool:
        """It was found so at both looks, and has been given nothing in between, nor since."""
        last = _last_delivered(consumer)
        if last is None or not await self._has_messages(_queue_of(consumer)):
            return False
        if self._before.get(consumer) == last == _last_delivered(consumer):
            return True
        self._suspects[consumer] = last
        return False

    async def _has_messages(self, queue: str) -> bool:
        try:
            return bool(await self._session.queue_depth(queue))
        except DalsegnoError:
            return False  # the session is ending, or the broker is too busy to tell


def _queue_of(consumer: Channel | Service) -> str:
    if isinstance(consumer, Service):
        return consumer.name
    return topology.partition_queue(consumer.partition)


def _last_delivered(consumer: Channel | Service) -> int | None:
    """None for one that is not to be given more now."""
    if isinstance(consumer, Service):
        return consumer.last_delivered
    return None if consumer.window.open else consumer.window.last_delivered
