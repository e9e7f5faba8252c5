"""A request to cancel the run: asyncio.CancelledError in the run method, and what it makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dalsegno import ActivityError, ApplicationError, CanceledError, workflow
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
