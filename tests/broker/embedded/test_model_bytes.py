"""What a session may hold is counted in bytes, too."""

from __future__ import annotations

from dalsegno.broker.embedded.catalog import Catalog
from dalsegno.broker.embedded.model import Model
from dalsegno.broker.port import Queue, Topology

SESSION, PUBLISHER = 1, 100


class Held:
    """A model in memory with queues `a` and `b`, and what its session holds: (queue, body) by delivery."""

    def __init__(self, limit: int) -> None:
        self.model = Model(Catalog())
        self.model.declare(Topology(queues=[Queue("a", durable=False), Queue("b", durable=False)]), SESSION)
        self.model.limit_bytes(SESSION, limit)
        self.model.open_publisher(SESSION, PUBLISHER)

    def publish(self, queue: str, *bodies: bytes) -> None:
        for tag, body in enumerate(bodies):
            self.model.publish(SESSION, PUBLISHER, tag, "", queue, body)

    def delivered(self) -> list[tuple[int, bytes]]:
        """Channel and body of what was handed out since the last look."""
        handed, self.model.output.deliveries = self.model.output.deliveries, []
        return [(consumer.channel, item.payload) for consumer, _, item in handed]


def test_what_a_session_holds_is_bounded_in_bytes_over_all_its_queues() -> None:
    held = Held(limit=10)
    held.model.open_consumer(SESSION, 1, "a", 0)
    held.model.open_consumer(SESSION, 2, "b", 0)
    held.publish("a", b"1111", b"2222", b"3333")
    held.publish("b", b"4", b"5", b"66")
    assert held.delivered() == [(1, b"1111"), (1, b"2222"), (2, b"4"), (2, b"5")]
    held.model.acknowledge(SESSION, 1, 1, multiple=False)
    assert held.delivered() == [(1, b"3333")]


def test_bytes_given_back_by_one_queue_let_another_go_on() -> None:
    held = Held(limit=10)
    held.model.open_consumer(SESSION, 1, "a", 0)
    held.model.open_consumer(SESSION, 2, "b", 0)
    held.publish("a", b"1" * 9)
    held.publish("b", b"2", b"33")
    assert held.delivered() == [(1, b"1" * 9), (2, b"2")]
    held.model.dead_letter(SESSION, 1, 1)
    assert held.delivered() == [(2, b"33")]


def test_a_message_larger_than_the_bound_passes_alone() -> None:
    held = Held(limit=10)
    held.model.open_consumer(SESSION, 1, "a", 0)
    held.publish("a", b"1" * 50, b"2" * 50)
    assert held.delivered() == [(1, b"1" * 50)]
    held.model.acknowledge(SESSION, 1, 1, multiple=True)
    assert held.delivered() == [(1, b"2" * 50)]


def test_what_a_closed_channel_held_counts_no_more_and_comes_again_in_order() -> None:
    held = Held(limit=10)
    held.model.open_consumer(SESSION, 1, "a", 0)
    held.publish("a", b"1" * 6, b"2" * 4, b"3" * 6)
    assert held.delivered() == [(1, b"1" * 6), (1, b"2" * 4)]
    held.model.close_channel(SESSION, 1)
    held.model.open_consumer(SESSION, 2, "a", 0)
    assert held.delivered() == [(2, b"1" * 6), (2, b"2" * 4)]
    held.model.acknowledge(SESSION, 2, 2, multiple=True)
    assert held.delivered() == [(2, b"3" * 6)]


def test_a_task_that_does_not_fit_goes_to_another_worker() -> None:
    held = Held(limit=10)
    held.model.declare(Topology(queues=[Queue("tasks")]), SESSION)
    other = 2
    held.model.limit_bytes(other, 10)
    held.model.open_consumer(SESSION, 1, "tasks", 0)
    held.model.open_consumer(other, 9, "tasks", 0)
    held.publish("tasks", b"1" * 8, b"2" * 2, b"3" * 8, b"4" * 8)
    (write,) = [step for step in held.model.output.steps if hasattr(step, "publications") and step.publications]
    held.model.committed(write.publications)
    assert held.delivered() == [(1, b"1" * 8), (9, b"2" * 2), (9, b"3" * 8)]
