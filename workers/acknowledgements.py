"""Acknowledging the deliveries of one consumer, together and in whatever order they are done with.

Tags count from 1. What is finished within one turn of the loop is acknowledged at its end: the finished prefix
in one go, the rest one by one, because a long activity at the front must not hold up those behind it.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from dalsegno.broker.port import Consumer


class Acknowledgements:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._consumer: Consumer | None = None
        self._prefix = 0
        """Every tag up to this one is finished."""
        self._beyond: set[int] = set()
        """Finished tags behind the prefix."""
        self._fresh: list[int] = []
        """Finished, and not yet acknowledged."""
        self._finished = 0

    @property
    def finished(self) -> int:
        """How many deliveries are done with."""
        return self._finished

    def bind(self, consumer: Consumer) -> None:
        """The consumer that the tags are from. What was finished before waits for it."""
        self._consumer = consumer
        self.flush()

    def finish(self, tag: int) -> None:
        """Nothing is left to do for this delivery."""
        self._finished += 1
        self._beyond.add(tag)
        self._fresh.append(tag)
        if len(self._fresh) == 1:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Acknowledge at once. Ordinary at any time; on a closed consumer it does nothing."""
        if self._consumer is None or not self._fresh:
            return
        fresh, self._fresh = self._fresh, []
        while self._prefix + 1 in self._beyond:
            self._prefix += 1
            self._beyond.remove(self._prefix)
        # The prefix itself may end with tags that were acknowledged before, and brokers close the channel on
        # those: the highest fresh one stands for all before it.
        in_prefix = [tag for tag in fresh if tag <= self._prefix]
        if in_prefix:
            self._consumer.acknowledge(max(in_prefix), multiple=True)
        for tag in fresh:
            if tag > self._prefix:
                self._consumer.acknowledge(tag)


class Receipt(NamedTuple):
    """One delivery, to be acknowledged when nothing is left to do for it."""

    acknowledgements: Acknowledgements
    tag: int

    def acknowledge(self) -> None:
        self.acknowledgements.finish(self.tag)
