"""Mail, clock and people read on threads of their own: whoever takes long holds up only his own kind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from dalsegno.actors.supervisor.database.store_threads import StoreThreads
from dalsegno.errors import StoreUnavailableError
from dalsegno.persistence.port import Round, RoundOutcome, Store


class Lane:
    """A reader or writer that answers with the thread on which it was asked. One that is stuck answers nothing
    until the test ends."""

    def __init__(self, end: threading.Event) -> None:
        self.stuck = False
        self._end = end

    def ask(self) -> str:
        if self.stuck:
            self._end.wait()
        return threading.current_thread().name

    def commit(self, round_: Round) -> RoundOutcome:
        self.ask()
        return RoundOutcome(now=1)

    def close(self) -> None:
        """There is no connection."""


class Lanes:
    """A store of which each lane can be stuck by itself."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.people = Lane(self.end)
        self.write = Lane(self.end)
        self.handed_out: list[Lane] = []

    def reader(self) -> Lane:
        self.handed_out.append(Lane(self.end))
        return self.handed_out[-1]

    def people_reader(self) -> Lane:
        return self.people

    def writer(self) -> Lane:
        return self.write


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    lanes = Lanes()
    yield lanes
    lanes.end.set()


@pytest.fixture
async def threads(lanes: Lanes) -> AsyncIterator[StoreThreads]:
    def escaped(error: BaseException) -> None:
        raise AssertionError("nothing may escape") from error

    threads = StoreThreads(cast(Store, lanes), escaped)
    yield threads
    lanes.end.set()
    threads.close()


async def answers_of_mail(threads: StoreThreads, count: int) -> list[object]:
    """To so many cold loads, one after another."""
    answers: asyncio.Queue[object] = asyncio.Queue()
    found = []
    ask = cast(Lane, threads.mail._reader).ask
    for _ in range(count):
        threads.mail.read_each(lambda *_: ask(), ["w"], answers.put_nowait, lambda *_: None, what="load")
        found.append(await asyncio.wait_for(answers.get(), 20))
    return found


async def answer_of_clock(threads: StoreThreads) -> object:
    answers: asyncio.Queue[object] = asyncio.Queue()
    threads.clock.read(lambda reader: cast(Lane, reader).ask(), answers.put_nowait, what="due")
    return await asyncio.wait_for(answers.get(), 20)


async def test_somebody_whose_question_takes_for_ever_delays_neither_mail_nor_clock_nor_commits(
    lanes: Lanes, threads: StoreThreads
) -> None:
    lanes.people.stuck = True
    questions = [asyncio.ensure_future(threads.people.fetch(lambda _: lanes.people.ask())) for _ in range(5)]
    outcomes: asyncio.Queue[object] = asyncio.Queue()

    assert await answers_of_mail(threads, 100) == ["dalsegno-mail_0"] * 100
    assert await answer_of_clock(threads) == "dalsegno-clock_0"
    threads.commit(Round(host_id="h", fences=(), instances=()), outcomes.put_nowait, outcomes.put_nowait)
    assert await asyncio.wait_for(outcomes.get(), 20) == RoundOutcome(now=1)

    assert not any(question.done() for question in questions)
    lanes.end.set()
    assert await asyncio.wait_for(asyncio.gather(*questions), 20) == ["dalsegno-people_0"] * 5


async def test_a_scan_of_all_timers_that_takes_for_ever_delays_no_cold_load_and_no_question(
    lanes: Lanes, threads: StoreThreads
) -> None:
    clock = cast(Lane, threads.clock._reader)
    clock.stuck = True
    threads.clock.read(lambda _: clock.ask(), lambda _: None, what="due")
    assert await answers_of_mail(threads, 1) == ["dalsegno-mail_0"]
    asked = threads.people.fetch(lambda _: lanes.people.ask())
    assert await asyncio.wait_for(asked, 20) == "dalsegno-people_0"


async def test_a_cold_load_that_takes_for_ever_delays_no_timer_and_no_question(
    lanes: Lanes, threads: StoreThreads
) -> None:
    mail = cast(Lane, threads.mail._reader)
    mail.stuck = True
    threads.mail.read(lambda _: mail.ask(), lambda _: None, what="load")
    assert await answer_of_clock(threads) == "dalsegno-clock_0"
    asked = threads.people.fetch(lambda _: lanes.people.ask())
    assert await asyncio.wait_for(asked, 20) == "dalsegno-people_0"


async def test_a_question_that_cannot_be_answered_is_not_asked_again(threads: StoreThreads) -> None:
    asked = []

    def question(_: object) -> None:
        asked.append(1)
        raise StoreUnavailableError("gone")

    with pytest.raises(StoreUnavailableError):
        await asyncio.wait_for(threads.people.fetch(question), 20)
    assert asked == [1]


def test_each_lane_has_a_connection_of_its_own(lanes: Lanes) -> None:
    async def open_() -> StoreThreads:
        return StoreThreads(cast(Store, lanes), lambda _: None)

    threads = asyncio.run(open_())
    readers = [threads.mail._reader, threads.clock._reader, threads.people._reader]
    assert len({id(reader) for reader in readers}) == 3
    threads.close()
