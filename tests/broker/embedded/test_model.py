"""The model, case by case: what the property test reaches only by luck."""

from __future__ import annotations

import pytest

from dalsegno.broker.embedded import ready_line
from dalsegno.broker.embedded.model import Model
from dalsegno.broker.message_bytes import decode_message, encode_message
from dalsegno.broker.port import Binding, Exchange, Message, Outcome, Queue, Topology
from dalsegno.errors import TopologyError
from tests.broker.embedded.file_double import FileDouble

US, THEM = 1, 2
PUBLISHER, CONSUMER, OTHER_CONSUMER = 1, 2, 3
MORTAL = Queue("q", dead_letter_exchange="x", dead_letter_routing_key="dead")


class Bench:
    """A model on a file double, with a publisher."""

    def __init__(self, *queues: Queue) -> None:
        self.file = FileDouble()
        self.published = 0
        self.start()
        self.model.declare(Topology(exchanges=[Exchange("x")], queues=queues or [Queue("q")]), US)
        self.write()

    def start(self) -> None:
        self.model: Model = self.file.restart()
        self.model.open_publisher(US, PUBLISHER)

    def publish(self, routing_key: str, count: int, *, exchange: str = "", size: int = 1) -> None:
        for _ in range(count):
            self.published += 1
            message = Message(body=b"b" * size, message_id=str(self.published))
            self.model.publish(US, PUBLISHER, self.published, exchange, routing_key, encode_message(message))

    def write(self, *, failing: bool = False) -> None:
        """Let the file do what is due."""
        self.file.take(self.model)
        while self.file.jobs:
            self.file.work(self.model, failing=failing)
            self.file.take(self.model)

    def deliveries(self) -> list[tuple[str, int, bool, int]]:
        """ID, tag, redelivered and delivery count of what was delivered since the last look."""
        handouts, self.model.output.deliveries = self.model.output.deliveries, []
        return [(_id(item.payload), tag, item.redelivered, item.delivery_count) for _, tag, item in handouts]

    def outcomes(self) -> list[Outcome]:
        outcomes, self.model.output.outcomes = self.model.output.outcomes, []
        return [outcome for _, _, outcome in outcomes]

    def in_file(self, queue: str) -> list[str]:
        return [_id(payload) for payload in self.file.payloads(queue)]


def _id(payload: bytes) -> str:
    return decode_message(payload).message_id or ""


def test_nothing_is_delivered_or_confirmed_before_it_is_in_the_file() -> None:
    bench = Bench()
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.publish("q", 2)
    assert not bench.deliveries()
    assert not bench.outcomes()
    bench.write()
    assert [delivery[0] for delivery in bench.deliveries()] == ["1", "2"]
    assert bench.outcomes() == [Outcome.CONFIRMED] * 2


def test_a_failed_commit_refuses_the_publishes_and_keeps_the_acknowledgements() -> None:
    bench = Bench()
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.publish("q", 2)
    bench.write()
    bench.outcomes()
    bench.model.acknowledge(US, CONSUMER, 1, multiple=False)
    bench.publish("q", 1)
    bench.write(failing=True)
    assert bench.outcomes() == [Outcome.REFUSED]
    assert bench.in_file("q") == ["1", "2"]
    bench.publish("q", 1)
    bench.write()
    assert bench.outcomes() == [Outcome.CONFIRMED]
    assert bench.in_file("q") == ["2", "4"]


def test_the_next_consumer_takes_over_at_once_what_the_closed_one_held() -> None:
    bench = Bench(Queue("q", single_active_consumer=True))
    bench.model.open_consumer(US, CONSUMER, "q", 2)
    bench.model.open_consumer(US, OTHER_CONSUMER, "q", 5)
    bench.publish("q", 3)
    bench.write()
    bench.deliveries()
    bench.model.close_channel(US, CONSUMER)
    assert bench.deliveries() == [("1", 1, True, 1), ("2", 2, True, 1), ("3", 3, False, 0)]


def test_what_comes_back_from_several_consumers_stands_in_the_old_order() -> None:
    bench = Bench()
    bench.model.open_consumer(US, CONSUMER, "q", 2)
    bench.publish("q", 2)
    bench.write()
    bench.model.open_consumer(US, OTHER_CONSUMER, "q", 3)
    bench.publish("q", 5)
    bench.write()
    bench.deliveries()
    bench.model.close_channel(US, OTHER_CONSUMER)
    bench.model.cancel(US, CONSUMER)
    bench.model.close_channel(US, CONSUMER)
    bench.model.open_consumer(US, OTHER_CONSUMER + 1, "q", 0)
    assert [delivery[0] for delivery in bench.deliveries()] == ["1", "2", "3", "4", "5", "6", "7"]


def test_a_message_dies_when_it_came_back_more_often_than_the_limit_says() -> None:
    bench = Bench(
        Queue("q", delivery_limit=1, dead_letter_exchange="", dead_letter_routing_key="dead"), Queue("dead")
    )
    bench.publish("q", 1)
    bench.write()
    for channel in (CONSUMER, OTHER_CONSUMER):
        bench.model.open_consumer(US, channel, "q", 1)
        bench.model.close_channel(US, channel)
        bench.write()
    assert bench.deliveries() == [("1", 1, False, 0), ("1", 1, True, 1)]
    assert bench.in_file("q") == []
    assert bench.in_file("dead") == ["1"]


def test_a_session_that_ends_hands_nothing_to_its_own_other_consumers() -> None:
    bench = Bench()
    for channel in (CONSUMER, OTHER_CONSUMER):
        bench.model.open_consumer(US, channel, "q", 1)
    bench.model.open_consumer(THEM, CONSUMER, "q", 0)
    bench.publish("q", 2)
    bench.write()
    bench.deliveries()
    bench.model.close_session(US)
    assert all(count <= 1 for _, _, _, count in bench.deliveries())


def test_after_a_restart_what_was_handed_out_is_marked_and_what_is_new_is_not() -> None:
    bench = Bench()
    bench.model.open_consumer(US, CONSUMER, "q", 2)
    bench.publish("q", 3)
    bench.write()
    bench.start()
    bench.publish("q", 1)
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.write()
    assert bench.deliveries() == [("1", 1, True, 1), ("2", 2, True, 1), ("3", 3, False, 0), ("4", 4, False, 0)]


def test_after_a_restart_of_an_emptied_queue_new_messages_are_not_taken_for_old() -> None:
    bench = Bench()
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.publish("q", 3)
    bench.write()
    bench.model.acknowledge(US, CONSUMER, 3, multiple=True)
    bench.write()
    bench.start()
    bench.publish("q", 1)
    bench.write()
    bench.start()
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.write()
    assert bench.deliveries() == [("4", 1, False, 0)]


def test_a_dead_letter_that_cannot_be_written_stays_in_its_queue_until_it_can() -> None:
    bench = Bench(MORTAL, Queue("dead"))
    bench.model.declare(Topology(bindings=[Binding("x", "dead", "dead")]), US)
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.publish("q", 1)
    bench.write()
    bench.model.dead_letter(US, CONSUMER, 1)
    bench.write(failing=True)
    bench.file.jobs.append([])
    bench.file.work(bench.model)
    assert bench.in_file("q") == ["1"]
    bench.write()
    assert bench.in_file("q") == []
    assert bench.in_file("dead") == ["1"]
    assert bench.model.queue_depth("dead") == 1


def test_a_dead_letter_without_a_grave_is_kept_until_there_is_one() -> None:
    bench = Bench(MORTAL)
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.publish("q", 1)
    bench.write()
    bench.model.dead_letter(US, CONSUMER, 1)
    bench.write()
    assert bench.in_file("q") == ["1"]
    assert bench.model.queue_depth("q") == 0
    bench.model.declare(Topology(queues=[Queue("dead")], bindings=[Binding("x", "dead", "dead")]), US)
    bench.write()
    assert bench.in_file("q") == []
    assert bench.in_file("dead") == ["1"]


def test_a_dead_letter_of_a_queue_without_dead_letter_routing_is_dropped() -> None:
    bench = Bench()
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.publish("q", 1)
    bench.write()
    bench.model.dead_letter(US, CONSUMER, 1)
    bench.write()
    assert bench.in_file("q") == []


def test_a_dead_letter_says_where_and_of_what_it_died() -> None:
    bench = Bench(MORTAL, Queue("dead"))
    bench.model.declare(Topology(bindings=[Binding("x", "dead", "dead")]), US)
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.publish("q", 1)
    bench.write()
    bench.model.dead_letter(US, CONSUMER, 1)
    bench.write()
    (payload,) = bench.file.payloads("dead")
    assert decode_message(payload).headers == {
        "x-first-death-queue": "q",
        "x-first-death-exchange": "",
        "x-first-death-reason": "rejected",
    }


@pytest.mark.parametrize("multiple", [False, True])
def test_a_tag_that_is_not_outstanding_ends_the_channel(multiple: bool) -> None:
    bench = Bench()
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.publish("q", 1)
    bench.write()
    bench.model.acknowledge(US, CONSUMER, 2, multiple=multiple)
    ((session, channel, reason),) = bench.model.output.closed
    assert (session, channel) == (US, CONSUMER)
    assert "2" in reason
    assert bench.model.queue_depth("q") == 1


def test_a_queue_deleted_while_a_publish_is_under_way_leaves_nothing_in_the_file() -> None:
    bench = Bench()
    bench.publish("q", 2)
    bench.model.delete_queue("q", US)
    bench.publish("q", 1)
    bench.write()
    assert bench.outcomes() == [Outcome.RETURNED, Outcome.CONFIRMED, Outcome.CONFIRMED]
    assert not bench.file.rows
    assert not bench.file.queues


def test_a_purge_spares_what_is_delivered_and_what_is_on_its_way() -> None:
    bench = Bench()
    bench.model.open_consumer(US, CONSUMER, "q", 1)
    bench.publish("q", 3)
    bench.write()
    bench.publish("q", 1)
    assert bench.model.purge_queue("q", US) == 2
    bench.write()
    assert bench.in_file("q") == ["1", "4"]


def test_a_long_queue_is_in_the_file_and_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_line, "MAX_ITEMS_IN_MEMORY", 10)
    bench = Bench()
    bench.publish("q", 100, size=50)
    bench.write()
    line = bench.model.catalog.queues["q"].line
    assert len(line) == 100
    assert line.bytes_in_memory < 20 * 100
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    bench.write()
    assert [delivery[0] for delivery in bench.deliveries()] == [str(n) for n in range(1, 101)]


def test_large_bodies_leave_memory_before_their_number_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_line, "MAX_BYTES_IN_MEMORY", 5_000)
    bench = Bench()
    bench.publish("q", 20, size=1_000)
    bench.write()
    assert bench.model.catalog.queues["q"].line.bytes_in_memory < 7_000
    assert bench.model.queue_depth("q") == 20


def test_a_queue_in_memory_takes_what_it_can_hold_and_refuses_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_line, "MAX_ITEMS_IN_MEMORY", 3)
    bench = Bench(Queue("reply", durable=False))
    bench.publish("reply", 5)
    assert bench.outcomes() == [Outcome.CONFIRMED] * 3 + [Outcome.REFUSED] * 2
    bench.write()
    assert not bench.file.rows


def test_an_exclusive_queue_is_closed_to_other_sessions_and_goes_with_its_own() -> None:
    bench = Bench(Queue("reply", durable=False))
    for attempt in (
        lambda: bench.model.open_consumer(THEM, CONSUMER, "reply", 0),
        lambda: bench.model.declare(Topology(queues=[Queue("reply", durable=False)]), THEM),
        lambda: bench.model.purge_queue("reply", THEM),
        lambda: bench.model.delete_queue("reply", THEM),
    ):
        with pytest.raises(TopologyError, match="'reply' belongs exclusively to another session"):
            attempt()
    bench.model.close_session(US)
    assert bench.model.queue_depth("reply") is None


def test_a_refused_declaration_changes_nothing_at_all() -> None:
    bench = Bench()
    topology = Topology(
        exchanges=[Exchange("new")], queues=[Queue("first"), Queue("q", delivery_limit=5)], bindings=[]
    )
    with pytest.raises(
        TopologyError, match=r"'q' exists with other arguments \(delivery_limit is None, not 5\)"
    ):
        bench.model.declare(topology, US)
    assert bench.model.queue_depth("first") is None
    assert bench.model.catalog.route("new", "key") is None
    bench.write()
    assert [definition.name for definition in bench.file.queues.values()] == ["q"]


@pytest.mark.parametrize("name", ["", "n" * 256, "line\nbreak", "half a \ud800 character"])
def test_a_name_that_other_brokers_would_not_take_is_refused(name: str) -> None:
    bench = Bench()
    with pytest.raises(TopologyError, match="name"):
        bench.model.declare(Topology(queues=[Queue(name)]), US)
    assert not bench.model.output.steps


def test_a_message_routed_twice_is_confirmed_once_and_stands_in_both_queues() -> None:
    bench = Bench(Queue("q"), Queue("reply", durable=False))
    bench.model.declare(Topology(bindings=[Binding("x", "k", "q"), Binding("x", "k", "reply")]), US)
    bench.publish("k", 1, exchange="x")
    bench.write()
    assert bench.outcomes() == [Outcome.CONFIRMED]
    assert bench.model.queue_depth("q") == bench.model.queue_depth("reply") == 1
