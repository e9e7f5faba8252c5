"""workflow.wait_condition."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.workflow_actor.program.play import Play, played
from tests.workflow_actor.program.things import echo


@workflow.defn
class Takes:
    """Several tasks take from one list; each must find something when it is woken."""

    def __init__(self) -> None:
        self.items: list[int] = []

    @workflow.run
    async def run(self) -> list[list[int]]:
        return list(await asyncio.gather(*(self.take() for _ in range(3))))

    async def take(self) -> list[int]:
        taken = []
        for _ in range(2):
            await workflow.wait_condition(lambda: bool(self.items))
            taken.append(self.items.pop(0))
        return taken

    @workflow.signal
    def put(self, *items: int) -> None:
        self.items += items


def test_of_several_waiters_each_finds_its_own_condition_true() -> None:
    play = Play(Takes)
    play.begin()
    play.signal("put", 1)
    play.signal("put", 2, 3, 4)
    play.signal("put", 5, 6)
    assert sorted(item for taken in play.result for item in taken) == [1, 2, 3, 4, 5, 6]
    play.replayed()


@workflow.defn
class Chains:
    @workflow.run
    async def run(self) -> list[int]:
        seen: list[int] = []

        async def link(number: int) -> None:
            await workflow.wait_condition(lambda: len(seen) == number)
            seen.append(number)

        await asyncio.gather(*(link(number) for number in reversed(range(50))))
        return seen


def test_conditions_are_asked_again_until_nothing_changes() -> None:
    assert played(Chains).result == list(range(50))


@workflow.defn
class GivesUp:
    def __init__(self) -> None:
        self.ready = False

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.wait_condition(lambda: self.ready, timeout=30)
        except asyncio.TimeoutError:  # noqa: UP041 - the name that the docs promise
            return "gave up"
        return "ready"

    @workflow.signal
    def get_ready(self) -> None:
        self.ready = True


def test_a_condition_may_have_a_timeout() -> None:
    play = Play(GivesUp)
    play.begin()
    play.fire(1)
    assert play.result == "gave up"
    play = Play(GivesUp)
    play.begin()
    play.signal("get_ready")
    assert (play.result, play.digests) == ("ready", ["timer 1", "cancel timer 1", "complete"])
    play.replayed()


@workflow.defn
class AlreadyTrue:
    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: True, timeout=30)
        return "at once"


def test_a_condition_that_holds_already_needs_no_timer() -> None:
    assert played(AlreadyTrue).digests == ["complete"]


@workflow.defn
class RaisesInCondition:
    @workflow.run
    async def run(self, catch: bool) -> str:
        try:
            await workflow.wait_condition(lambda: bool(int("x")))
        except ValueError:
            if not catch:
                raise
        return "caught"


def test_what_a_condition_raises_goes_to_whoever_waits() -> None:
    assert played(RaisesInCondition, True).result == "caught"
    with pytest.raises(WorkflowCodeError, match="ValueError: invalid literal"):
        Play(RaisesInCondition).begin(False)


@workflow.defn
class ActsInCondition:
    @workflow.run
    async def run(self, how: str) -> None:
        def start() -> bool:
            if how == "activity":
                workflow.start_activity(echo, "x")
            else:
                asyncio.get_running_loop().call_later(1, print)
            return True

        await workflow.wait_condition(start)


@pytest.mark.parametrize("how", ["activity", "timer"])
def test_a_condition_may_only_look(how: str) -> None:
    with pytest.raises(WorkflowCodeError, match="may only read"):
        Play(ActsInCondition).begin(how)


@workflow.defn
class CancelledWaiter:
    @workflow.run
    async def run(self) -> str:
        waiter = asyncio.create_task(workflow.wait_condition(lambda: False))
        await workflow.sleep(1)
        waiter.cancel()
        await asyncio.wait([waiter])
        await workflow.sleep(1)
        return "over"


def test_a_waiter_that_is_cancelled_is_asked_no_more() -> None:
    play = Play(CancelledWaiter)
    play.begin()
    assert any("condition at test_conditions.py:" in wait for wait in play.program.waiting_for())
    play.fire(1)
    assert not any("condition at" in wait for wait in play.program.waiting_for())
    play.fire(2)
    assert play.result == "over"


@workflow.defn
class Ready:
    @workflow.run
    async def run(self) -> list[str]:
        got = []
        for timeout in (0, 0.0, -1.0, timedelta(0), 0.001, 5.0, None):
            try:
                await workflow.wait_condition(lambda: True, timeout=timeout)
                got.append("held")
            except TimeoutError:
                got.append("timeout")
        try:
            await workflow.wait_condition(lambda: False, timeout=0)
        except TimeoutError:
            got.append("timeout")
        return got


def test_what_is_true_already_needs_no_time() -> None:
    assert played(Ready).result == ["held"] * 7 + ["timeout"]


async def never() -> bool:
    return False


@workflow.defn
class Misunderstands:
    @workflow.run
    async def run(self, how: str) -> str:
        try:
            if how == "async":
                await workflow.wait_condition(never)  # type: ignore[arg-type]
            if how == "coroutine":
                await workflow.wait_condition(lambda: never())  # type: ignore[arg-type,return-value]
            if how == "value":
                await workflow.wait_condition(True)  # type: ignore[arg-type]
            if how == "timeout":
                await workflow.wait_condition(lambda: True, timeout="5")  # type: ignore[arg-type]
            await workflow.wait_condition(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
        except (TypeError, ZeroDivisionError) as error:
            return str(error)
        return "nothing"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("async", "a plain function without arguments, which is not async"),
        ("coroutine", "gave a coroutine: it must not be async"),
        ("value", "must be a plain function"),
        ("timeout", "timeout must be a duration: seconds, or a timedelta, not '5'"),
        ("raises", "division by zero"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_in_words(how: str, words: str) -> None:
    assert words in played(Misunderstands, how).result
