"""Another activity in the place of one that has failed for good."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import ActivityError, ApplicationError, activity, workflow
from dalsegno.actors.workflow_actor.interface.commands import Cancel
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.compensation.desk import ONCE, Desk, book, unbook
from tests.workflow_actor.incidents.shop import TWICE, bill, charge
from tests.workflow_actor.rig import CALLER
from tests.workflow_actor.town import NeverDone, Town


def declined(amount: int) -> int:
    raise ApplicationError("card declined", type="Declined")


def waiting(amount: int) -> int:
    raise NeverDone


@activity.defn
def give_credit() -> int:
    raise NotImplementedError


@workflow.defn
class Falls:
    @workflow.run
    async def run(self, amount: int) -> int:
        return await workflow.execute_activity(
            charge, amount, retry_policy=TWICE, on_exhausted=workflow.fallback(bill)
        )


@workflow.defn
class FallsByHandle:
    @workflow.run
    async def run(self, amount: int) -> int:
        charging = workflow.start_activity(
            charge, amount, retry_policy=TWICE, on_exhausted=workflow.fallback(bill)
        )
        (done,), _ = await workflow.wait([charging])
        return await done


@workflow.defn
class FallsTwice:
    @workflow.run
    async def run(self, amount: int) -> int:
        last = workflow.fallback(give_credit, args=[])
        then = workflow.fallback(bill, amount + 1, retry_policy=ONCE, on_exhausted=last)
        return await workflow.execute_activity(charge, amount, retry_policy=ONCE, on_exhausted=then)


@workflow.defn
class FallsThenPauses:
    @workflow.run
    async def run(self, amount: int) -> int:
        then = workflow.fallback(bill, retry_policy=ONCE, on_exhausted="pause")
        return await workflow.execute_activity(charge, amount, retry_policy=ONCE, on_exhausted=then)


BOTH = pytest.mark.parametrize("cls", [Falls, FallsByHandle])


@BOTH
def test_it_is_given_the_same_arguments_and_its_result_is_that_of_the_call(
    cls: type, passivating: bool
) -> None:
    town = Town(cls, {"charge": declined, "bill": lambda amount: -amount}, passivating=passivating)
    assert town.run(30) == -30
    assert town.done == [("charge", (30,), 1), ("charge", (30,), 2), ("bill", (30,), 1)]


@BOTH
def test_it_is_not_run_where_the_activity_completes(cls: type) -> None:
    town = Town(cls, {"charge": lambda amount: amount})
    assert town.run(30) == 30


@BOTH
def test_what_it_raises_is_what_the_call_raises(cls: type) -> None:
    def broke(amount: int) -> int:
        raise ApplicationError("no address", non_retryable=True)

    town = Town(cls, {"charge": declined, "bill": broke})
    town.run(30)
    assert town.status is WorkflowStatus.FAILED
    assert town.result is not None
    failure = town.result.failure
    assert failure is not None
    assert (failure.activity_type, failure.cause and failure.cause.message) == ("bill", "no address")


@BOTH
@pytest.mark.parametrize("which", ["charge", "bill"])
def test_a_cancelled_one_falls_back_to_nothing(cls: type, which: str, passivating: bool) -> None:
    activities = {"charge": declined, "bill": waiting}
    town = Town(cls, {**activities, which: waiting}, passivating=passivating)
    town.at(30, Cancel(reason="enough", caller=CALLER))
    town.run(30)
    assert town.status is WorkflowStatus.CANCELED
    assert [name for name, *_ in town.done].count("bill") == (which == "bill")


@workflow.defn
class TellsWhatWasCancelled:
    """What a cancelled wait is told of, and what its handle says."""

    @workflow.run
    async def run(self, by_handle: bool) -> list[str]:
        then = workflow.fallback(bill, activity_id="the-bill")
        if not by_handle:
            try:
                await workflow.execute_activity(charge, 30, retry_policy=ONCE, on_exhausted=then)
            except ActivityError as error:
                return [error.activity_type, error.activity_id]
        charging = workflow.start_activity(charge, 30, retry_policy=ONCE, on_exhausted=then)
        try:
            await charging
        except ActivityError as error:
            return [error.activity_type, error.activity_id, charging.activity_type, charging.activity_id]
        return []


@pytest.mark.parametrize("by_handle", [True, False])
def test_what_is_told_of_one_that_is_cancelled_is_of_the_fallback(by_handle: bool, passivating: bool) -> None:
    town = Town(TellsWhatWasCancelled, {"charge": declined, "bill": waiting}, passivating=passivating)
    town.at(30, Cancel(reason="enough", caller=CALLER))
    assert town.run(by_handle) == ["bill", "the-bill"] * (2 if by_handle else 1)


def test_it_may_fall_back_further_each_with_arguments_of_its_own(passivating: bool) -> None:
    activities = {"charge": declined, "bill": declined, "give_credit": lambda: 7}
    town = Town(FallsTwice, activities, passivating=passivating)
    assert town.run(30) == 7
    assert town.done == [("charge", (30,), 1), ("bill", (31,), 1), ("give_credit", (), 1)]


def test_it_may_pause_for_a_person_in_the_end(passivating: bool) -> None:
    town = Town(FallsThenPauses, {"charge": declined, "bill": declined}, passivating=passivating)
    town.run(30)
    (incident,) = town.rig.instance.describe()["incidents"]
    assert incident["activity_type"] == "bill"


@workflow.defn
class NamesItsActivities:
    @workflow.run
    async def run(self) -> list[int]:
        instead = workflow.fallback(bill, activity_id="bill")
        charging = workflow.start_activity(
            charge, 1, activity_id="money", retry_policy=ONCE, on_exhausted=instead
        )
        await workflow.sleep(1)
        other = await workflow.execute_activity(bill, 2, activity_id="money")
        charging.cancel()
        return [other]


def test_the_id_of_what_has_failed_is_free_while_it_falls_back(passivating: bool) -> None:
    def billed(amount: int) -> int:
        if amount == 1:
            raise NeverDone
        return amount

    town = Town(NamesItsActivities, {"charge": declined, "bill": billed}, passivating=passivating)
    assert town.run() == [2]


@workflow.defn
class TripWithFallback:
    """The second stop cannot be booked, and what is booked instead is stopped before it begins."""

    @workflow.run
    async def run(self, first: str) -> None:
        async with workflow.saga() as saga:
            await saga.do(
                book,
                first,
                undo=unbook,
                retry_policy=ONCE,
                on_exhausted=workflow.fallback(
                    "book_elsewhere",
                    task_queue="nobody",
                    heartbeat_timeout=60,
                    cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                ),
            )


def test_a_step_that_may_have_done_something_is_undone_though_its_fallback_never_began(
    passivating: bool,
) -> None:
    desk = Desk(full="a")
    town = Town(TripWithFallback, desk.activities, passivating=passivating)
    town.leaves = "nobody"
    town.at(30, Cancel(reason="enough", caller=CALLER))
    town.run("a")
    assert town.status is WorkflowStatus.CANCELED
    assert desk.undone == [("a", None)]


@pytest.mark.parametrize(
    ("on_exhausted", "message"),
    [
        ("stop", "on_exhausted must be 'fail', 'pause' or workflow.fallback"),
        (bill, "on_exhausted must be 'fail', 'pause' or workflow.fallback"),
        (None, "on_exhausted must be 'fail', 'pause' or workflow.fallback"),
    ],
)
def test_what_is_none_of_these_is_refused_where_it_is_written(on_exhausted: Any, message: str) -> None:
    @workflow.defn(name="Wrong")
    class Wrong:
        @workflow.run
        async def run(self) -> str:
            try:
                await workflow.execute_activity(charge, 1, on_exhausted=on_exhausted)
            except (TypeError, ValueError) as error:
                return str(error)
            return "taken"

    assert message in Town(Wrong, {}).run()


def test_a_fallback_that_cannot_be_called_is_refused_where_it_is_written() -> None:
    @workflow.defn(name="Unfit")
    class Unfit:
        @workflow.run
        async def run(self) -> list[str]:
            said = []
            for wrong in (
                lambda: workflow.fallback(give_credit),
                lambda: workflow.fallback(len),
                lambda: workflow.fallback(bill, retry=3),  # type: ignore[call-arg]
            ):
                try:
                    await workflow.execute_activity(charge, 1, on_exhausted=wrong())
                except TypeError as error:
                    said.append(str(error))
            return said

    said = Town(Unfit, {}).run()
    assert len(said) == 3
    assert "give_credit" in said[0]
    assert "not an activity" in said[1]
    assert "no option 'retry'" in said[2]
