"""Whatever clients do, and whenever the file fails or the owner dies: nothing lost, doubled or out of order.

The oracle beside the model is naive: per queue, which message must be ready, who holds which, what may still be
in the file although it was removed.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dalsegno.broker.embedded import ready_line
from dalsegno.broker.embedded.model import Model
from dalsegno.broker.message_bytes import decode_message, encode_message
from dalsegno.broker.port import Binding, Exchange, Message, Outcome, Queue, Topology
from tests.broker.embedded.file_double import FileDouble

DELIVERY_LIMIT = 2
TOPOLOGY = Topology(
    exchanges=[Exchange("x")],
    queues=[
        Queue(
            "work",
            single_active_consumer=True,
            delivery_limit=DELIVERY_LIMIT,
            dead_letter_exchange="x",
            dead_letter_routing_key="dead",
        ),
        Queue("plain"),
        Queue("fan"),
        Queue("dead"),
    ],
    bindings=[Binding("x", "both", "plain"), Binding("x", "both", "fan"), Binding("x", "dead", "dead")],
)
ROUTES = {("", "work"): ["work"], ("x", "both"): ["plain", "fan"], ("x", "nobody"): []}
QUEUES = [queue.name for queue in TOPOLOGY.queues]
CONSUMED = st.sampled_from(QUEUES)
PUBLISHER = 1


class Holder:
    """What the oracle knows of a consumer."""

    def __init__(self, queue: str, prefetch: int) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self.held: dict[int, int] = {}
        self.is_cancelled = False


class BrokerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.small_memory = patch.multiple(ready_line, MAX_ITEMS_IN_MEMORY=4, PAGE_LOW_WATER=2)
        self.small_memory.start()
        self.file = FileDouble()
        self.messages = 0
        self.session = 0
        self.ready: dict[str, list[int]] = {name: [] for name in QUEUES}
        self.removed: dict[str, set[int]] = {name: set() for name in QUEUES}
        self.delivered: dict[str, set[int]] = {name: set() for name in QUEUES}
        self.burying: set[int] = set()
        self.begin(self.file.restart())
        self.model.declare(TOPOLOGY, self.session)
        self.settle()
        self.drain()

    def teardown(self) -> None:
        self.small_memory.stop()

    def begin(self, model: Model) -> None:
        """A new owner: delivery counts begin anew."""
        self.model = model
        self.returns: dict[str, Counter[int]] = {name: Counter() for name in QUEUES}
        self.reborn = {name: set(messages) for name, messages in self.ready.items()}
        self.open_session()

    def open_session(self) -> None:
        self.session += 1
        self.channel = PUBLISHER
        self.holders: dict[int, Holder] = {}
        self.expected: dict[int, tuple[int, list[str]]] = {}
        self.tag = 0
        self.model.open_publisher(self.session, PUBLISHER)

    # -- what clients do ---------------------------------------------------------------------------

    @rule(route=st.sampled_from(sorted(ROUTES)), count=st.integers(1, 6))
    def publish(self, route: tuple[str, str], count: int) -> None:
        for _ in range(count):
            self.messages += 1
            self.tag += 1
            payload = encode_message(Message(body=b"", message_id=str(self.messages)))
            self.model.publish(self.session, PUBLISHER, self.tag, *route, payload)
            self.expected[self.tag] = (self.messages, ROUTES[route])
        self.settle()

    @rule(queue=CONSUMED, prefetch=st.integers(0, 4))
    def consume(self, queue: str, prefetch: int) -> None:
        self.channel += 1
        self.holders[self.channel] = Holder(queue, prefetch)
        self.model.open_consumer(self.session, self.channel, queue, prefetch)
        self.settle()

    @precondition(lambda self: any(holder.held for holder in self.holders.values()))
    @rule(data=st.data(), multiple=st.booleans())
    def acknowledge(self, data: st.DataObject, multiple: bool) -> None:
        channel, tag = self.some_delivery(data)
        holder = self.holders[channel]
        settled = [held for held in holder.held if held == tag or (multiple and held < tag)]
        for held in settled:
            self.removed[holder.queue].add(holder.held.pop(held))
        self.model.acknowledge(self.session, channel, tag, multiple=multiple)
        self.settle()

    @precondition(lambda self: any(holder.held for holder in self.holders.values()))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        channel, tag = self.some_delivery(data)
        holder = self.holders[channel]
        self.dies(holder.queue, holder.held.pop(tag))
        self.model.dead_letter(self.session, channel, tag)
        self.settle()

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        channel = data.draw(st.sampled_from(sorted(self.holders)))
        self.holders[channel].is_cancelled = True
        self.model.cancel(self.session, channel)
        self.settle()

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        channel = data.draw(st.sampled_from(sorted(self.holders)))
        self.comes_back(self.holders.pop(channel))
        self.model.close_channel(self.session, channel)
        self.settle()

    @rule()
    def close_session(self) -> None:
        for holder in self.holders.values():
            self.comes_back(holder)
        self.holders.clear()
        self.model.close_session(self.session)
        self.settle()
        self.drain()
        self.open_session()

    @rule(queue=CONSUMED)
    def purge(self, queue: str) -> None:
        assert self.model.purge_queue(queue, self.session) == len(self.ready[queue])
        self.removed[queue].update(self.ready[queue])
        self.ready[queue].clear()
        self.settle()

    # -- what the file and the owner do ------------------------------------------------------------

    @precondition(lambda self: self.file.jobs)
    @rule()
    def the_file_works(self) -> None:
        self.file.work(self.model)
        self.settle()

    @precondition(lambda self: self.file.jobs)
    @rule()
    def the_file_fails(self) -> None:
        self.file.work(self.model, failing=True)
        self.settle()

    @rule()
    def the_owner_dies(self) -> None:
        """What is in the file is ready again: all that was confirmed and not removed, nothing unheard of."""
        for name in QUEUES:
            live = set(self.ready[name]) | {
                m for h in self.holders.values() if h.queue == name for m in h.held.values()
            }
            found = [message_number(payload) for payload in self.file.payloads(name)]
            assert len(found) == len(set(found))
            if name == "work":
                live -= self.burying
                assert live <= set(found) <= live | self.removed[name] | self.burying
            elif name == "dead":
                assert live <= set(found) <= live | self.removed[name]
            else:
                assert live <= set(found) <= live | self.removed[name]
                assert found == sorted(found)
            self.ready[name] = found if name == "dead" else sorted(found)
            self.removed[name] -= set(found)
        assert self.burying <= set(self.ready["work"]) | set(self.ready["dead"])
        self.burying.clear()
        self.begin(self.file.restart())
        self.settle()

    # -- what must hold ----------------------------------------------------------------------------

    @invariant()
    def nothing_waits_that_could_be_delivered(self) -> None:
        if self.file.jobs:
            return
        for name in QUEUES:
            consumers = [
                holder for holder in self.holders.values() if holder.queue == name and not holder.is_cancelled
            ]
            if name == "work":
                consumers = consumers[:1]
            has_room = any(not holder.prefetch or len(holder.held) < holder.prefetch for holder in consumers)
            assert not (has_room and self.ready[name])

    @invariant()
    def the_depth_is_what_is_ready(self) -> None:
        for name in QUEUES:
            assert self.model.queue_depth(name) == len(self.ready[name])

    # -- the oracle --------------------------------------------------------------------------------

    def settle(self) -> None:
        """See what the model put out."""
        self.file.take(self.model)
        output = self.model.output
        for publisher, tag, outcome in output.outcomes:
            assert publisher.session == self.session
            message, queues = self.expected.pop(tag)
            assert (outcome is Outcome.RETURNED) == (not queues)
            if outcome is Outcome.CONFIRMED:
                for queue in queues:
                    insort(self.ready[queue], message)
        output.outcomes.clear()
        self.see_burials()
        for consumer, tag, item in output.deliveries:
            self.see_delivery(
                consumer.channel, tag, message_number(item.payload), item.redelivered, item.delivery_count
            )
        output.deliveries.clear()
        assert not output.closed

    def see_delivery(self, channel: int, tag: int, message: int, redelivered: bool, count: int) -> None:
        holder = self.holders[channel]
        queue = holder.queue
        assert not holder.is_cancelled
        if queue == "work":
            active = next(c for c, h in self.holders.items() if h.queue == queue and not h.is_cancelled)
            assert channel == active
        if queue == "dead":
            self.ready[queue].remove(message)
        else:
            assert self.ready[queue].pop(0) == message
        holder.held[tag] = message
        assert not holder.prefetch or len(holder.held) <= holder.prefetch
        assert redelivered == (count > 0)
        if message in self.reborn[queue]:  # Its count began anew with this owner, and may have been noted.
            self.reborn[queue].discard(message)
            assert count in (0, 1)
            assert not count or message in self.delivered[queue]
            self.returns[queue][message] = count
        assert count == self.returns[queue][message]
        self.delivered[queue].add(message)

    def see_burials(self) -> None:
        """Dead letters arrive in their queue when the file has them there; the model knows which."""
        held = {
            message
            for holder in self.holders.values()
            if holder.queue == "dead"
            for message in holder.held.values()
        }
        in_file = {message_number(payload) for payload in self.file.payloads("dead")}
        for message in sorted(self.burying & in_file - held):
            self.burying.discard(message)
            self.removed["work"].add(message)
            self.ready["dead"].append(message)

    def dies(self, queue: str, message: int) -> None:
        if queue == "work":
            self.burying.add(message)
        else:
            self.removed[queue].add(message)

    def comes_back(self, holder: Holder) -> None:
        for message in holder.held.values():
            self.returns[holder.queue][message] += 1
            if holder.queue == "work" and self.returns["work"][message] > DELIVERY_LIMIT:
                self.dies("work", message)
            else:
                insort(self.ready[holder.queue], message)
        holder.held.clear()

    def drain(self) -> None:
        """Let the file catch up; then it holds exactly what is alive."""
        self.file.jobs.append([])  # What failed before is tried again without company, too.
        while self.file.jobs:
            self.file.work(self.model)
            self.settle()
        for name in QUEUES:
            self.removed[name].clear()
            live = set(self.ready[name]) | {
                m for h in self.holders.values() if h.queue == name for m in h.held.values()
            }
            assert {message_number(payload) for payload in self.file.payloads(name)} == live

    def some_delivery(self, data: st.DataObject) -> tuple[int, int]:
        deliveries = [(channel, tag) for channel, holder in self.holders.items() for tag in holder.held]
        return data.draw(st.sampled_from(deliveries))


def message_number(payload: bytes) -> int:
    return int(decode_message(payload).message_id or "0")


TestBroker = BrokerMachine.TestCase
TestBroker.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
