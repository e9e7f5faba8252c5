"""What comes between a request to cancel and the run method: the request is seen all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dalsegno import ApplicationError, CanceledError, workflow
from dalsegno.actors.workflow_actor.run.inputs import CancelRequested
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo

WAIT = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


def wait_for(argument: str) -> Any:
    return workflow.execute_activity(echo, argument, cancellation_type=WAIT)


@workflow.defn
class Saga:
    """Makes two charges, one after the other, and undoes those that it knows of."""

    @workflow.run
    async def run(self, how: str) -> None:
        made = []
        try:
            for number in range(2):
                made.append(await self.charge(how, number))
        finally:
            for receipt in reversed(made):
                await workflow.execute_activity(echo, f"refund {receipt}")

    async def charge(self, how: str, number: int) -> Any:
        activity = f"charge {number}"
        if how == "handle":
            return await workflow.start_activity(echo, activity, cancellation_type=WAIT)
        if how == "task":
            return await asyncio.create_task(wait_for(activity))
        if how == "timeout":
            async with asyncio.timeout(60):
                return await wait_for(activity)
        return await wait_for(activity)


HOW = ["directly", "handle", "task", "timeout"]


@pytest.mark.parametrize("how", HOW)
def test_a_charge_that_outlives_the_request_is_refunded_and_no_other_is_made(how: str) -> None:
    play = Play(Saga)
    play.begin(how)
    play.cancel("no money")
    play.resolve(1, "receipt")
    assert [activity.args[0].data for activity in play.activities.values()] == [b'"refund receipt"']
    play.resolve(max(play.activities), "ok")
    assert (play.digests[-1], play.failure.message) == ("canceled", "no money")
    play.replayed()


@pytest.mark.parametrize("how", HOW)
def test_a_charge_that_fails_after_the_request_is_its_cause(how: str) -> None:
    play = Play(Saga)
    play.begin(how)
    play.cancel("no money")
    play.fail(1, ApplicationError("declined"))
    assert (play.digests[-1], play.failure.message) == ("canceled", "no money")
    if how in ("directly", "handle"):
        assert play.failure.cause.kind == "activity"
        assert play.failure.cause.cause.message == "declined"
    play.replayed()


@workflow.defn
class Loops:
    """Long-lived: takes what its activities give, and would go on for ever."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self, how: str) -> None:
        while True:
            if how == "gather":
                self.seen += await asyncio.gather(wait_for("a"), wait_for("b"))
            elif how == "results":
                self.seen += await asyncio.gather(wait_for("a"), wait_for("b"), return_exceptions=True)
            elif how == "swallowing task":
                self.seen.append(await asyncio.create_task(self.swallow()))
            else:
                self.seen.append(await self.swallow())

    async def swallow(self) -> str:
        try:
            return await workflow.execute_activity(echo, "a")
        except asyncio.CancelledError:
            return "swallowed"


@pytest.mark.parametrize("how", ["gather", "results"])
def test_a_request_outlived_by_every_branch_is_seen_when_they_have_ended(how: str) -> None:
    play = Play(Loops)
    play.begin(how)
    play.cancel("enough")
    play.resolve(1, "A")
    play.resolve(2, "B")
    assert (play.digests[-1], play.failure.message) == ("canceled", "enough")
    play.replayed()


def test_a_task_that_swallows_what_was_meant_for_the_run_method_does_not_keep_it_from_it() -> None:
    play = Play(Loops)
    play.begin("swallowing task")
    play.cancel("enough")
    assert (play.digests[-1], play.failure.message) == ("canceled", "enough")
    play.replayed()


def test_each_request_that_the_code_swallows_is_followed_by_the_next() -> None:
    play = Play(Loops)
    play.begin("swallowing")
    for number in range(1, 4):
        digests = [intent.digest for intent in play.cancel(f"request {number}")]
        assert digests == [f"cancel activity {number}", f"activity {number + 1} echo"]
    play.replayed()


@workflow.defn
class Signs:
    @workflow.run
    async def run(self, state: list[str] | None = None) -> None:
        done = [*(state or []), await wait_for("a")]
        workflow.checkpoint(done)


def test_an_outlived_request_goes_over_the_sign_that_follows() -> None:
    play = Play(Signs)
    play.begin()
    play.cancel("enough")
    play.resolve(1, "A")
    assert play.digests[-1] == "canceled"
    assert play.failure.message == "enough"
    play.replayed()


@workflow.defn
class GoesOn:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> None:
        while True:
            try:
                await workflow.wait_condition(lambda: False)
            except asyncio.CancelledError as error:
                self.seen.append(str(error))
                await workflow.execute_activity(echo, "clean up")
                if len(self.seen) == 2:
                    raise

    @workflow.query
    def look(self) -> list[str]:
        return self.seen


def test_a_request_during_the_cleanup_comes_when_the_code_goes_on() -> None:
    play = Play(GoesOn)
    play.begin()
    play.cancel("first")
    assert play.cancel("second") == []
    assert play.query("look") == ["first"]
    play.resolve(1, "clean")
    assert play.query("look") == ["first", "second"]
    play.resolve(2, "clean")
    assert play.digests[-1] == "canceled"
    play.replayed()


@workflow.defn
class Remembers:
    @workflow.run
    async def run(self) -> str:
        first: asyncio.CancelledError | None = None
        while True:
            try:
                await workflow.wait_condition(lambda: False)
            except asyncio.CancelledError as error:
                if first is not None:
                    return f"{first}, {error}"
                first = error


def test_an_error_that_the_code_has_kept_does_not_hold_up_the_next_request() -> None:
    play = Play(Remembers)
    play.begin()
    play.cancel("first")
    play.cancel("second")
    assert play.result == "first, second"
    play.replayed()


def test_a_request_and_a_timeout_of_asyncio_are_two_things() -> None:
    """The timeout has cancelled the task, the worker is waited for, and then the run is to be cancelled."""
    play = Play(Saga)
    play.begin("timeout")
    play.fire(1)
    play.cancel("no money")
    play.cancelled(1, CanceledError("stopped"))
    assert (play.digests[-1], play.failure.kind) == ("canceled", "canceled")
    play.replayed()


def test_a_timeout_that_the_activity_outlives_cancels_nothing_more() -> None:
    play = Play(Saga)
    play.begin("timeout")
    play.fire(1)
    play.resolve(1, "receipt")
    assert [activity.args[0].data for activity in play.activities.values()] == [b'"charge 1"']
    play.replayed()


def test_a_request_of_an_older_journal_is_raised_once() -> None:
    play = Play(Saga)
    play.begin("directly")
    play.give(CancelRequested(reason="no money"))
    play.resolve(1, "receipt")
    assert [activity.args[0].data for activity in play.activities.values()] == [b'"charge 1"']
    play.replayed()
