from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from dalsegno.broker.port import Consumer
from dalsegno.workers.acknowledgements import Acknowledgements


class Channel:
    """Holds deliveries 1 to `count` as a broker does: it refuses a tag that is not unacknowledged."""

    def __init__(self, count: int) -> None:
        self.unacknowledged = set(range(1, count + 1))
        self.calls = 0
        self.is_open = True

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        assert tag in self.unacknowledged
        self.calls += 1
        self.unacknowledged -= {known for known in self.unacknowledged if known <= tag} if multiple else {tag}

    def dead_letter(self, tag: int) -> None:
        raise NotImplementedError

    async def cancel(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


def bound(channel: Consumer) -> Acknowledgements:
    acknowledgements = Acknowledgements(asyncio.new_event_loop())
    acknowledgements.bind(channel)
    return acknowledgements


@given(st.permutations(range(1, 15)), st.sets(st.integers(0, 13)))
def test_whatever_the_order_exactly_the_finished_ones_are_acknowledged(
    order: list[int], flushes: set[int]
) -> None:
    channel = Channel(len(order))
    acknowledgements = bound(channel)
    for step, tag in enumerate(order):
        acknowledgements.finish(tag)
        if step in flushes:
            acknowledgements.flush()
            assert channel.unacknowledged == set(order[step + 1 :])
    acknowledgements.flush()
    assert not channel.unacknowledged


def test_a_finished_prefix_is_one_acknowledgement() -> None:
    channel = Channel(100)
    acknowledgements = bound(channel)
    for tag in reversed(range(1, 101)):
        acknowledgements.finish(tag)
    acknowledgements.flush()
    assert (channel.calls, channel.unacknowledged) == (1, set())


def test_one_that_lasts_does_not_hold_up_those_behind_it() -> None:
    channel = Channel(5)
    acknowledgements = bound(channel)
    for tag in range(2, 6):
        acknowledgements.finish(tag)
    acknowledgements.flush()
    assert channel.unacknowledged == {1}


def test_what_is_finished_before_the_consumer_is_known_is_acknowledged_then() -> None:
    acknowledgements = Acknowledgements(asyncio.new_event_loop())
    acknowledgements.finish(1)
    acknowledgements.flush()
    channel = Channel(1)
    acknowledgements.bind(channel)
    assert not channel.unacknowledged
