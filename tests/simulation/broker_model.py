"""The broker: what broker.port promises, no more, and every way in which it may disappoint.

A publish that arrives is stored and then confirmed, as quorum queues do: what was delivered or confirmed
survives a restart of the broker; what is still on its way does not. Confirms may be late, and come in any
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Protocol

from dalsegno.broker.port import Delivery, Fault, Message, OnDelivery, Outcome, Outgoing, Queue, Topology
from tests.simulation.connection import Connection
from tests.simulation.consumers import ModelConsumer
from tests.simulation.faults import Faults
from tests.simulation.publishers import ModelPublisher
from tests.simulation.queues import ModelQueue, Stored
from tests.simulation.scheduler import SECOND, Process, Scheduler

CULPRIT = b"the broker closes the channel over this"
"""A body that holds it is too much for the broker, each time."""


class Tap(Protocol):
    """Sees all that passes the broker."""

    def arrived(self, sender: str, outgoing: Outgoing) -> None: ...

    def settled(self, outgoing: Outgoing, outcome: Outcome) -> None: ...

    def acknowledged(self, process: str, queue: str, stored: Stored, given: Delivery) -> None: ...

    def unsendable(self, message_id: str) -> None: ...

    def may_be_disturbed(self, sender: str) -> bool:
        """Not while it looks for the message that closed its channel: it would blame another."""

    def purged(self, queue: str, messages: Iterable[Message]) -> None: ...


class BrokerModel:
    def __init__(
        self, scheduler: Scheduler, random: Random, faults: Faults, tap: Tap, topology: Topology
    ) -> None:
        self.scheduler = scheduler
        self.random = random
        self.faults = faults
        self.tap = tap
        self.queues: dict[str, ModelQueue] = {}
        self.connections: list[Connection] = []
        self.is_up = True
        self._bindings: dict[tuple[str, str], list[str]] = {}
        self._dead_letters: dict[str, tuple[str, str]] = {}
        self.declare(topology.queues)
        for binding in topology.bindings:
            self._bindings.setdefault((binding.exchange, binding.routing_key), []).append(binding.queue)

    def latency(self) -> int:
        if self.faults.happens("frame delayed"):
            return self.random.randrange(1_000, SECOND)
        return self.random.randrange(100, 1_000)

    # --- what processes ask for ------------------------------------------------------------------------------

    def connect(
        self,
        process: Process,
        *,
        opened: Callable[[Connection], None],
        refused: Callable[[], None],
        on_closed: Callable[[str], None],
        held_bytes: int | None = None,
    ) -> None:
        def arrive() -> None:
            if not self.is_up or self.faults.happens("connection refused"):
                process.after(self.latency(), refused)
                return
            connection = Connection(self, process, on_closed, held_bytes=held_bytes)
            self.connections.append(connection)
            connection.to_process(lambda: opened(connection))

        process.after(self.latency(), arrive)

    def declare(self, queues: Iterable[Queue], owner: Connection | None = None) -> None:
        for spec in queues:
            if spec.name not in self.queues:
                self.queues[spec.name] = ModelQueue(self, spec)
                if not spec.durable and owner is not None:
                    owner.own_queues.append(spec.name)

    def open_publisher(
        self,
        connection: Connection,
        *,
        opened: Callable[[ModelPublisher], None],
        on_closed: Callable[[str], None],
    ) -> None:
        def arrive() -> None:
            publisher = ModelPublisher(connection, on_closed)
            connection.publishers.append(publisher)
            connection.to_process(lambda: opened(publisher))

        connection.to_broker(arrive)

    def open_consumer(
        self,
        connection: Connection,
        queue: str,
        *,
        prefetch: int,
        on_delivery: OnDelivery,
        on_closed: Callable[[str], None],
        opened: Callable[[ModelConsumer | None], None],
    ) -> None:
        """`opened` with None: there is no such queue."""

        def arrive() -> None:
            known = self.queues.get(queue)
            if known is None:
                connection.to_process(lambda: opened(None))
                return
            consumer = ModelConsumer(connection, known, prefetch, on_delivery, on_closed)
            connection.consumers.append(consumer)
            connection.to_process(lambda: opened(consumer))
            known.join(consumer)

        connection.to_broker(arrive)

    def depth(self, queue: str) -> int | None:
        known = self.queues.get(queue)
        return None if known is None else len(known.ready)

    # --- messages --------------------------------------------------------------------------------------------

    def closes_channel(self, sender: str, outgoing: Outgoing) -> Fault:
        """The broker won't have this message, or has a fit, or misses a right."""
        if CULPRIT in outgoing.message.body:
            self.tap.unsendable(outgoing.message.message_id or "")
            return Fault.MESSAGE
        if self.faults.happens("publish refused for its exchange"):
            return Fault.TARGET
        has_fit = self.tap.may_be_disturbed(sender) and self.faults.happens("publish closes the channel")
        return Fault.MESSAGE if has_fit else Fault.NONE

    def accept(self, outgoing: Outgoing) -> Outcome:
        """Store a message that has arrived in the queues that it is for."""
        names = self._route(outgoing.exchange, outgoing.routing_key)
        queues = [self.queues[name] for name in names if name in self.queues]
        if not queues:
            outcome = Outcome.RETURNED
        elif any(queue.refuses_until > self.scheduler.now for queue in queues) or self.faults.happens(
            "confirm refused"
        ):
            outcome = Outcome.REFUSED
        else:
            outcome = Outcome.CONFIRMED
        self.tap.settled(outgoing, outcome)
        if outcome is Outcome.CONFIRMED:
            for queue in queues:
                queue.put(Stored(outgoing))
        return outcome

    def _route(self, exchange: str, routing_key: str) -> list[str]:
        return [routing_key] if exchange == "" else self._bindings.get((exchange, routing_key), [])

    def dead_letter(self, spec: Queue, stored: Stored) -> None:
        if spec.dead_letter_exchange is not None:
            for name in self._route(spec.dead_letter_exchange, spec.dead_letter_routing_key or ""):
                self.queues[name].put(Stored(stored.outgoing))

    # --- faults ----------------------------------------------------------------------------------------------

    def forget(self, connection: Connection) -> None:
        self.connections.remove(connection)
        for name in connection.own_queues:
            self.queues.pop(name, None)

    def process_died(self, process: Process, *, cut: bool) -> None:
        """With `cut`, the broker hears of it before what the process sent last."""
        for connection in [known for known in self.connections if known.process is process]:
            connection.abandon(cut=cut)

    def restart(self, microseconds: int) -> None:
        """Down for a while; what was stored is there again, what was on its way is not."""
        self.is_up = False
        self.scheduler.trace("broker", f"is down for {microseconds / SECOND:.2f} s")
        for connection in list(self.connections):
            connection.break_down("the broker stopped")
        self.scheduler.after(microseconds, self._up)

    def _up(self) -> None:
        self.is_up = True
        self.scheduler.trace("broker", "is up")

    def purge(self, queue: str, *, delete: bool) -> None:
        """Somebody purges or deletes a queue: what is ready in it is lost."""
        known = self.queues[queue]
        self.scheduler.trace("broker", f"{'deletes' if delete else 'purges'} {queue} ({len(known.ready)})")
        self.tap.purged(queue, [stored.outgoing.message for stored in known.ready])
        known.ready.clear()
        if delete:
            lost = [stored.outgoing.message for stored in known.everything()]
            self.tap.purged(queue, lost)
            del self.queues[queue]
            for consumer in list(known.consumers):
                consumer.held.clear()
                consumer.kick("the queue was deleted")

    def block_publishers(self, microseconds: int) -> None:
        """An alarm: connections that publish are not read."""
        for connection in self.connections:
            pipe = connection.publishing[0]
            pipe.silent_until = max(pipe.silent_until, self.scheduler.now + microseconds)
            connection.blocked_until = self.scheduler.now + microseconds
