"""A request to cancel the run: asyncio.CancelledError in the run method, and what it makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dalsegno import ActivityError, ApplicationError, CanceledError, workflow
from dalsegno.actors.workflow_actor.inputs import CancelRequested
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo, work


@workflow.defn
class CleansUp:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self, cancellation_type: str = "try_cancel") -> None:
        try:
            await workflow.execute_activity(
                echo, "reserve", cancellation_type=workflow.ActivityCancellationType(cancellation_type)
            )
            self.seen.append("reserved")
            await workflow.sleep(60)
        except asyncio.CancelledError as error:
            self.seen.append(f"cancelled: {error}")
            raise
        finally:
            await workflow.execute_activity(echo, "release")

    @workflow.query
    def look(self) -> list[str]:
        return self.seen


def test_cancelling_reaches_the_awaited_activity_and_cleanup_may_run_more() -> None:
    play = Play(CleansUp)
    play.begin()
    assert [intent.digest for intent in play.cancel("no money")] == ["cancel activity 1", "activity 2 echo"]
    assert play.query("look") == ["cancelled: no money"]
    play.resolve(2, "released")
    assert play.digests[-1] == "canceled"
    assert (play.failure.kind, play.failure.message) == ("canceled", "no money")
    play.replayed()


def test_cancelling_reaches_a_timer() -> None:
    play = Play(CleansUp)
    play.begin()
    play.resolve(1, "reserved")
    assert [intent.digest for intent in play.cancel()] == ["cancel timer 1", "activity 2 echo"]


def test_cancellation_can_wait_for_the_worker() -> None:
    play = Play(CleansUp)
    play.begin("wait_cancellation_completed")
    assert [intent.digest for intent in play.cancel()] == ["cancel activity 1"]
    play.cancelled(1, CanceledError("stopped"))
    assert [activity.args[0].data for activity in play.activities.values()] == [b'"release"']
    play.resolve(2, "x")
    assert play.digests[-1] == "canceled"
    play.replayed()


def test_a_worker_that_completes_all_the_same_gives_its_result_and_the_request_comes_next() -> None:
    play = Play(CleansUp)
    play.begin("wait_cancellation_completed")
    play.cancel("no money")
    assert [intent.digest for intent in play.resolve(1, "too late")] == ["activity 2 echo"]
    assert play.query("look") == ["reserved", "cancelled: no money"]
    play.replayed()


def test_cancellation_can_abandon_the_activity() -> None:
    play = Play(CleansUp)
    play.begin("abandon")
    assert [intent.digest for intent in play.cancel()] == ["activity 2 echo"]


def test_a_second_request_does_not_interrupt_the_cleanup() -> None:
    play = Play(CleansUp)
    play.begin()
    play.cancel()
    assert play.cancel("again") == []
    play.resolve(2, "x")
    assert play.digests[-1] == "canceled"


@workflow.defn
class Swallows:
    @workflow.run
    async def run(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await workflow.sleep(1)
        return "went on"


def test_a_workflow_may_swallow_the_cancellation_and_go_on() -> None:
    play = Play(Swallows)
    play.begin()
    play.cancel()
    play.fire(1)
    assert play.result == "went on"
    play.replayed()


@workflow.defn
class Compensates:
    @workflow.run
    async def run(self, kind: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if kind == "failure":
                raise ApplicationError("the undo failed") from None
            handle = workflow.start_activity(echo, "x")
            handle.cancel()
            await handle


def test_a_failure_during_cleanup_fails_the_run() -> None:
    play = Play(Compensates)
    play.begin("failure")
    play.cancel()
    assert (play.digests[-1], play.failure.message) == ("fail", "the undo failed")


def test_an_activity_error_by_cancellation_counts_as_cancellation_once_it_was_requested() -> None:
    play = Play(Compensates)
    play.begin("activity")
    play.cancel()
    assert play.digests[-1] == "canceled"


@workflow.defn
class CancelsItself:
    @workflow.run
    async def run(self) -> None:
        handle = workflow.start_activity(echo, "x")
        handle.cancel()
        await handle


def test_without_a_request_it_fails_the_run() -> None:
    play = Play(CancelsItself)
    play.begin()
    assert (play.digests[-1], play.failure.cause.kind) == ("fail", "canceled")


@workflow.defn
class FansOut:
    @workflow.run
    async def run(self, how: str) -> None:
        calls = [workflow.execute_activity(work, number) for number in range(3)]
        if how == "gather":
            await asyncio.gather(*calls)
        elif how == "handles":
            for call in calls:
                call.close()
            await asyncio.gather(*(workflow.start_activity(work, number) for number in range(3)))
        else:
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    group.create_task(call)


@pytest.mark.parametrize("how", ["gather", "handles", "group"])
def test_cancelling_reaches_every_branch(how: str) -> None:
    play = Play(FansOut)
    play.begin(how)
    digests = [intent.digest for intent in play.cancel("stop")]
    assert digests == ["cancel activity 1", "cancel activity 2", "cancel activity 3", "canceled"]
    play.replayed()


@workflow.defn
class Timeouts:
    @workflow.run
    async def run(self) -> str:
        try:
            async with asyncio.timeout(10):
                await workflow.execute_activity(echo, "x")
        except TimeoutError:
            return "timed out"
        return ""


def test_a_cancel_request_inside_a_timeout_is_a_cancellation_not_a_timeout() -> None:
    play = Play(Timeouts)
    play.begin()
    play.cancel()
    assert play.digests[-1] == "canceled"
    assert "cancel timer 1" in play.digests


@workflow.defn
class AwaitsHandle:
    @workflow.run
    async def run(self, wait: bool) -> str:
        kind = workflow.ActivityCancellationType
        handle = workflow.start_activity(
            echo, "x", cancellation_type=kind.WAIT_CANCELLATION_COMPLETED if wait else kind.TRY_CANCEL
        )
        other = asyncio.create_task(self.watch(handle))
        try:
            await handle
        except asyncio.CancelledError:
            return f"cancelled; {await other}"
        return ""

    async def watch(self, handle: workflow.ActivityHandle[str]) -> str:
        try:
            return await handle
        except ActivityError as error:
            return f"the other saw {type(error.__cause__).__name__}"


@pytest.mark.parametrize("wait", [False, True])
def test_only_the_task_that_is_cancelled_sees_cancelled_error(wait: bool) -> None:
    play = Play(AwaitsHandle)
    play.begin(wait)
    play.cancel()
    if wait:
        play.cancelled(1, CanceledError("stopped"))
    assert play.result == "cancelled; the other saw CanceledError"
    play.replayed()


@workflow.defn
class CancelsItsHandler:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @workflow.run
    async def run(self) -> list[Any]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await workflow.wait_condition(workflow.all_handlers_finished)
        return self.seen

    @workflow.signal
    async def note(self, text: str) -> None:
        self.seen.append(await workflow.execute_activity(echo, text))


def test_a_cancel_request_leaves_signal_handlers_alone() -> None:
    play = Play(CancelsItsHandler)
    play.begin()
    play.signal("note", "a")
    assert play.cancel() == []
    play.resolve(1, "A")
    assert play.result == ["A"]


# What comes between a request and the run method: it is seen all the same.

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
