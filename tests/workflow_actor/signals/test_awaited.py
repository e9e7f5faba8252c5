"""Signals: handled in order, by what there is to handle them, and kept until there is something."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dalsegno import ApplicationError, workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.signals.intents import SetSignalAside
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo


@dataclass
class Approval:
    who: str


@workflow.defn
class Approvals:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.wanted = 3

    @workflow.run
    async def run(self, wanted: int) -> list[str]:
        self.wanted = wanted
        await workflow.wait_condition(lambda: len(self.seen) >= self.wanted)
        return self.seen

    @workflow.signal
    def approve(self, approval: Approval, times: int = 1) -> None:
        self.seen += [approval.who] * times

    @workflow.signal(name="approve-slowly")
    async def slowly(self, who: str) -> None:
        await workflow.sleep(5)
        self.seen.append(who)


def test_signals_reach_their_handlers_with_typed_arguments() -> None:
    play = Play(Approvals)
    play.begin(4)
    play.signal("approve", Approval("ann"))
    play.signal("approve-slowly", "slow")
    play.signal("approve", Approval("bob"), 2)
    play.fire(1)
    assert play.result == ["ann", "bob", "bob", "slow"]
    play.replayed()


def test_a_signal_right_behind_the_start_finds_what_the_run_method_has_set() -> None:
    play = Play(Approvals)
    play.begin(1)
    play.signal("approve", {"who": "ann"})
    assert play.result == ["ann"]


def test_a_signal_that_does_not_fit_its_handler_is_set_aside_with_why() -> None:
    for args, why in (([17], "does not fit its handler. Argument 1"), ([], "takes 1 to 2 arguments")):
        play = Play(Approvals)
        play.begin(1)
        (aside,) = play.signal("approve", *args)
        assert isinstance(aside, SetSignalAside)
        assert (aside.place, aside.name) == (0, "approve")
        assert why in aside.reason


@workflow.defn
class HandlesLater:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        assert workflow.get_signal_handler("late") is None
        await workflow.sleep(1)
        workflow.set_signal_handler("late", seen.append)
        assert workflow.get_signal_handler("late") is not None
        await workflow.sleep(1)
        workflow.set_signal_handler("late", None)
        await workflow.sleep(1)

        async def slow(name: str, args: Sequence[Any]) -> None:
            await workflow.sleep(1)
            seen.append([name, args])

        workflow.set_dynamic_signal_handler(slow)
        assert workflow.get_dynamic_signal_handler() is slow
        await workflow.wait_condition(lambda: len(seen) == 6)
        return seen


def test_signals_without_a_handler_wait_for_one_in_order() -> None:
    play = Play(HandlesLater)
    play.begin()
    play.signal("late", 1)
    play.signal("other", "x", "y")
    play.signal("late", 2)
    assert play.program.waiting_for()[-2:] == (
        "a handler for the signal 'late' (2 sent)",
        "a handler for the signal 'other' (1 sent)",
    )
    play.fire(1)
    assert play.program.waiting_for()[-1] == "a handler for the signal 'other' (1 sent)"
    play.signal("late", 3)
    play.fire(2)
    play.signal("late", 4)
    play.fire(3)
    play.signal("third")
    play.run()
    assert play.result == [1, 2, 3, ["other", ["x", "y"]], ["late", [4]], ["third", []]]
    play.replayed()


@workflow.defn
class Dynamic:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @workflow.run
    async def run(self) -> list[Any]:
        await workflow.wait_condition(lambda: len(self.seen) == 2)
        return self.seen

    @workflow.signal
    def known(self) -> None:
        self.seen.append("known")

    @workflow.signal(dynamic=True)
    def any_other(self, name: str, args: Sequence[Any]) -> None:
        self.seen.append([name, args])


def test_a_dynamic_handler_takes_what_has_none_of_its_own() -> None:
    play = Play(Dynamic)
    play.begin()
    play.signal("unknown", {"a": 1})
    play.signal("known")
    assert play.result == [["unknown", [{"a": 1}]], "known"]


@workflow.defn
class Raises:
    @workflow.run
    async def run(self) -> None:
        await asyncio.Event().wait()

    @workflow.signal
    def fail_now(self, on_purpose: bool) -> None:
        if on_purpose:
            raise ApplicationError("enough")
        raise KeyError("typo")

    @workflow.signal
    async def fail_later(self, on_purpose: bool) -> None:
        await workflow.sleep(1)
        self.fail_now(on_purpose)


@pytest.mark.parametrize("name", ["fail_now", "fail_later"])
def test_a_failure_in_a_handler_fails_the_workflow(name: str) -> None:
    play = Play(Raises)
    play.begin()
    play.signal(name, True)
    if name == "fail_later":
        play.fire(1)
    assert (play.digests[-1], play.failure.message) == ("fail", "enough")


@pytest.mark.parametrize("name", ["fail_now", "fail_later"])
def test_a_bug_in_a_handler_suspends(name: str) -> None:
    play = Play(Raises)
    play.begin()
    with pytest.raises(WorkflowCodeError, match=r"KeyError: 'typo' \(test_awaited.py:\d+ in fail_now\)"):
        play.signal(name, False)
        play.fire(1)


@workflow.defn
class CancelsHandlers:
    def __init__(self) -> None:
        self.noted: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: len(self.noted) == 2 and workflow.all_handlers_finished())
        return self.noted

    @workflow.signal
    async def later(self) -> None:
        self.noted.append("later")
        handle = workflow.start_activity(echo, "x")
        handle.cancel()
        await asyncio.gather(handle)

    @workflow.signal
    def now(self) -> None:
        self.noted.append("now")
        raise asyncio.CancelledError


def test_a_cancellation_of_user_codes_own_ends_the_handler_alone() -> None:
    play = Play(CancelsHandlers)
    play.begin()
    play.signal("later")
    play.signal("now")
    assert play.result == ["later", "now"]


@workflow.defn
class EndsWhileHandling:
    def __init__(self) -> None:
        self.over = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.over)
        return "over"

    @workflow.signal
    async def finish(self) -> None:
        self.over = True
        await workflow.execute_activity(echo, "never sent")


def test_nothing_leaves_after_the_end_of_the_run() -> None:
    play = Play(EndsWhileHandling)
    play.begin()
    play.signal("finish")
    assert play.digests == ["activity 1 echo", "complete"]
    assert play.signal("finish") == []
    assert play.resolve(1, "x") == []


@workflow.defn
class Interleaves:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: len(self.seen) == 4 and workflow.all_handlers_finished())
        return self.seen

    @workflow.signal
    async def work(self, name: str) -> None:
        async with self.lock:
            self.seen.append(f"{name} begins")
            await workflow.execute_activity(echo, name)
            self.seen.append(f"{name} ends")


def test_handlers_run_side_by_side_and_may_take_turns_by_a_lock() -> None:
    play = Play(Interleaves)
    play.begin()
    play.signal("work", "a")
    play.signal("work", "b")
    assert list(play.activities) == [1]
    play.resolve(1, "x")
    play.resolve(2, "x")
    assert play.result == ["a begins", "a ends", "b begins", "b ends"]
    play.replayed()


@workflow.defn
class SetsNonsense:
    @workflow.run
    async def run(self) -> None:
        workflow.set_signal_handler("x", 5)  # type: ignore[arg-type]


def test_a_handler_must_be_callable() -> None:
    with pytest.raises(WorkflowCodeError, match="A signal handler must be callable, not 5"):
        Play(SetsNonsense).begin()
