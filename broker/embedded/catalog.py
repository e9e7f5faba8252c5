"""Which exchanges, queues and bindings exist, and where a message goes. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from dalsegno.broker.embedded.queue_state import QueueState
from dalsegno.broker.embedded.ready_line import SharedMemory
from dalsegno.broker.embedded.steps import (
    Change,
    CreateBindings,
    CreateExchanges,
    CreateQueue,
    DropBindings,
    DropQueue,
)
from dalsegno.broker.port import Binding, Queue, Topology
from dalsegno.errors import TopologyError

MAX_NAME_BYTES = 255
"""AMQP's limit, so that a topology fits every broker."""


class Catalog:
    """Every method that changes something returns the changes the file must follow; none means none needed."""

    def __init__(self) -> None:
        self.queues: dict[str, QueueState] = {}
        self._routes: dict[str, dict[str, list[QueueState]]] = {}
        self._next_number = 1
        self.in_file = SharedMemory()
        """Of queues that are in the file: what they have in memory beside it."""
        self.in_memory = SharedMemory()
        """Of those that live in memory alone, with their sessions."""

    def restore(
        self,
        exchanges: Iterable[str],
        queues: Iterable[QueueState],
        bindings: Iterable[tuple[str, str, int]],
    ) -> None:
        """Take over what the file holds; the bindings name their queues by number."""
        by_number: dict[int | None, QueueState] = {}
        for exchange in exchanges:
            self._routes[exchange] = {}
        for queue in queues:
            by_number[queue.number] = self._add(queue)
            self._next_number = max(self._next_number, (queue.number or 0) + 1)
        for name, routing_key, number in bindings:
            self._routes[name].setdefault(routing_key, []).append(by_number[number])

    def route(self, exchange: str, routing_key: str) -> Sequence[QueueState] | None:
        """The queues that a message goes to; None when there is no such exchange."""
        if not exchange:
            queue = self.queues.get(routing_key)
            return () if queue is None else (queue,)
        keys = self._routes.get(exchange)
        return None if keys is None else keys.get(routing_key, ())

    def declare(self, topology: Topology, session: int) -> list[Change]:
        """All or nothing. Raises TopologyError for what exists with other arguments or is not there to bind."""
        _check_names(topology)
        for definition in topology.queues:
            self._check_queue(definition, session)
        self._check_bindings(topology, session)
        changes: list[Change] = []
        new_exchanges = [exchange for exchange in topology.exchanges if exchange.name not in self._routes]
        for exchange in new_exchanges:
            self._routes[exchange.name] = {}
        if new_exchanges:
            changes.append(CreateExchanges(new_exchanges))
        for definition in topology.queues:
            changes += self._create_queue(definition, session)
        return changes + self._bind(topology.bindings)

    def unbind(self, bindings: Sequence[Binding]) -> list[Change]:
        """Drop bindings; one that does not exist is ordinary."""
        dropped: list[tuple[Binding, int]] = []
        for binding in bindings:
            queue = self.queues.get(binding.queue)
            bound = self._routes.get(binding.exchange, {}).get(binding.routing_key, [])
            if queue is None or queue not in bound:
                continue
            bound.remove(queue)
            if queue.number is not None:
                dropped.append((binding, queue.number))
        return [DropBindings(dropped)] if dropped else []

    def delete(self, queue: QueueState) -> list[Change]:
        del self.queues[queue.name]
        queue.is_deleted = True
        queue.line.clear()
        for keys in self._routes.values():
            for bound in keys.values():
                if queue in bound:
                    bound.remove(queue)
        return [] if queue.number is None else [DropQueue(queue.number)]

    def owned(self, name: str, session: int) -> QueueState | None:
        """The queue of that name; TopologyError when it is exclusive to another session."""
        queue = self.queues.get(name)
        if queue is not None and queue.owner not in (None, session):
            raise TopologyError(
                f"Queue {name!r} belongs exclusively to another session: use another name, or close that one."
            )
        return queue

    def _check_queue(self, definition: Queue, session: int) -> None:
        existing = self.owned(definition.name, session)
        if existing is None or existing.definition == definition:
            return
        differences = ", ".join(
            f"{field.name} is {there!r}, not {wanted!r}"
            for field in fields(Queue)
            if (there := getattr(existing.definition, field.name))
            != (wanted := getattr(definition, field.name))
        )
        raise TopologyError(
            f"Queue {definition.name!r} exists with other arguments ({differences}): "
            "declare it as it is, or delete it first."
        )

    def _check_bindings(self, topology: Topology, session: int) -> None:
        exchanges = self._routes.keys() | {exchange.name for exchange in topology.exchanges}
        queues = {queue.name for queue in topology.queues}
        for binding in topology.bindings:
            where = f"Cannot bind queue {binding.queue!r} to exchange {binding.exchange!r}"
            if binding.exchange not in exchanges:
                raise TopologyError(f"{where}: there is no such exchange; declare it first.")
            if binding.queue not in queues and self.owned(binding.queue, session) is None:
                raise TopologyError(f"{where}: there is no such queue; declare it first.")

    def _create_queue(self, definition: Queue, session: int) -> list[Change]:
        if definition.name in self.queues:
            return []
        if not definition.durable:
            self._add(QueueState(definition, number=None, owner=session))
            return []
        number = self._next_number
        self._next_number += 1
        self._add(QueueState(definition, number=number))
        return [CreateQueue(number, definition)]

    def _add(self, queue: QueueState) -> QueueState:
        queue.line.share(self.in_memory if queue.number is None else self.in_file)
        self.queues[queue.name] = queue
        return queue

    def _bind(self, bindings: Sequence[Binding]) -> list[Change]:
        created: list[tuple[Binding, int]] = []
        for binding in bindings:
            queue = self.queues[binding.queue]
            bound = self._routes[binding.exchange].setdefault(binding.routing_key, [])
            if queue in bound:
                continue
            bound.append(queue)
            if queue.number is not None:
                created.append((binding, queue.number))
        return [CreateBindings(created)] if created else []


def _check_names(topology: Topology) -> None:
    names = [exchange.name for exchange in topology.exchanges] + [queue.name for queue in topology.queues]
    keys = [binding.routing_key for binding in topology.bindings]
    for name in names + keys:
        # "surrogatepass", because what UTF-8 does not know must be named, not raise something else here.
        if len(name.encode(errors="surrogatepass")) > MAX_NAME_BYTES or not name.isprintable():
            raise TopologyError(
                f"{name[:MAX_NAME_BYTES]!r} cannot be a name or routing key: "
                f"take at most {MAX_NAME_BYTES} bytes of printable text."
            )
    if "" in names:
        raise TopologyError("Exchanges and queues need a name that is not empty.")
