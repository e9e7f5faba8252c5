"""Activities: what is asked for, and what comes back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from dalsegno import (
    ActivityError,
    ApplicationError,
    CanceledError,
    RetryPolicy,
    TimedOutError,
    TimeoutType,
    workflow,
)
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.intents import ScheduleActivity
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.default_converter import from_payload
from tests.workflow_actor.program.play import SECOND, Play, payload, played
from tests.workflow_actor.program.things import Desk, Receipt, add, charge, echo, work


@workflow.defn
class Sequence:
    @workflow.run
    async def run(self, steps: int) -> int:
        total = 0
        for step in range(steps):
            total += await workflow.execute_activity(work, step)
        return total


def test_activities_are_scheduled_one_after_another_with_numbers_from_one() -> None:
    play = played(Sequence, 3)
    assert play.digests == ["activity 1 work", "activity 2 work", "activity 3 work", "complete"]
    assert play.result == 3


def test_an_activity_is_asked_for_with_the_documented_defaults() -> None:
    play = Play(Sequence)
    [intent] = play.begin(1)
    assert isinstance(intent, ScheduleActivity)
    assert (intent.activity_id, intent.task_queue, intent.start_to_close) == ("1", "main", 600 * SECOND)
    assert (intent.schedule_to_close, intent.schedule_to_start, intent.heartbeat_timeout) == (None, None, None)
    assert (intent.retry, intent.cancellation_type) == (RetrySchedule(), "try_cancel")


def test_an_intent_tells_the_line_of_user_code_that_wants_it() -> None:
    play = Play(Sequence)
    [intent] = play.begin(1)
    wanted = next(i for i, line in enumerate(open(__file__), 1) if "execute_activity(work, step)" in line)  # noqa: SIM115, PTH123
    assert intent.line == f"test_awaited.py:{wanted}"


@workflow.defn
class AllOptions:
    @workflow.run
    async def run(self) -> Any:
        return await workflow.execute_activity(
            "somewhere-else",
            args=[1, "two"],
            task_queue="gpu",
            start_to_close_timeout=None,
            schedule_to_close_timeout=timedelta(hours=1),
            schedule_to_start_timeout=1.5,
            heartbeat_timeout=10,
            retry_policy=RetryPolicy(
                initial_interval=2, maximum_attempts=5, non_retryable_error_types=("Bad",)
            ),
            cancellation_type=workflow.ActivityCancellationType.ABANDON,
            activity_id="mine",
            result_type=Receipt,
        )


def test_all_options_arrive_in_the_intent() -> None:
    play = Play(AllOptions)
    [intent] = play.begin()
    assert isinstance(intent, ScheduleActivity)
    assert (intent.activity_type, intent.activity_id, intent.task_queue) == ("somewhere-else", "mine", "gpu")
    assert [from_payload(arg) for arg in intent.args] == [1, "two"]
    assert (intent.start_to_close, intent.schedule_to_close) == (None, 3600 * SECOND)
    assert (intent.schedule_to_start, intent.heartbeat_timeout) == (1_500_000, 10 * SECOND)
    assert intent.retry == RetrySchedule(
        initial_interval=2 * SECOND,
        maximum_interval=200 * SECOND,
        maximum_attempts=5,
        non_retryable_error_types=("Bad",),
    )
    assert intent.cancellation_type == "abandon"


@workflow.defn
class WantsWhatCannotBe:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("echo", "x", result_type=list[Play])


def test_a_result_type_that_nothing_can_be_restored_as_is_refused_before_the_activity_runs() -> None:
    with pytest.raises(WorkflowCodeError, match=r"result_type is list\[Play\], which cannot be restored"):
        Play(WantsWhatCannotBe).begin()


@workflow.defn
class Typed:
    @workflow.run
    async def run(self) -> list[Any]:
        receipt = await workflow.execute_activity(charge, 5)
        stamped = await workflow.execute_activity_method(Desk.stamp, "x")
        bound = await workflow.execute_activity(Desk().stamp, "y")
        total = await workflow.execute_activity(add, args=[1, 2])
        return [type(receipt).__name__, receipt.amount, stamped, bound, total]


def test_results_are_restored_by_the_annotation_of_the_activity() -> None:
    answers = {"charge-card": {"number": "n", "amount": 5}, "stamp": "stamped", "add": 3}
    play = played(Typed, answer=lambda activity: answers[activity.activity_type])
    assert play.result == ["Receipt", 5, "stamped", "stamped", 3]


def test_a_result_that_does_not_fit_the_annotation_suspends_and_names_the_activity() -> None:
    play = Play(Typed)
    play.begin()
    with pytest.raises(WorkflowCodeError, match="The result of activity 1 charge-card"):
        play.resolve(1, "not a receipt")


@workflow.defn
class Catches:
    @workflow.run
    async def run(self) -> list[Any]:
        try:
            await workflow.execute_activity(echo, "x")
        except ActivityError as error:
            cause = error.__cause__
            return [error.activity_type, error.attempt, type(cause).__name__, str(cause)]
        return []


@pytest.mark.parametrize(
    ("cause", "seen"),
    [
        (ApplicationError("no such card", type="Declined"), ["ApplicationError", "no such card"]),
        (TimedOutError("late", timeout_type=TimeoutType.HEARTBEAT), ["TimedOutError", "late"]),
        (CanceledError("stopped by the worker"), ["CanceledError", "stopped by the worker"]),
    ],
)
def test_a_failed_activity_raises_activity_error_with_the_last_failure_as_its_cause(
    cause: Exception, seen: list[str]
) -> None:
    play = Play(Catches)
    play.begin()
    play.fail(1, cause)
    assert play.result == ["echo", 3, *seen]


def test_an_activity_that_calls_itself_cancelled_without_being_asked_has_failed() -> None:
    play = Play(Catches)
    play.begin()
    play.cancelled(1, CanceledError("on a whim"))
    assert play.result == ["echo", 0, "CanceledError", "on a whim"]


def test_a_failure_that_is_not_caught_fails_the_workflow_with_the_whole_chain() -> None:
    play = Play(Sequence)
    play.begin(1)
    play.fail(1, ApplicationError("broken", type="Broken"))
    assert play.digests[-1] == "fail"
    assert (play.failure.kind, play.failure.cause.type) == ("activity", "Broken")


@workflow.defn
class Started:
    @workflow.run
    async def run(self) -> list[str]:
        first = workflow.start_activity(echo, "a")
        second = workflow.start_activity(echo, "b")
        assert not first.done()
        results = [await second, await first, await first]
        assert first.done()
        assert first.result() == "a"
        return results


def test_started_activities_run_side_by_side_and_can_be_awaited_more_than_once() -> None:
    play = Play(Started)
    assert [intent.digest for intent in play.begin()] == ["activity 1 echo", "activity 2 echo"]
    play.resolve(1, "a")
    play.resolve(2, "b")
    assert play.result == ["b", "a", "a"]
    play.replayed()


@workflow.defn
class CancelsHandle:
    @workflow.run
    async def run(self, cancellation_type: str) -> str:
        handle = workflow.start_activity(
            echo, "a", cancellation_type=workflow.ActivityCancellationType(cancellation_type)
        )
        await workflow.sleep(1)
        handle.cancel()
        try:
            return await handle
        except ActivityError as error:
            return f"{type(error.__cause__).__name__} of {error.activity_type}"


def test_awaiting_a_handle_that_was_cancelled_raises_activity_error() -> None:
    play = Play(CancelsHandle)
    play.begin("try_cancel")
    play.fire(1)
    assert play.digests == ["activity 1 echo", "timer 1", "cancel activity 1", "complete"]
    assert play.result == "CanceledError of echo"
    play.replayed()


def test_a_cancelled_handle_can_wait_for_the_worker_to_agree() -> None:
    play = Play(CancelsHandle)
    play.begin("wait_cancellation_completed")
    assert [intent.digest for intent in play.fire(1)] == ["cancel activity 1"]
    play.cancelled(1, CanceledError("stopped"))
    assert play.result == "CanceledError of echo"
    play.replayed()


def test_a_worker_that_completes_in_spite_of_being_cancelled_is_heard_when_it_is_waited_for() -> None:
    play = Play(CancelsHandle)
    play.begin("wait_cancellation_completed")
    play.fire(1)
    play.resolve(1, "done all the same")
    assert play.result == "done all the same"


def test_an_abandoned_activity_is_not_cancelled() -> None:
    play = Play(CancelsHandle)
    play.begin("abandon")
    play.fire(1)
    assert play.digests == ["activity 1 echo", "timer 1", "complete"]


@workflow.defn
class CancelsAtOnce:
    @workflow.run
    async def run(self, cancellation_type: str) -> str:
        handle = workflow.start_activity(
            echo, "a", cancellation_type=workflow.ActivityCancellationType(cancellation_type)
        )
        handle.cancel()
        try:
            return await handle
        except ActivityError as error:
            return type(error.__cause__).__name__


@pytest.mark.parametrize("cancellation_type", ["try_cancel", "wait_cancellation_completed"])
def test_an_activity_cancelled_in_the_step_that_wanted_it_never_leaves(cancellation_type: str) -> None:
    play = Play(CancelsAtOnce)
    play.begin(cancellation_type)
    assert (play.digests, play.result) == (["complete"], "CanceledError")


@workflow.defn
class Late:
    @workflow.run
    async def run(self) -> str:
        handle = workflow.start_activity(echo, "a")
        await workflow.sleep(1)
        handle.cancel()
        await workflow.sleep(1)
        return "over"


def test_the_result_of_an_activity_that_nobody_waits_for_any_more_is_passed_over() -> None:
    play = Play(Late)
    play.begin()
    play.fire(1)
    assert play.give(ActivityResolved(number=1, result=payload("too late"))) == []
    play.fire(2)
    assert play.result == "over"


def test_a_result_that_was_never_asked_for_means_that_this_is_other_code() -> None:
    play = Play(Sequence)
    play.begin(1)
    with pytest.raises(WorkflowCodeError, match="not the code that the history was made by"):
        play.give(ActivityResolved(number=2, result=payload(0)))


async def _undecorated(_: int) -> None: ...


MISUSES: dict[str, tuple[Any, str]] = {
    "undecorated": (lambda: workflow.execute_activity(_undecorated, 1), "_undecorated is not an activity"),
    "both": (lambda: workflow.execute_activity(echo, "a", args=["b"]), "one argument, or args="),
    "zero": (
        lambda: workflow.execute_activity(echo, "a", start_to_close_timeout=0),
        "start_to_close_timeout must be a finite duration of more than 0 seconds, not 0",
    ),
    "unsendable": (lambda: workflow.execute_activity("x", object()), "Argument 1 of x"),
    "unknown_option": (lambda: workflow.execute_activity(echo, "a", timeout=3), "timeout"),  # type: ignore[call-overload]
    "retry": (
        lambda: workflow.execute_activity(echo, "a", retry_policy=RetryPolicy(maximum_attempts=-1)),
        "attempts",
    ),
}


@workflow.defn
class Misused:
    @workflow.run
    async def run(self, how: str) -> None:
        await MISUSES[how][0]()


@pytest.mark.parametrize("how", MISUSES)
def test_misuse_suspends_with_a_sentence_and_the_line(how: str) -> None:
    play = Play(Misused)
    with pytest.raises(WorkflowCodeError, match=MISUSES[how][1]) as caught:
        play.begin(how)
    assert "test_awaited.py:" in caught.value.reason


@workflow.defn
class Combined:
    @workflow.run
    async def run(self) -> list[Any]:
        handles = [workflow.start_activity(work, step) for step in range(3)]
        gathered = await asyncio.gather(*handles)
        tasks = await asyncio.gather(*(workflow.execute_activity(work, step) for step in range(3)))
        return [*gathered, *tasks]


def test_handles_and_calls_can_be_gathered() -> None:
    assert played(Combined).result == [0, 1, 2, 0, 1, 2]
