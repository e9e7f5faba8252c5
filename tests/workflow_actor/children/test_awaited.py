"""How user code waits for child workflows, and what it sees of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno import (
    ApplicationError,
    CanceledError,
    ChildWorkflowError,
    PayloadError,
    RetryPolicy,
    RetryState,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowAlreadyStartedError,
    WorkflowStatus,
    workflow,
)
from dalsegno.actors.workflow_actor.children.events import ChildTold
from dalsegno.actors.workflow_actor.children.intents import StartChild
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.failure import Failure, why_not_tried_again
from dalsegno.interceptors import WorkerInterceptor
from dalsegno.workflow import ChildWorkflowCancellationType, ParentClosePolicy
from tests.default_converter import from_failure, to_failure, to_payload
from tests.propagated import propagated
from tests.workflow_actor.program.play import Play


def begun(number: int) -> ChildTold:
    return ChildTold(number=number, run_id=f"run-of-{number}")


def completed(number: int, result: Any) -> ChildTold:
    status = WorkflowStatus.COMPLETED
    return ChildTold(number=number, run_id=f"run-of-{number}", status=status, result=to_payload(result))


def ended(number: int, status: WorkflowStatus, failure: Failure) -> ChildTold:
    return ChildTold(number=number, run_id=f"run-of-{number}", status=status, failure=failure)


OUT_OF_STOCK = Failure(message="no stock", type="OutOfStock")


@workflow.defn
class Starter:
    """Says what it sees."""

    @workflow.run
    async def run(self, cancellation: str) -> Any:
        try:
            child = await workflow.start_child_workflow(
                "Shipment",
                "book",
                id="shipment-7",
                cancellation_type=ChildWorkflowCancellationType(cancellation),
                parent_close_policy=ParentClosePolicy.ABANDON,
            )
            return [child.id, child.first_execution_run_id, await child]
        except (ChildWorkflowError, WorkflowAlreadyStartedError) as error:
            cause = error.__cause__
            return [type(error).__name__, isinstance(error, asyncio.CancelledError), type(cause).__name__]


def started(cancellation: str = "wait_cancellation_completed") -> Play:
    play = Play(Starter)
    play.begin(cancellation)
    assert play.digests == ["child 1 Shipment shipment-7"]
    return play


def test_it_has_begun_before_it_ends_and_gives_its_result() -> None:
    play = started()
    assert play.give(begun(1)) == []
    play.give(completed(1, "shipped"))
    assert play.result == ["shipment-7", "run-of-1", "shipped"]


def test_its_end_says_that_it_has_begun_where_that_was_not_heard() -> None:
    play = started()
    play.give(completed(1, "shipped"))
    assert play.result == ["shipment-7", "run-of-1", "shipped"]


def test_one_that_fails_raises_an_error_with_its_reason() -> None:
    play = started()
    play.give(begun(1))
    play.give(ended(1, WorkflowStatus.FAILED, OUT_OF_STOCK))
    assert play.result == ["ChildWorkflowError", False, "ApplicationError"]


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (WorkflowStatus.FAILED, "", RetryState.RETRY_POLICY_NOT_SET),
        (WorkflowStatus.FAILED, "maximum_attempts_reached", RetryState.MAXIMUM_ATTEMPTS_REACHED),
        (WorkflowStatus.TIMED_OUT, "timeout", RetryState.TIMEOUT),
        (WorkflowStatus.FAILED, "of a later version", RetryState.RETRY_POLICY_NOT_SET),
        (WorkflowStatus.TERMINATED, "", RetryState.NON_RETRYABLE_FAILURE),
    ],
)
def test_it_is_known_why_it_was_not_tried_again(status: WorkflowStatus, said: str, why: RetryState) -> None:
    assert why_not_tried_again(status, replace(OUT_OF_STOCK, run_retry_state=said)) is why


def test_one_whose_id_is_taken_is_known_by_its_error() -> None:
    play = started()
    play.give(ChildTold(number=1, run_id="other", refusal=("already_started", "it is there")))
    assert play.result == ["WorkflowAlreadyStartedError", False, "NoneType"]


@workflow.defn
class Executor:
    @workflow.run
    async def run(self) -> Any:
        try:
            return await workflow.execute_child_workflow("Shipment", "book", id="shipment-7")
        except ChildWorkflowError as error:
            return [type(error).__name__, isinstance(error, asyncio.CancelledError)]


@pytest.mark.parametrize("interceptors", [[], [propagated]], ids=["alone", "intercepted"])
def test_who_is_cancelled_before_the_child_has_begun_waits_for_its_end_whatever_stands_around(
    interceptors: list[WorkerInterceptor],
) -> None:
    play = Play(Executor, interceptors=interceptors)
    play.begin()
    assert [intent.digest for intent in play.cancel()] == ["cancel child 1"]
    assert play.give(begun(1)) == []
    play.give(ended(1, WorkflowStatus.CANCELED, Failure(kind="canceled", message="stop")))
    assert play.result == ["ChildWorkflowCancelledError", True]


@pytest.mark.parametrize("cancellation", ["try_cancel", "abandon"])
def test_a_cancel_request_that_does_not_wait_is_seen_at_once(cancellation: str) -> None:
    play = started(cancellation)
    play.give(begun(1))
    play.cancel()
    assert play.result == ["ChildWorkflowCancelledError", True, "CanceledError"]
    assert ("cancel child 1" in play.digests) == (cancellation == "try_cancel")
    assert play.give(completed(1, "late")) == []


def test_a_cancel_request_that_waits_sees_the_end_of_the_child() -> None:
    play = started()
    play.give(begun(1))
    assert [intent.digest for intent in play.cancel()] == ["cancel child 1"]
    play.give(ended(1, WorkflowStatus.CANCELED, Failure(kind="canceled", message="stop")))
    assert play.result == ["ChildWorkflowCancelledError", True, "CanceledError"]


def test_a_cancel_request_that_waits_for_its_delivery_goes_on_when_the_child_has_it() -> None:
    play = started("wait_cancellation_requested")
    play.give(begun(1))
    assert [intent.digest for intent in play.cancel()] == ["cancel child 1"]
    play.give(ChildTold(number=1, is_asked=True))
    assert play.result == ["ChildWorkflowCancelledError", True, "CanceledError"]


@workflow.defn
class Insistent:
    """Passes over what keeps its child from beginning."""

    @workflow.run
    async def run(self, how: str) -> str:
        starter = workflow.execute_child_workflow if how == "execute" else workflow.start_child_workflow
        try:
            await starter("Shipment", id="s")
        except WorkflowAlreadyStartedError:
            await asyncio.sleep(1_000)
        return "went on"


@pytest.mark.parametrize("how", ["execute", "start"])
def test_a_cancel_request_is_not_lost_where_the_id_of_the_child_is_taken(how: str) -> None:
    play = Play(Insistent)
    play.begin(how)
    play.cancel("stop")
    play.give(ChildTold(number=1, run_id="other", refusal=("already_started", "it is there")))
    assert play.digests[-1] == "canceled"
    assert "it is there" in play.failure.cause.message
    play.replayed()


@workflow.defn
class Unreadable:
    """Passes over a result that is none."""

    @workflow.run
    async def run(self, what: str, how: str) -> str:
        try:
            if what == "child":
                await self.of_child(how)
            else:
                await self.of_activity(how)
        except PayloadError:
            how = "read nothing"
        await asyncio.sleep(1_000)
        return how

    async def of_child(self, how: str) -> int:
        if how == "execute":
            return int(await workflow.execute_child_workflow("Shipment", id="s", result_type=int))
        return int(await (await workflow.start_child_workflow("Shipment", id="s", result_type=int)))

    async def of_activity(self, how: str) -> int:
        options: dict[str, Any] = {
            "start_to_close_timeout": 1,
            "result_type": int,
            "cancellation_type": workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        }
        if how == "execute":
            return int(await workflow.execute_activity("charge", **options))
        return int(await workflow.start_activity("charge", **options))


@pytest.mark.parametrize("how", ["execute", "start"])
@pytest.mark.parametrize("what", ["child", "activity"])
def test_a_cancel_request_is_not_lost_where_the_result_cannot_be_read(what: str, how: str) -> None:
    play = Play(Unreadable)
    play.begin(what, how)
    if what == "child":
        play.give(begun(1))
    play.cancel("stop")
    if what == "child":
        play.give(completed(1, "no number"))
    else:
        play.resolve(1, "no number")
    assert play.digests[-1] == "canceled"
    play.replayed()


@workflow.defn
class Orderly:
    """Cancels its child itself, when it is cancelled, or just so."""

    @workflow.run
    async def run(self) -> None:
        child = await workflow.start_child_workflow("Shipment", id="s")
        try:
            await asyncio.sleep(1)
        finally:
            child.cancel()
            await child


@pytest.mark.parametrize("is_asked", [True, False])
def test_the_error_of_a_child_that_was_cancelled_cancels_a_run_that_is_asked_to_stop(is_asked: bool) -> None:
    play = Play(Orderly)
    play.begin()
    play.give(begun(1))
    if is_asked:
        play.cancel("stop")
    else:
        play.fire(1)
    play.give(ended(1, WorkflowStatus.CANCELED, Failure(kind="canceled", message="stop")))
    assert play.digests[-1] == ("canceled" if is_asked else "fail")
    play.replayed()


@workflow.defn
class Hasty:
    """Cancels what it has just wanted, or its own ID."""

    @workflow.run
    async def run(self, what: str) -> Any:
        if what == "itself":
            try:
                await workflow.execute_child_workflow("Shipment", id=workflow.info().workflow_id)
            except WorkflowAlreadyStartedError as error:
                return str(error)
        starting = asyncio.create_task(workflow.execute_child_workflow("Shipment", id="s"))
        await asyncio.sleep(0)
        starting.cancel()
        try:
            await starting
        except asyncio.CancelledError:
            return "never left"


def test_one_that_is_cancelled_in_the_step_that_wanted_it_never_leaves() -> None:
    play = Play(Hasty)
    play.begin("at once")
    assert play.result == "never left"
    assert play.digests == ["complete"]


def test_a_child_cannot_have_the_id_of_its_parent() -> None:
    play = Play(Hasty)
    play.begin("itself")
    assert "which is that of its parent" in play.result


@workflow.defn
class Careless:
    """Lets its child go, and goes on over a sign."""

    @workflow.run
    async def run(self, signs: int) -> int:
        if signs:
            await workflow.wait_condition(lambda: False)
        await workflow.start_child_workflow("Shipment", id="s", parent_close_policy=ParentClosePolicy.ABANDON)
        workflow.checkpoint(signs + 1)


def test_who_lets_a_child_go_is_not_told_how_it_ends_also_behind_a_sign() -> None:
    play = Play(Careless)
    play.begin(0)
    play.give(begun(1))
    play.give(ended(1, WorkflowStatus.FAILED, OUT_OF_STOCK))
    (signed,) = play.signs
    assert signed.next_request == 2
    rebuilt = Play(Careless, signed=signed)
    rebuilt.begin()
    assert rebuilt.give(ended(1, WorkflowStatus.FAILED, OUT_OF_STOCK)) == []
    with pytest.raises(WorkflowCodeError, match="word of child 2 arrived, but"):
        rebuilt.give(begun(2))


def test_errors_of_children_keep_what_they_know_on_their_way() -> None:
    error = ChildWorkflowError("failed", workflow_id="s", run_id="r", workflow_type="Shipment")
    error.__cause__ = ApplicationError("no", type="No")
    back = from_failure(to_failure(error))
    assert isinstance(back, ChildWorkflowError)
    assert (back.workflow_id, back.run_id, back.workflow_type) == ("s", "r", "Shipment")
    assert isinstance(back.cause, ApplicationError)
    assert not isinstance(back.cause, CanceledError)


PICKED = SearchAttributeKey.for_keyword("Warehouse")


@workflow.defn
class Demanding:
    """Says all that can be said of a child, or one thing that cannot."""

    @workflow.run
    async def run(self, wrong: dict[str, Any]) -> Any:
        options: dict[str, Any] = {
            "run_timeout": 60,
            "execution_timeout": timedelta(minutes=5),
            "retry_policy": RetryPolicy(initial_interval=2, maximum_attempts=3),
            "start_delay": 1.5,
            "search_attributes": TypedSearchAttributes([SearchAttributePair(PICKED, "north")]),
            "memo": {"note": "x"},
            "task_timeout": 10,
            "static_summary": "books it",
            "static_details": None,
            "versioning_intent": None,
        }
        try:
            return await workflow.execute_child_workflow("Shipment", id="s", **{**options, **wrong})
        except (TypeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"


def test_a_child_is_started_with_all_that_a_start_can_say() -> None:
    play = Play(Demanding)
    play.begin({})
    (wanted,) = play.intents
    assert isinstance(wanted, StartChild)
    spec = wanted.spec
    assert (spec.run_timeout, spec.execution_timeout, spec.delay) == (60_000_000, 300_000_000, 1_500_000)
    assert spec.retry == RetrySchedule(
        initial_interval=2_000_000, maximum_interval=200_000_000, maximum_attempts=3
    )
    assert spec.search_attributes == {"Warehouse": PICKED.value_set("north").stored}
    play.replayed()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"run_timeout": 0}, "ValueError: run_timeout"),
        ({"start_delay": -1}, "ValueError: start_delay"),
        ({"retry_policy": 3}, "TypeError: retry_policy must be a RetryPolicy or None"),
        (
            {"search_attributes": {"Warehouse": "x"}},
            "TypeError: search_attributes must be Typed",
        ),
        ({"cron_schedule": "* * * * *"}, "TypeError: A child workflow has no option 'cron_schedule': what is"),
    ],
)
def test_what_a_start_cannot_say_is_refused_by_name(wrong: dict[str, Any], why: str) -> None:
    play = Play(Demanding)
    play.begin(wrong)
    assert play.result.startswith(why)
