"""A broker in memory, behind the same port, whose answers a test decides.

Without instructions every publish is routed and confirmed in the next turn of the loop. `verdict` decides
otherwise: it gives the outcome of a message, or None to leave it without an answer until the session breaks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from dalsegno.broker.port import (
    Binding,
    Delivery,
    Fault,
    Message,
    OnClosed,
    OnDelivery,
    Outcome,
    Outgoing,
    Topology,
)
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, TopologyError

Verdict = Callable[[Outgoing], Outcome | None]


def confirmed(outgoing: Outgoing) -> Outcome:
    return Outcome.CONFIRMED


class FakeBroker:
    def __init__(self) -> None:
        self.queues: dict[str, FakeQueue] = {}
        self.bindings: dict[tuple[str, str], list[str]] = {}
        self.sessions: list[FakeSession] = []
        self.published: list[Outgoing] = []
        """Everything that was published, in order, whatever became of it."""
        self.journal: list[tuple[str, Message]] = []
        """What was "confirmed" to a publisher and "acknowledged" by a consumer, in order."""
        self.verdict: Verdict = confirmed
        self.takes_bytes = 2**24
        """A larger message costs the channel that it is published on."""
        self.costs_session = False
        """So does it the whole session."""
        self.available = True
        self.misconfigured = False
        self.locked: set[str] = set()
        """Queues that an older connection still holds."""

    async def connect(self, *, on_closed: OnClosed, name: str = "dalsegno") -> FakeSession:
        if not self.available:
            raise BrokerUnavailableError("the broker is away")
        if self.misconfigured:
            raise ConfigurationError("the password is wrong")
        session = FakeSession(self, on_closed, name)
        self.sessions.append(session)
        return session

    def break_sessions(self) -> None:
        """The connections of workers are lost; what is unacknowledged returns to its queue."""
        for session in list(self.sessions):
            if session.name != "engine":
                session.end("the connection was lost")

    def close_publishers(self, reason: str) -> None:
        """The broker closes the publishing channels of workers, and nothing else."""
        for session in self.sessions:
            if session.name != "engine":
                session.close_publishers(reason)

    def put(self, queue: str, message: Message, *, returns: int = 0) -> None:
        """`returns`: as often it came back before."""
        self.queues[queue].put(message, returns)

    def idle(self, queue: str) -> bool:
        """Nothing is ready and nothing unacknowledged."""
        held = self.queues[queue]
        return not held.ready and not any(consumer.unacknowledged for consumer in held.consumers)

    def route(self, outgoing: Outgoing) -> bool:
        names = self.bindings.get((outgoing.exchange, outgoing.routing_key), [])
        if not outgoing.exchange and outgoing.routing_key in self.queues:
            names = [outgoing.routing_key]
        for name in names:
            self.put(name, outgoing.message)
        return bool(names)


class FakeQueue:
    def __init__(self) -> None:
        self.ready: deque[tuple[Message, int]] = deque()
        """Each with how often it came back."""
        self.consumers: list[FakeConsumer] = []
        self._due = False

    def put(self, message: Message, returns: int = 0) -> None:
        self.ready.append((message, returns))
        self.deliver_soon()

    def give_back(self, messages: Sequence[tuple[Message, int]]) -> None:
        self.ready.extendleft((message, returns + 1) for message, returns in reversed(messages))
        self.deliver_soon()

    def deliver_soon(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._due = False
        for consumer in self.consumers:
            while self.ready and len(consumer.unacknowledged) < consumer.prefetch:
                consumer.deliver(*self.ready.popleft())


class FakeSession:
    def __init__(self, broker: FakeBroker, on_closed: OnClosed, name: str) -> None:
        self.broker = broker
        self.name = name
        self.is_open = True
        self.is_blocked = False
        self.channel_max = None
        self._on_closed = on_closed
        self._channels: list[FakeConsumer | FakePublisher] = []
        self._own_queues: list[str] = []

    def end(self, reason: str | None) -> None:
        """With a reason it is a breakdown, without one a farewell."""
        if not self.is_open:
            return
        self.is_open = False
        self.broker.sessions.remove(self)
        for channel in self._channels:
            channel.end(reason)
        for name in self._own_queues:
            self.broker.queues.pop(name, None)
        if reason is not None:
            asyncio.get_running_loop().call_soon(self._on_closed, reason)

    def close_publishers(self, reason: str) -> None:
        for channel in self._channels:
            if isinstance(channel, FakePublisher):
                channel.end(reason)

    async def declare(self, topology: Topology) -> None:
        self._require_open()
        for queue in topology.queues:
            if queue.name in self.broker.locked:
                raise BrokerUnavailableError(f"{queue.name} belongs to another connection")
            self.broker.queues.setdefault(queue.name, FakeQueue())
            if not queue.durable:
                self._own_queues.append(queue.name)
        for binding in topology.bindings:
            self.broker.bindings.setdefault((binding.exchange, binding.routing_key), []).append(binding.queue)

    async def unbind(self, bindings: Sequence[Binding]) -> None:
        for binding in bindings:
            self.broker.bindings[binding.exchange, binding.routing_key].remove(binding.queue)

    async def delete_queue(self, name: str) -> None:
        self.broker.queues.pop(name, None)

    async def purge_queue(self, name: str) -> int:
        ready = self.broker.queues[name].ready
        count = len(ready)
        ready.clear()
        return count

    async def queue_depth(self, name: str) -> int | None:
        self._require_open()
        await asyncio.sleep(0)
        queue = self.broker.queues.get(name)
        return None if queue is None else len(queue.ready)

    async def has_consumers(self, name: str) -> bool:
        self._require_open()
        await asyncio.sleep(0)
        queue = self.broker.queues.get(name)
        return queue is not None and bool(queue.consumers)

    async def mark_queue(self, name: str) -> None:
        self._require_open()

    async def has_mark(self, name: str) -> bool:
        return await self.queue_depth(name) is not None

    async def open_publisher(self, *, on_closed: OnClosed) -> FakePublisher:
        self._require_open()
        publisher = FakePublisher(self.broker, on_closed)
        self._channels.append(publisher)
        return publisher

    async def open_consumer(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: OnDelivery,
        on_closed: OnClosed,
        gathers: bool = False,
    ) -> FakeConsumer:
        self._require_open()
        if queue not in self.broker.queues:
            raise TopologyError(f"there is no queue {queue!r}")
        consumer = FakeConsumer(self.broker, queue, prefetch, on_delivery, on_closed)
        self._channels.append(consumer)
        return consumer

    async def close(self) -> None:
        self.end(None)

    def _require_open(self) -> None:
        if not self.is_open:
            raise BrokerUnavailableError("the session is closed")


class FakePublisher:
    def __init__(self, broker: FakeBroker, on_closed: OnClosed) -> None:
        self.is_open = True
        self._broker = broker
        self._on_closed = on_closed
        self._unanswered: list[Outgoing] = []
        self.fault = Fault.NONE

    def publish(self, batch: Sequence[Outgoing]) -> None:
        loop = asyncio.get_running_loop()
        for outgoing in batch:
            self._broker.published.append(outgoing)
            outcome = self._broker.verdict(outgoing) if self.is_open else Outcome.LOST
            if self.fault is Fault.MESSAGE:
                self._unanswered.append(outgoing)
                continue
            if len(outgoing.message.body) > self._broker.takes_bytes and self.is_open:
                self._unanswered.append(outgoing)
                self.fault = Fault.MESSAGE
                if self._broker.costs_session:
                    loop.call_soon(self._broker.break_sessions)
                else:
                    loop.call_soon(self.end, "PRECONDITION_FAILED - the message is larger than the max size")
                continue
            if outcome is Outcome.CONFIRMED and not self._broker.route(outgoing):
                outcome = Outcome.RETURNED
            if outcome is Outcome.CONFIRMED:
                self._broker.journal.append(("confirmed", outgoing.message))
            if outcome is None:
                self._unanswered.append(outgoing)
            else:
                loop.call_soon(outgoing.on_outcome, outcome)

    def end(self, reason: str | None) -> None:
        if not self.is_open:
            return
        self.is_open = False
        loop = asyncio.get_running_loop()
        for outgoing in self._unanswered:
            loop.call_soon(outgoing.on_outcome, Outcome.LOST)
        if reason is not None:
            loop.call_soon(self._on_closed, reason)

    async def close(self) -> None:
        self.end(None)


class FakeConsumer:
    def __init__(
        self, broker: FakeBroker, name: str, prefetch: int, on_delivery: OnDelivery, on_closed: OnClosed
    ) -> None:
        self.is_open = True
        self.prefetch = prefetch
        self.unacknowledged: dict[int, tuple[Message, int]] = {}
        self._journal = broker.journal
        self._queue = broker.queues[name]
        self._name = name
        self._tag = 0
        self._on_delivery = on_delivery
        self._on_closed = on_closed
        self._queue.consumers.append(self)
        self._queue.deliver_soon()

    def deliver(self, message: Message, returns: int) -> None:
        self._tag += 1
        self.unacknowledged[self._tag] = message, returns
        self._on_delivery(Delivery(message, self._tag, returns > 0, "", self._name, returns))

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        if not self.is_open:
            return
        assert tag in self.unacknowledged, f"a broker closes the channel for the unknown tag {tag}"
        for known in [known for known in self.unacknowledged if known <= tag] if multiple else [tag]:
            message, _ = self.unacknowledged.pop(known)
            self._journal.append(("acknowledged", message))
        self._queue.deliver_soon()

    def dead_letter(self, tag: int) -> None:
        raise NotImplementedError("workers publish dead letters, with the reason")

    async def cancel(self) -> None:
        if self in self._queue.consumers:
            self._queue.consumers.remove(self)

    def end(self, reason: str | None) -> None:
        if not self.is_open:
            return
        self.is_open = False
        if self in self._queue.consumers:
            self._queue.consumers.remove(self)
        self._queue.give_back(list(self.unacknowledged.values()))
        self.unacknowledged.clear()
        if reason is not None:
            asyncio.get_running_loop().call_soon(self._on_closed, reason)

    async def close(self) -> None:
        self.end(None)
