"""The broker's state machine: pure, without I/O, clock or tasks.

Calls change the state at once and put what must happen into `output`: deliveries, outcomes and closed channels
for the sessions, steps for the file, pages to read from it. What was published becomes ready, and its
outcome known, with `committed`; so nothing is delivered that a crash could take back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from dalsegno.broker.embedded.catalog import Catalog
from dalsegno.broker.embedded.queue_state import ConsumerState, Handout, QueueState
from dalsegno.broker.embedded.ready_line import Item, PageRequest
from dalsegno.broker.embedded.steps import Burial, Publication, PublisherState, PurgeRange, Step, Write, row_id
from dalsegno.broker.held_bytes import HeldBytes
from dalsegno.broker.message_bytes import with_cause_of_death
from dalsegno.broker.port import Binding, Outcome, Topology
from dalsegno.errors import TopologyError

REJECTED = "rejected"
DELIVERY_LIMIT = "delivery_limit"


@dataclass(slots=True)
class Output:
    """What the calls since the last look want done, each list in order."""

    deliveries: list[Handout] = field(default_factory=list)
    outcomes: list[tuple[PublisherState, int, Outcome]] = field(default_factory=list)
    closed: list[tuple[int, int, str]] = field(default_factory=list)
    """Session, channel and reason."""
    pages: list[tuple[QueueState, PageRequest]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    is_urgent: bool = False
    """Somebody waits for the steps to be durable; removals and marks alone can wait for company."""

    def write(self) -> Write:
        """The Write step at the end; what comes after a topology change gets a new one."""
        if self.steps and isinstance(last := self.steps[-1], Write):
            return last
        write = Write()
        self.steps.append(write)
        return write


class Model:
    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.output = Output()
        self._sessions: dict[int, dict[int, PublisherState | ConsumerState]] = {}
        self._bytes: dict[int, HeldBytes] = {}
        """Of the sessions that have a limit."""
        self._stranded: dict[QueueState, None] = {}

    # -- topology ----------------------------------------------------------------------------------

    def declare(self, topology: Topology, session: int) -> bool:
        """True when the file must follow. Raises TopologyError, and then nothing changed."""
        changes = self.catalog.declare(topology, session)
        self._change(changes)
        self.retry_stranded()
        return bool(changes)

    def unbind(self, bindings: Sequence[Binding]) -> bool:
        changes = self.catalog.unbind(bindings)
        self._change(changes)
        return bool(changes)

    def delete_queue(self, name: str, session: int) -> bool:
        queue = self.catalog.owned(name, session)
        if queue is None:
            return False
        self._delete(queue)
        return queue.number is not None

    def purge_queue(self, name: str, session: int) -> int:
        queue = self.catalog.owned(name, session)
        if queue is None:
            return 0
        dropped, in_memory, (after, up_to) = queue.line.clear()
        for item in in_memory:
            self._remove(queue, item)
        if up_to and queue.number is not None:
            self._change([PurgeRange(queue.number, after, up_to)])
        return dropped

    def queue_depth(self, name: str) -> int | None:
        queue = self.catalog.queues.get(name)
        return None if queue is None else len(queue.line)

    def consumer_count(self, name: str) -> int:
        queue = self.catalog.queues.get(name)
        return 0 if queue is None else len(queue.consumers)

    @property
    def is_at_rest(self) -> bool:
        """Nothing is with a consumer, or waits for one that is there, or for its place to be written."""
        if self.output.steps and self.output.is_urgent:
            return False
        return not any(queue.is_at_work for queue in self.catalog.queues.values())

    # -- channels ----------------------------------------------------------------------------------

    def limit_bytes(self, session: int, limit: int) -> None:
        """From now on the session's consumers hold at most `limit` bytes together, or one message each."""
        self._bytes[session] = HeldBytes(limit)

    def open_publisher(self, session: int, channel: int) -> None:
        self._open(PublisherState(session, channel))

    def open_consumer(self, session: int, channel: int, queue_name: str, prefetch: int) -> None:
        """Raises TopologyError when the queue does not exist or is another session's."""
        queue = self.catalog.owned(queue_name, session)
        if queue is None:
            raise TopologyError(f"There is no queue {queue_name!r} to consume; declare it first.")
        consumer = ConsumerState(session, channel, queue, prefetch, self._bytes.get(session))
        self._open(consumer)
        queue.consumers.append(consumer)
        self._pump(queue)

    def cancel(self, session: int, channel: int) -> None:
        """No new deliveries; what is unacknowledged stays with the channel."""
        consumer = self._channel(session, channel)
        if isinstance(consumer, ConsumerState) and consumer in consumer.queue.consumers:
            consumer.queue.consumers.remove(consumer)
            self._pump(consumer.queue)

    def close_channel(self, session: int, channel: int) -> None:
        closed = self._sessions.get(session, {}).pop(channel, None)
        if isinstance(closed, ConsumerState):
            self._give_back([closed])

    def close_session(self, session: int) -> None:
        channels = self._sessions.pop(session, {})
        self._give_back([channel for channel in channels.values() if isinstance(channel, ConsumerState)])
        for queue in [queue for queue in self.catalog.queues.values() if queue.owner == session]:
            self._delete(queue)
        self._bytes.pop(session, None)

    # -- messages ----------------------------------------------------------------------------------

    def publish(
        self, session: int, channel: int, tag: int, exchange: str, routing_key: str, payload: bytes
    ) -> None:
        publisher = self._channel(session, channel)
        if not isinstance(publisher, PublisherState):
            return  # It was closed meanwhile; its owner knows, and holds the outcome for lost.
        queues = self.catalog.route(exchange, routing_key)
        if queues is None:
            self._fail_channel(session, channel, f"There is no exchange {exchange!r}.")
        elif not queues:
            self.output.outcomes.append((publisher, tag, Outcome.RETURNED))
        elif any(_is_full(queue) for queue in queues):
            self.output.outcomes.append((publisher, tag, Outcome.REFUSED))
        else:
            places = self._place(queues, exchange, routing_key, payload)
            if places:
                self.output.write().publications.append(Publication(publisher, tag, places))
                self.output.is_urgent = True
            else:
                self.output.outcomes.append((publisher, tag, Outcome.CONFIRMED))

    def acknowledge(self, session: int, channel: int, tag: int, *, multiple: bool) -> None:
        consumer = self._channel(session, channel)
        if not isinstance(consumer, ConsumerState):
            return
        settled = consumer.settle(tag, multiple=multiple)
        if not settled:
            self._fail_channel(session, channel, f"Delivery tag {tag} is not outstanding.")
            return
        for item in settled:
            self._remove(consumer.queue, item)
        self._pump(consumer.queue)
        self._pump_short(session)

    def dead_letter(self, session: int, channel: int, tag: int) -> None:
        consumer = self._channel(session, channel)
        if not isinstance(consumer, ConsumerState):
            return
        settled = consumer.settle(tag, multiple=False)
        if not settled:
            self._fail_channel(session, channel, f"Delivery tag {tag} is not outstanding.")
            return
        self._bury(consumer.queue, settled[0], REJECTED)
        self._pump(consumer.queue)
        self._pump_short(session)

    # -- answers of the file -----------------------------------------------------------------------

    def committed(self, publications: Iterable[Publication | Burial]) -> None:
        touched: dict[QueueState, None] = {}
        for publication in publications:
            for queue, item in publication.places:
                if not queue.is_deleted:
                    queue.line.append(item)
                    touched[queue] = None
            if isinstance(publication, Publication):
                self.output.outcomes.append((publication.publisher, publication.tag, Outcome.CONFIRMED))
        for queue in touched:
            self._pump(queue)

    def refused(self, publications: Iterable[Publication | Burial]) -> None:
        """The commit failed. Dead letters stay where they were until `retry_stranded`."""
        for publication in publications:
            if isinstance(publication, Publication):
                self.output.outcomes.append((publication.publisher, publication.tag, Outcome.REFUSED))
            else:
                self._strand(publication.source, publication.item, publication.reason)

    def retry_stranded(self) -> None:
        """Try again to bury what had no place to go, or could not be written."""
        queues, self._stranded = self._stranded, {}
        for queue in queues:
            stranded, queue.stranded = queue.stranded, []
            for item, reason in stranded:
                self._bury(queue, item, reason)

    def page_loaded(self, queue: QueueState, request: PageRequest, items: Sequence[Item]) -> bool:
        """False when messages are missing in the file."""
        complete = queue.line.page_loaded(request, [_as_before(queue, item) for item in items])
        self._pump(queue)
        return complete

    def page_failed(self, queue: QueueState, request: PageRequest) -> None:
        """The file could not be read: ask again."""
        queue.line.page_failed(request)
        self._pump(queue)

    # -- inside ------------------------------------------------------------------------------------

    def _open(self, state: PublisherState | ConsumerState) -> None:
        self._sessions.setdefault(state.session, {})[state.channel] = state

    def _channel(self, session: int, channel: int) -> PublisherState | ConsumerState | None:
        return self._sessions.get(session, {}).get(channel)

    def _change(self, changes: Sequence[Step]) -> None:
        if changes:
            self.output.steps += changes
            self.output.is_urgent = True

    def _fail_channel(self, session: int, channel: int, reason: str) -> None:
        self.close_channel(session, channel)
        self.output.closed.append((session, channel, reason))

    def _place(
        self, queues: Sequence[QueueState], exchange: str, routing_key: str, payload: bytes
    ) -> list[tuple[QueueState, Item]]:
        """Queue in memory at once; the places to be written are returned, their rows are under way."""
        places: list[tuple[QueueState, Item]] = []
        for queue in queues:
            item = queue.place(exchange, routing_key, payload)
            if queue.number is None:
                queue.line.append(item)
                self._pump(queue)
                continue
            write = self.output.write()
            write.inserts.append((row_id(queue.number, item.position), exchange, routing_key, payload))
            write.insert_bytes += len(payload)
            places.append((queue, item))
        return places

    def _pump(self, queue: QueueState) -> None:
        marked = queue.handed_out
        handed = queue.hand_out()
        if handed:
            self.output.deliveries += handed
            if queue.handed_out > marked and queue.number is not None:
                self.output.write().marks[queue.number] = queue.handed_out
        if queue.consumers:
            request = queue.line.next_page()
            if request is not None:
                self.output.pages.append((queue, request))

    def _pump_short(self, session: int) -> None:
        """Bytes were given back: there may be room for what other queues of the session have."""
        held = self._bytes.get(session)
        if held is None or not held.is_short:
            return
        held.is_short = False
        for channel in list(self._sessions.get(session, {}).values()):
            if isinstance(channel, ConsumerState) and channel.is_short:
                channel.is_short = False
                self._pump(channel.queue)

    def _remove(self, queue: QueueState, item: Item) -> None:
        if queue.number is not None:
            self.output.write().removed.append(row_id(queue.number, item.position))

    def _give_back(self, closed: Sequence[ConsumerState]) -> None:
        # All leave before anything returns: what one held must not go to another that is closing, too.
        for consumer in closed:
            if consumer in consumer.queue.consumers:
                consumer.queue.consumers.remove(consumer)
        for consumer in closed:
            queue = consumer.queue
            held = consumer.let_go()
            if queue.is_deleted:
                continue
            limit = queue.definition.delivery_limit
            returned: list[Item] = []
            for item in held:
                again = msgspec.structs.replace(item, redelivered=True, delivery_count=item.delivery_count + 1)
                if limit is not None and again.delivery_count > limit:
                    self._bury(queue, again, DELIVERY_LIMIT)
                else:
                    returned.append(again)
            queue.line.give_back(returned)
        for consumer in closed:
            self._pump(consumer.queue)
            self._pump_short(consumer.session)

    def _delete(self, queue: QueueState) -> None:
        self._change(self.catalog.delete(queue))
        self._stranded.pop(queue, None)
        for consumer in list(queue.consumers):
            self._fail_channel(consumer.session, consumer.channel, f"Queue {queue.name!r} was deleted.")

    def _bury(self, queue: QueueState, item: Item, reason: str) -> None:
        """Move a dead letter to the queue's dead-letter routing; without one it is dropped."""
        exchange = queue.definition.dead_letter_exchange
        if exchange is None:
            self._remove(queue, item)
            return
        routing_key = queue.definition.dead_letter_routing_key
        if routing_key is None:
            routing_key = item.routing_key
        targets = self.catalog.route(exchange, routing_key)
        if not targets:
            self._strand(queue, item, reason)
            return
        payload = with_cause_of_death(item.payload, queue=queue.name, exchange=item.exchange, reason=reason)
        places = self._place(targets, exchange, routing_key, payload)
        if not places:
            self._remove(queue, item)
            return
        write = self.output.write()
        write.publications.append(Burial(queue, item, reason, places))
        if queue.number is not None:
            write.moved.append(row_id(queue.number, item.position))
        self.output.is_urgent = True

    def _strand(self, queue: QueueState, item: Item, reason: str) -> None:
        if not queue.is_deleted:
            queue.stranded.append((item, reason))
            self._stranded[queue] = None


def _is_full(queue: QueueState) -> bool:
    """A queue that lives in memory is bounded; one in the file is not."""
    return queue.number is None and queue.line.is_full


def _as_before(queue: QueueState, item: Item) -> Item:
    """What an earlier life of the owner handed out comes again, and is marked so."""
    if item.position > queue.handed_out_before:
        return item
    return msgspec.structs.replace(item, redelivered=True, delivery_count=1)
