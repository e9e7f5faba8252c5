"""Of what waits at a worker the most urgent begins first, and of one level what came first."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno.workers.acknowledgements import Acknowledgements, Receipt
from dalsegno.workers.backlog import Backlog
from dalsegno.workers.suspects import Waiting
from tests.workers.engine import new_task


def waiting(channel: Acknowledgements, priority: int | None, since: float) -> Waiting:
    return Waiting(new_task("work", priority=priority), Receipt(channel, 1), since, 0)


async def test_the_most_urgent_is_next() -> None:
    backlog, channel = Backlog(), Acknowledgements(asyncio.get_running_loop())
    ordinary, low, urgent, other = (
        waiting(channel, priority, since) for priority, since in ((None, 1.0), (5, 2.0), (1, 3.0), (3, 4.0))
    )
    for one in (ordinary, low, urgent, other):
        backlog.add(one)
    assert backlog.since == 1.0
    assert list(backlog) == [urgent, ordinary, other, low]
    assert [backlog.next() for _ in range(4)] == [urgent, ordinary, other, low]
    assert not backlog and backlog.since is None
    with pytest.raises(StopIteration):
        backlog.next()


async def test_what_a_channel_takes_back_is_forgotten() -> None:
    loop = asyncio.get_running_loop()
    backlog, one, other = Backlog(), Acknowledgements(loop), Acknowledgements(loop)
    kept = waiting(other, 1, 1.0)
    for some in (waiting(one, 1, 0.0), kept, waiting(one, None, 2.0)):
        backlog.add(some)
    backlog.forget(one)
    assert list(backlog) == [kept]
    backlog.forget()
    assert not backlog
