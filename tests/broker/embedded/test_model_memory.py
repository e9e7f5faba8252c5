"""What all queues together have in memory is bounded, and each goes on all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dalsegno.broker.embedded import ready_line
from dalsegno.broker.port import Outcome, Queue
from tests.broker.embedded.test_model import CONSUMER, US, Bench

SIZE = 1_000
LIMIT = 10 * SIZE
WITH_ITS_HEAD = 1_100
"""A message of SIZE as it is stored."""
MANY = [f"q{number}" for number in range(8)]


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ready_line, "MAX_BYTES_OF_ALL_LINES", LIMIT)
        yield


def test_many_queues_in_the_file_have_together_no_more_in_memory_than_their_limit_and_a_page_each() -> None:
    bench = Bench(*map(Queue, MANY))
    for _ in range(20):
        for name in MANY:
            bench.publish(name, 1, size=SIZE)
        bench.write()
    catalog = bench.model.catalog
    assert catalog.in_file.bytes <= LIMIT + WITH_ITS_HEAD * len(MANY)
    assert catalog.in_file.bytes == sum(queue.line.bytes_in_memory for queue in catalog.queues.values())
    assert bench.outcomes() == [Outcome.CONFIRMED] * 20 * len(MANY)


def test_a_queue_goes_on_page_by_page_while_others_have_all_the_memory() -> None:
    bench = Bench(Queue("forgotten"), Queue("q"))
    bench.publish("forgotten", 30, size=SIZE)
    bench.write()
    assert bench.model.catalog.in_file.is_full
    bench.publish("q", 30, size=SIZE)
    bench.write()
    bench.model.open_consumer(US, CONSUMER, "q", 2)
    done = 0
    while done < 30:
        bench.write()
        tags = [tag for _, tag, _, _ in bench.deliveries()]
        assert tags, "the queue stands still"
        done += len(tags)
        bench.model.acknowledge(US, CONSUMER, tags[-1], multiple=True)
    assert bench.model.queue_depth("q") == 0


def test_what_queues_in_memory_cannot_hold_together_its_publisher_is_told_that_it_is_refused() -> None:
    bench = Bench(*(Queue(name, durable=False) for name in MANY))
    bench.publish(MANY[0], 20, size=SIZE)
    bench.publish(MANY[1], 2, size=SIZE)
    outcomes = bench.outcomes()
    taken = outcomes[:20].count(Outcome.CONFIRMED)
    assert (taken - 1) * WITH_ITS_HEAD < LIMIT <= taken * WITH_ITS_HEAD
    assert outcomes[20:] == [Outcome.CONFIRMED, Outcome.REFUSED]  # each may have one
    bench.model.open_consumer(US, CONSUMER, MANY[0], 0)
    bench.publish(MANY[1], 1, size=SIZE)
    assert bench.outcomes() == [Outcome.CONFIRMED]


def test_what_returns_to_its_queue_counts_again_and_what_goes_with_it_counts_no_more() -> None:
    bench = Bench(Queue("q"), Queue("reply", durable=False))
    memory = bench.model.catalog.in_file, bench.model.catalog.in_memory
    bench.publish("q", 3, size=SIZE)
    bench.publish("reply", 3, size=SIZE)
    bench.write()
    before = [each.bytes for each in memory]
    assert min(before) > 3 * SIZE
    bench.model.open_consumer(US, CONSUMER, "q", 0)
    assert memory[0].bytes == 0
    bench.model.close_channel(US, CONSUMER)
    assert [each.bytes for each in memory] == before
    bench.model.purge_queue("q", US)
    bench.model.delete_queue("reply", US)
    assert [each.bytes for each in memory] == [0, 0]
