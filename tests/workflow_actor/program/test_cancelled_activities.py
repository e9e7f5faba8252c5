"""A request that reaches a task that waits for an activity is an ActivityError and a cancellation, both."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Awaitable
from typing import Any

import pytest

from dalsegno import ActivityError, ApplicationError, CanceledError, workflow
from dalsegno.actors.workflow_actor.activities.cancelled import ActivityCancelledError
from dalsegno.actors.workflow_actor.run.inputs import Begin, SignedState
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo

KINDS = workflow.ActivityCancellationType


def waited(way: str, kind: KINDS) -> Awaitable[Any]:
    def call() -> Awaitable[Any]:
        return workflow.execute_activity(echo, "work", cancellation_type=kind)

    async def in_a_group() -> Any:
        async with asyncio.TaskGroup():
            return await call()

    async def in_a_timeout() -> Any:
        async with asyncio.timeout(60):
            return await call()

    async def by_its_handle() -> Any:
        return await workflow.start_activity(echo, "work", cancellation_type=kind)

    ways: dict[str, Any] = {
        "directly": call,
        "task": lambda: asyncio.ensure_future(call()),
        "gather": lambda: asyncio.gather(call()),
        "group": in_a_group,
        "timeout": in_a_timeout,
        "handle": by_its_handle,
    }
    awaitable: Awaitable[Any] = ways[way]()
    return awaitable


@workflow.defn
class Ported:
    """As workflows are written for which a cancelled activity is one that has failed."""

    @workflow.run
    async def run(self, way: str, kind: str) -> str:
        try:
            await waited(way, KINDS(kind))
        except ActivityError as error:
            cleaned = await workflow.execute_activity(echo, "clean up")
            both = isinstance(error, asyncio.CancelledError)
            return f"{type(error.__cause__).__name__} {both} {error} {error.activity_type} {cleaned}"
        return ""


WAYS = ["directly", "task", "gather", "group", "timeout", "handle"]


@pytest.mark.parametrize("kind", ["try_cancel", "wait_cancellation_completed", "abandon"])
@pytest.mark.parametrize("way", WAYS)
def test_cleanup_that_was_written_for_failed_activities_runs(way: str, kind: str) -> None:
    play = Play(Ported)
    play.begin(way, kind)
    play.cancel("no money")
    if kind == "wait_cancellation_completed":
        play.cancelled(1, CanceledError("stopped"))
    play.resolve(2, "cleaned")
    assert play.result == "CanceledError True no money echo cleaned"
    play.replayed()


@workflow.defn
class LetsThrough:
    @workflow.run
    async def run(self, way: str) -> None:
        await waited(way, KINDS.TRY_CANCEL)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_lets_it_through_is_canceled_for_the_reason_of_the_request(way: str) -> None:
    play = Play(LetsThrough)
    play.begin(way)
    play.cancel("no money")
    assert (play.digests[-1], play.failure.kind, play.failure.message) == ("canceled", "canceled", "no money")
    assert play.failure.cause.message == "activity echo was cancelled"
    play.replayed()


@workflow.defn
class HandlesExceptions:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity(echo, "work")
        except Exception as error:  # noqa: BLE001 - as ported code has it
            return type(error).__name__
        return ""


def test_it_is_an_exception() -> None:
    play = Play(HandlesExceptions)
    play.begin()
    play.cancel()
    assert play.result == "ActivityCancelledError"


@workflow.defn
class OfAsyncio:
    """Cancellations that are no request of the workflow."""

    @workflow.run
    async def run(self, way: str) -> list[str]:
        seen: list[str] = []

        async def one() -> None:
            try:
                await workflow.execute_activity(echo, "work")
            except ActivityError:
                seen.append("an activity that failed")
                raise
            except asyncio.CancelledError as error:
                seen.append(type(error).__name__)
                raise

        if way == "cancel":
            task = asyncio.create_task(one())
            await asyncio.sleep(1)
            task.cancel("because")
            await asyncio.wait([task])
        elif way == "timeout":
            try:
                async with asyncio.timeout(1):
                    await one()
            except TimeoutError:
                seen.append("TimeoutError")
        else:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(one())
                    await asyncio.sleep(1)
                    raise ApplicationError("enough")
            except* ApplicationError:
                seen.append("enough")
        return seen


@pytest.mark.parametrize(
    ("way", "seen"),
    [
        ("cancel", ["CancelledError"]),
        ("timeout", ["CancelledError", "TimeoutError"]),
        ("group", ["CancelledError", "enough"]),
    ],
)
def test_what_asyncio_cancels_by_itself_is_no_failure_of_an_activity(way: str, seen: list[str]) -> None:
    play = Play(OfAsyncio)
    play.begin(way)
    play.fire(1)
    assert play.result == seen
    play.replayed()


@workflow.defn
class CleansUpInAGroup:
    """Children of a group are cancelled by it, and its body by the request."""

    @workflow.run
    async def run(self) -> list[str]:
        seen: list[str] = []

        async def child() -> None:
            try:
                await workflow.execute_activity(echo, "child")
            except asyncio.CancelledError as error:
                seen.append(f"child: {type(error).__name__}")
                raise

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await workflow.execute_activity(echo, "body")
        except ActivityError as error:
            seen.append(f"body: {type(error).__name__}")
        return seen


def test_a_task_group_whose_body_is_cancelled_hands_on_the_very_error() -> None:
    play = Play(CleansUpInAGroup)
    play.begin()
    play.cancel("stop")
    assert play.result == ["child: CancelledError", "body: ActivityCancelledError"]
    play.replayed()


@workflow.defn
class CleansUpTwice:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity(echo, "work")
        except ActivityError:
            await workflow.execute_activity(echo, "clean up")
            return "clean"
        return ""


def test_a_second_request_does_not_interrupt_such_cleanup() -> None:
    play = Play(CleansUpTwice)
    play.begin()
    play.cancel("first")
    assert play.cancel("second") == []
    play.resolve(2, "done")
    assert play.result == "clean"
    play.replayed()


@workflow.defn
class Careful:
    """What it wants tells which error it has seen."""

    @workflow.run
    async def run(self, way: str) -> str:
        try:
            await waited(way, KINDS.WAIT_CANCELLATION_COMPLETED)
        except ActivityError:
            return await workflow.execute_activity(echo, "an activity failed")
        except asyncio.CancelledError as error:
            return await workflow.execute_activity(echo, f"cancelled: {error}")
        return ""


@pytest.mark.parametrize("way", ["directly", "timeout", "handle"])
def test_a_request_of_an_older_journal_is_no_failure_of_the_activity(way: str) -> None:
    """Its code has cleaned up as after a cancellation, and does so again when it is replayed."""
    play = Play(Careful)
    play.begin(way)
    play.cancel("no money", as_failure=False)
    play.cancelled(1, CanceledError("stopped"))
    assert [activity.args[0].data for activity in play.activities.values()] == [b'"cancelled: no money"']
    play.replayed()


@workflow.defn
class GoesOn:
    """Behind a sign."""

    @workflow.run
    async def run(self, signs: int) -> str:
        return await Careful().run("directly")


@pytest.mark.parametrize("as_failure", [True, False])
def test_what_a_request_is_seen_as_goes_over_a_sign(as_failure: bool) -> None:
    signed = SignedState(state=to_payload(1), signs=1, cancel_reason="no money", cancel_as_failure=as_failure)
    play = Play(GoesOn, signed=signed)
    play.give(Begin())
    play.cancelled(1, CanceledError("stopped"))
    seen = "an activity failed" if as_failure else "cancelled: no money"
    assert [from_payload(activity.args[0]) for activity in play.activities.values()] == [seen]
    play.replayed()


def test_it_can_be_copied_and_sent_to_another_process() -> None:
    error = ActivityCancelledError("no money", activity_type="echo", activity_id="1", attempt=0)
    for same in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(same) is ActivityCancelledError
        assert (str(same), same.activity_type, same.activity_id, same.attempt) == ("no money", "echo", "1", 0)
