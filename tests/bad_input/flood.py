"""The corpus, sent into every queue of a running namespace, and what comes back out of it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from dalsegno.broker import topology
from dalsegno.broker.port import Consumer, Delivery, Message, Outcome, Outgoing, Publisher, Session
from dalsegno.broker.url import open_broker
from dalsegno.client import Client
from tests.bad_input.corpus import Case, corpus
from tests.partition_ids import nth
from tests.system.stack import Stack, until

PARTITIONS = 16
IN_FLIGHT_MAX = 400
SAMPLES = 7
"""Into how many parts the corpus is cut; each queue that is not a partition's gets one of them."""
SETTLE_SECONDS = 60.0

Sending = tuple[str, Case]
"""A queue, and what goes into it."""


def into_partitions(stack: Stack) -> Iterator[Sending]:
    """The whole corpus, dealt out to the partitions."""
    for number, case in enumerate(_sendable(stack)):
        yield topology.partition_queue(nth(number % PARTITIONS)), case


def into_each(queues: Sequence[str], stack: Stack) -> Iterator[Sending]:
    """A part of the corpus for each of these queues, never the same for two that lie side by side."""
    for number, queue in enumerate(queues):
        for case in _sendable(stack)[number % SAMPLES :: SAMPLES]:
            # With an ID of its own it is the same message wherever it is sent, and dies once.
            if not case.has_own_id:
                yield queue, case


def _sendable(stack: Stack) -> list[Case]:
    return [case for case in corpus() if case.fits_amqp or stack.broker.startswith("embedded")]


def queue_of_worker(stack: Stack) -> str:
    (worker,) = stack.workers
    (identity,) = re.findall(r'"name": "([^"]+)", "event": "broker_session_ready"', worker.log)
    return topology.worker_queue(identity)


def queue_of_host(stack: Stack) -> str:
    (host,) = stack.hosts
    return topology.host_queue(host.host_id)


def queue_of_client(client: Client) -> str:
    link = client._engine.links._link
    assert link is not None, "the client has asked nothing yet"
    return link.reply_to


class Flood:
    """A bare session that publishes cases and collects dead letters; a context manager."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.dead: list[Message] = []
        self.outcomes: Counter[Outcome] = Counter()
        self._sent = 0

    async def __aenter__(self) -> Self:
        self._session: Session = await open_broker(self._stack.broker).connect(on_closed=_broken, name="flood")
        self._publisher: Publisher = await self._session.open_publisher(on_closed=_broken)
        self._consumer: Consumer = await self._session.open_consumer(
            topology.DEAD_QUEUE, prefetch=IN_FLIGHT_MAX, on_delivery=self._bury, on_closed=_broken
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def _bury(self, delivery: Delivery) -> None:
        self.dead.append(delivery.message)
        self._consumer.acknowledge(delivery.tag)

    async def send(self, sendings: Iterator[Sending]) -> Counter[str]:
        """Returns when all is confirmed; how many went into each queue."""
        counts: Counter[str] = Counter()
        for queue, case in sendings:
            message_id = case.message.message_id if case.has_own_id else f"bad-{self._sent}"
            self._publish(queue, replace(case.message, message_id=message_id))
            counts[queue] += 1
            if self._sent - self.outcomes.total() >= IN_FLIGHT_MAX:
                await until(lambda: self._sent - self.outcomes.total() < IN_FLIGHT_MAX / 2, "confirms come")
        await self._until_confirmed()
        return counts

    def _settled(self, outcome: Outcome) -> None:
        self.outcomes[outcome] += 1

    async def send_messages(self, queue: str, messages: Iterable[Message]) -> int:
        """As `send`, for messages that are no cases; how many there were."""
        count = 0
        for message in messages:
            self._publish(queue, message)
            count += 1
        await self._until_confirmed()
        return count

    def _publish(self, queue: str, message: Message) -> None:
        self._sent += 1
        self._publisher.publish([Outgoing("", queue, message, self._settled)])

    async def _until_confirmed(self) -> None:
        await until(lambda: self.outcomes.total() == self._sent, "everything is confirmed")
        assert self.outcomes.keys() <= {Outcome.CONFIRMED}

    async def until_dead(self, count: int) -> None:
        """Wait for so many dead letters, and see that no more come behind them."""
        await until(lambda: len(self.dead) >= count, f"{count} messages are dead", seconds=SETTLE_SECONDS)
        await asyncio.sleep(0)
        assert await self._session.queue_depth(topology.DEAD_QUEUE) == 0
        assert len(self.dead) == count


def _broken(reason: str) -> None:
    raise AssertionError(f"the flood's own session has ended: {reason}")
