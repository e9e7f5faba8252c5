"""How code takes updates: handlers set at run time, those that take all names, those that outlive their run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from dalsegno import ApplicationError, workflow
from dalsegno.policies import HandlerUnfinishedPolicy
from tests.workflow_actor.program.play import Play


@workflow.defn
class Set:
    def __init__(self) -> None:
        self.is_over = False

    @workflow.run
    async def run(self) -> None:
        def double(number: int) -> int:
            return 2 * number

        def refuse(number: int) -> None:
            if number < 0:
                raise ApplicationError("negative")

        workflow.set_update_handler("double", double, validator=refuse)
        assert workflow.get_update_handler("double") is double
        workflow.set_dynamic_update_handler(lambda name, args: [name, *args])
        assert workflow.get_dynamic_update_handler() is not None
        await workflow.wait_condition(lambda: self.is_over)

    @workflow.update
    def forget(self) -> None:
        workflow.set_dynamic_update_handler(None)


def test_handlers_may_be_set_at_run_time() -> None:
    play = Play(Set)
    play.begin()
    play.update("double", 4)
    play.update("double", -4)
    play.update("any", 1, 2)
    play.update("forget")
    play.update("any", 1, 2)
    assert play.outcomes == {
        "1": 8,
        "2": "negative",
        "3": ["any", 1, 2],
        "4": None,
        "5": "The workflow has no handler for the update 'any'; it has 'double', 'forget'.",
    }
    play.replayed()


@workflow.defn
class Dynamic:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update(dynamic=True)
    async def take(self, name: str, args: Sequence[Any]) -> str:
        info = workflow.current_update_info()
        await asyncio.sleep(0)
        assert info == workflow.current_update_info()
        return f"{name} {list(args)}"

    @take.validator
    def check(self, name: str, args: Sequence[Any]) -> None:
        if not args:
            raise ValueError("nothing")


def test_a_dynamic_handler_takes_all_names_and_its_validator_with_it() -> None:
    play = Play(Dynamic)
    play.begin()
    play.update("one", 1)
    play.update("other")
    assert play.outcomes == {"1": "one [1]", "2": "nothing"}
    play.replayed()


@pytest.mark.parametrize("policy", list(HandlerUnfinishedPolicy))
def test_handlers_that_outlive_their_run_are_warned_of_once_unless_they_are_declared_not_to_matter(
    policy: HandlerUnfinishedPolicy,
) -> None:
    @workflow.defn
    class Ends:
        def __init__(self) -> None:
            self.is_over = False

        @workflow.run
        async def run(self) -> None:
            await workflow.wait_condition(lambda: self.is_over)

        @workflow.update(unfinished_policy=policy)
        async def hang(self) -> None:
            await workflow.wait_condition(lambda: False)

        @workflow.signal(unfinished_policy=policy)
        async def wait(self) -> None:
            self.is_over = True
            await workflow.wait_condition(lambda: False)

    play = Play(Ends)
    play.begin()
    play.update("hang")
    with capture_logs() as logs:
        play.signal("wait")
        play.replayed()
    said = [
        line["event"]
        for line in logs
        if "handlers were still running: update hang, signal wait" in line["event"]
    ]
    assert len(said) == (1 if policy is HandlerUnfinishedPolicy.WARN_AND_ABANDON else 0)
    assert play.digests[-1] == "complete"


@workflow.defn
class Leaving:
    """Its end leaves a task behind, and perhaps handlers."""

    def __init__(self) -> None:
        self.is_over = False
        self.left: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, how: str) -> None:
        await workflow.wait_condition(lambda: self.is_over)
        self.left = asyncio.create_task(self.leave(how))

    async def leave(self, how: str) -> None:
        if how == "a bug":
            raise KeyError("oh")
        while True:
            if how == "ever more tasks":
                self.left = asyncio.create_task(asyncio.sleep(0))
            await asyncio.sleep(0)

    @workflow.signal
    async def hold(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def wait(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def answer(self) -> str:
        await workflow.wait_condition(lambda: self.is_over)
        await asyncio.sleep(0)
        return "answered"

    @workflow.update
    async def fail(self) -> None:
        await workflow.wait_condition(lambda: self.is_over)
        await asyncio.sleep(0)
        raise KeyError("oh")

    @workflow.signal
    def end(self) -> None:
        self.is_over = True


@pytest.mark.parametrize("how", ["a bug", "for ever", "ever more tasks"])
@pytest.mark.parametrize("held_by", ["nothing", "a signal", "an update"])
def test_what_a_run_leaves_behind_does_not_keep_it_from_ending(how: str, held_by: str) -> None:
    play = Play(Leaving)
    play.begin(how)
    if held_by == "a signal":
        play.signal("hold")
    elif held_by == "an update":
        play.update("wait")
    play.signal("end")
    assert play.digests[-1] == "complete"
    play.replayed()


def test_handlers_of_updates_that_wait_for_nothing_more_give_their_results_though_others_go_wrong() -> None:
    play = Play(Leaving)
    play.begin("a bug")
    play.update("answer")
    play.update("fail")
    play.signal("end")
    assert play.digests[-3:] == ["complete update 1", "fail update 2", "complete"]
    play.replayed()


@workflow.defn
class Divided:
    """Fails by a signal, which is what its run method waits for to go on as another."""

    def __init__(self) -> None:
        self.is_told = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.is_told)
        workflow.continue_as_new()

    @workflow.update
    async def wait(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    def fail(self) -> None:
        self.is_told = True
        raise ApplicationError("no")


@pytest.mark.parametrize("updates", [0, 1])
def test_what_has_ended_a_run_is_not_replaced_by_what_code_says_after_it(updates: int) -> None:
    play = Play(Divided)
    play.begin()
    for _ in range(updates):
        play.update("wait")
    play.signal("fail")
    assert play.digests[-1] == "fail"
    play.replayed()
