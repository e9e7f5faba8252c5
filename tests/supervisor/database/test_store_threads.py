"""What the store's threads owe the engine: one answer to each commit, and no read that holds up others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from queue import SimpleQueue
from typing import cast

import pytest

from dalsegno.actors.supervisor.database import reading_thread
from dalsegno.actors.supervisor.database.store_threads import StoreThreads
from dalsegno.errors import SchemaError, StoreUnavailableError
from dalsegno.persistence.port import Round, RoundOutcome, Store, Writer
from dalsegno.persistence.reader_port import MailReader, PeopleReader, Reader

BROKEN = "broken"


class Interrupt(BaseException):
    pass


class FakeStore:
    """`fault` says what a read of these keys raises, if anything; `written` what a commit gives or raises."""

    def __init__(self) -> None:
        self.fault: Callable[[Sequence[str]], BaseException | None] = lambda keys: None
        self.written: RoundOutcome | BaseException = RoundOutcome(now=1)
        self.settled = 0
        self.unsettled: list[Exception] = []
        """What the next ones raise."""
        self.reads: list[Sequence[str]] = []
        self.escaped: SimpleQueue[BaseException] = SimpleQueue()

    def writer(self) -> Writer:
        return cast(Writer, self)

    def reader(self) -> Reader:
        return cast(Reader, self)

    def people_reader(self) -> PeopleReader:
        return cast(PeopleReader, self)

    def commit(self, round_: Round) -> RoundOutcome:
        if isinstance(self.written, BaseException):
            raise self.written
        return self.written

    def settle(self) -> None:
        self.settled += 1
        if self.unsettled:
            raise self.unsettled.pop()

    def read(self, keys: Sequence[str]) -> list[str]:
        self.reads.append(keys)
        error = self.fault(keys)
        if error is not None:
            raise error
        return list(keys)

    def close(self) -> None: ...


class Answers:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.unreadable: dict[str, Exception] = {}
        self.changed = asyncio.Event()

    def done(self, keys: list[str]) -> None:
        self.found += keys
        self.changed.set()

    def not_read(self, key: str, error: Exception) -> None:
        self.unreadable[key] = error
        self.changed.set()

    async def until(self, what: Callable[[Answers], bool]) -> None:
        async with asyncio.timeout(20):
            while not what(self):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
async def threads(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreThreads]:
    monkeypatch.setattr(reading_thread, "RETRY_SECONDS", (0.001, 0.004))
    threads = StoreThreads(cast(Store, store), store.escaped.put_nowait)
    yield threads
    threads.close()


def query(reader: MailReader, keys: Sequence[str]) -> list[str]:
    return cast(FakeStore, reader).read(keys)


def read_each(threads: StoreThreads, keys: Sequence[str]) -> Answers:
    answers = Answers()
    threads.mail.read_each(query, keys, answers.done, answers.not_read, what="load")
    return answers


NO_ROUND = Round(host_id="h", fences=(), instances=())


async def test_a_commit_that_the_store_cannot_do_has_failed_and_the_next_is_done(
    threads: StoreThreads, store: FakeStore
) -> None:
    store.written = StoreUnavailableError("gone")
    outcomes: asyncio.Queue[object] = asyncio.Queue()
    threads.commit(NO_ROUND, outcomes.put_nowait, outcomes.put_nowait)
    assert await asyncio.wait_for(outcomes.get(), 20) is store.written
    store.written = RoundOutcome(now=7)
    threads.commit(NO_ROUND, outcomes.put_nowait, outcomes.put_nowait)
    assert await asyncio.wait_for(outcomes.get(), 20) == RoundOutcome(now=7)
    assert outcomes.empty()
    assert store.escaped.empty()


async def test_nothing_is_read_after_a_commit_of_unknown_outcome_before_all_is_as_durable_as_it_should_be(
    threads: StoreThreads, store: FakeStore
) -> None:
    """What is read leads to effects, and it may be a row that a standby does not have yet."""
    await read_each(threads, ["a"]).until(lambda answers: answers.found == ["a"])
    assert store.settled == 0
    store.written = StoreUnavailableError("the wait for the standby was cancelled")
    outcomes: asyncio.Queue[object] = asyncio.Queue()
    threads.commit(NO_ROUND, outcomes.put_nowait, outcomes.put_nowait)
    await asyncio.wait_for(outcomes.get(), 20)
    store.unsettled = [StoreUnavailableError("cancelled again")]
    store.fault = lambda keys: None if store.settled == 2 else AssertionError("read too early")
    answers = read_each(threads, ["b"])
    await answers.until(lambda answers: answers.found == ["b"])
    await read_each(threads, ["c"]).until(lambda answers: answers.found == ["c"])
    assert store.settled == 2
    assert store.reads == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize("error", [Interrupt(), SystemExit(), MemoryError(), ValueError("a bug")], ids=repr)
async def test_a_defect_in_a_commit_escapes(
    threads: StoreThreads, store: FakeStore, error: BaseException
) -> None:
    store.written = error
    threads.commit(NO_ROUND, lambda _: None, lambda _: None)
    assert await asyncio.to_thread(store.escaped.get, timeout=20) is error


@pytest.mark.parametrize("error", [Interrupt(), SystemExit(), MemoryError()], ids=repr)
async def test_what_interrupts_a_read_escapes(
    threads: StoreThreads, store: FakeStore, error: BaseException
) -> None:
    store.fault = lambda keys: error
    threads.mail.read(lambda reader: query(reader, ["a"]), lambda _: None, what="seen")
    assert await asyncio.to_thread(store.escaped.get, timeout=20) is error


async def test_what_a_callback_raises_escapes(threads: StoreThreads, store: FakeStore) -> None:
    error = ValueError("a defect of the engine")

    def done(outcome: RoundOutcome) -> None:
        raise error

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # it would be logged
    threads.commit(NO_ROUND, done, lambda _: None)
    assert await asyncio.to_thread(store.escaped.get, timeout=20) is error


@pytest.mark.parametrize("error", [ValueError("not a status"), StoreUnavailableError("it took too long")])
async def test_the_others_of_a_batch_are_read_though_one_never_is(
    threads: StoreThreads, store: FakeStore, error: Exception
) -> None:
    store.fault = lambda keys: error if BROKEN in keys else None
    names = [f"order-{number}" for number in range(20)]
    threads.mail.read(lambda reader: None, lambda _: None, what="before")
    answers = read_each(threads, [*names[:7], BROKEN, *names[7:]])
    beside = asyncio.get_running_loop().create_task(keep_reading(threads))
    await answers.until(lambda it: sorted(it.found) == sorted(names))
    beside.cancel()


async def keep_reading(threads: StoreThreads) -> None:
    """Others, of whom the database is not out of reach."""
    while True:
        await asyncio.wait_for(threads_answer(threads), 20)
        await asyncio.sleep(0.001)


async def threads_answer(threads: StoreThreads) -> None:
    answered = asyncio.Event()
    threads.mail.read(lambda reader: None, lambda _: answered.set(), what="scan")
    await answered.wait()


async def test_what_cannot_be_read_alone_while_others_can_is_given_up(
    threads: StoreThreads, store: FakeStore
) -> None:
    error = ValueError("not a status")
    store.fault = lambda keys: error if BROKEN in keys else None
    answers = read_each(threads, ["a", BROKEN, "b"])
    beside = asyncio.get_running_loop().create_task(keep_reading(threads))
    await answers.until(lambda it: it.unreadable == {BROKEN: error})
    beside.cancel()
    assert sorted(answers.found) == ["a", "b"]


@pytest.mark.parametrize("error", [StoreUnavailableError("no answer"), SchemaError("no tables")])
async def test_a_batch_stays_whole_and_is_not_given_up_while_nothing_can_be_read(
    threads: StoreThreads, store: FakeStore, error: Exception
) -> None:
    failures = iter([error] * 12)
    store.fault = lambda keys: next(failures, None)
    answers = read_each(threads, ["a", "b", "c"])
    await answers.until(lambda it: it.found == ["a", "b", "c"])
    assert store.reads == [["a", "b", "c"]] * 13
    assert answers.unreadable == {}


async def test_nothing_is_given_up_when_reads_go_wrong_for_a_while_whatever_the_error(
    threads: StoreThreads, store: FakeStore
) -> None:
    failures = iter([ValueError("a driver gone mad")] * 40)
    store.fault = lambda keys: next(failures, None)
    answers = read_each(threads, ["a", "b", "c"])
    await answers.until(lambda it: sorted(it.found) == ["a", "b", "c"])
    assert answers.unreadable == {}
