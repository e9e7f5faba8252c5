"""Work that is done once more if it was asked for meanwhile."""

from __future__ import annotations

import asyncio

from dalsegno.errors import BrokerUnavailableError
from dalsegno.workers.once_more import OnceMore


class Work:
    """Goes on when it is let, and then fails if it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.most_at_once = self._at_once = 0
        self.may_go_on = asyncio.Event()
        self.error: Exception | None = None
        self.once_more = OnceMore(asyncio.get_running_loop(), self._do, "work")

    async def _do(self) -> None:
        self.begun += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await self.may_go_on.wait()
            if self.error is not None:
                raise self.error
        finally:
            self._at_once -= 1


async def let_begin() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_however_often_it_is_asked_for_meanwhile_it_is_done_once_more_and_not_twice_at_a_time() -> None:
    work = Work()
    work.once_more.ask()
    await let_begin()
    for _ in range(3):
        work.once_more.ask()
    work.may_go_on.set()
    await work.once_more.wait()
    assert (work.begun, work.most_at_once, work.once_more.is_under_way) == (2, 1, False)


async def test_what_is_asked_for_right_after_it_was_stopped_is_done() -> None:
    """What was stopped has not ended yet then."""
    work = Work()
    work.once_more.ask()
    await let_begin()
    work.once_more.stop()
    work.once_more.ask()
    await let_begin()
    assert (work.begun, work.once_more.is_under_way) == (2, True)
    work.may_go_on.set()
    await work.once_more.wait()
    assert not work.once_more.is_under_way


async def test_what_was_stopped_is_not_done_once_more_because_it_had_been_asked_for() -> None:
    work = Work()
    work.once_more.ask()
    await let_begin()
    work.once_more.ask()
    work.once_more.stop()
    work.may_go_on.set()
    await let_begin()
    assert (work.begun, work.once_more.is_under_way) == (1, False)


async def test_when_the_broker_is_gone_it_ends_and_can_be_asked_for_again() -> None:
    work = Work()
    work.may_go_on.set()
    work.error = BrokerUnavailableError("gone")
    work.once_more.ask()
    await work.once_more.wait()
    assert not work.once_more.is_under_way
    work.error = None
    work.once_more.ask()
    await work.once_more.wait()
    assert work.begun == 2
