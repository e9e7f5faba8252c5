"""Sagas: what is undone when, in which order, and what becomes of what cannot be undone."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno import ApplicationError, workflow
from dalsegno.actors.workflow_actor.compensation.events import CompensationPushed
from dalsegno.actors.workflow_actor.interface.commands import Cancel, Terminate
from dalsegno.actors.workflow_actor.run.events import Ran
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.compensation.desk import ONCE, Desk, Trip, book, fix, unbook
from tests.workflow_actor.town import Town


def test_when_a_step_fails_it_and_those_before_it_are_undone_newest_first(passivating: bool) -> None:
    desk = Desk(full="c")
    town = Town(Trip, desk.activities, passivating=passivating)
    town.run(["a", "b", "c", "d"])
    assert town.status is WorkflowStatus.FAILED
    assert desk.undone == [("c", None), ("b", "B"), ("a", "A")]
    assert town.result is not None
    assert town.result.failure is not None
    assert town.result.failure.cause is not None
    assert town.result.failure.cause.message == "full"
    assert town.rig.state.compensations == {}
    pushed = [want for ran in town.rig.events(Ran) for want in ran.wants if type(want) is CompensationPushed]
    assert [want.number for want in pushed] == [1, 2, 3]


def test_of_a_run_that_completes_nothing_is_undone_and_nothing_is_left(passivating: bool) -> None:
    desk = Desk()
    town = Town(Trip, desk.activities, passivating=passivating)
    assert town.run(["a", "b"]) == "booked"
    assert desk.undone == []
    assert town.rig.state.compensations == {}


def test_what_cannot_be_undone_is_passed_over_told_and_shown(passivating: bool) -> None:
    desk = Desk(full="c", stuck="b")
    town = Town(Trip, desk.activities, passivating=passivating)
    town.run(["a", "b", "c"])
    assert [stop for stop, _ in desk.undone] == ["c", "b", "a"]
    assert town.result is not None
    failure = town.result.failure
    assert failure is not None
    assert failure.type == "CompensationError"
    assert failure.message.startswith("1 of 3 compensations failed: unbook: ")
    assert failure.cause is not None
    assert failure.cause.kind == "activity"
    (shown,) = town.rig.instance.describe()["compensations"]
    assert (shown["name"], shown["step"], shown["phase"]) == ("unbook", "book", "failed")


@workflow.defn
class Waits:
    @workflow.run
    async def run(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "a", undo=unbook)
            await saga.do(book, "b", undo=(fix, ["all of b"]))
            await workflow.wait_condition(lambda: False)


def test_a_run_that_is_cancelled_undoes_what_it_did_and_ends_as_cancelled(passivating: bool) -> None:
    desk = Desk()
    town = Town(Waits, desk.activities, passivating=passivating)
    town.at(1.0, Cancel())
    town.run()
    assert town.status is WorkflowStatus.CANCELED
    assert desk.undone == [("all of b",), ("a", "A")]


def test_a_run_that_is_terminated_undoes_nothing_and_shows_what_is_left() -> None:
    desk = Desk()
    town = Town(Waits, desk.activities)
    town.at(1.0, Terminate())
    town.run()
    assert town.status is WorkflowStatus.TERMINATED
    assert desk.undone == []
    shown = town.rig.instance.describe()
    assert [one["name"] for one in shown["compensations"]] == ["fix", "unbook"]
    assert {one["phase"] for one in shown["compensations"]} == {"pending"}


@workflow.defn
class SlowUndo:
    @workflow.run
    async def run(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "a", undo=unbook)
            await saga.do(book, "b", undo=self.rest)
            raise ApplicationError("enough")

    async def rest(self) -> None:
        await asyncio.sleep(10)

    @workflow.signal
    def stop(self) -> None:
        raise ApplicationError("stopped by hand")


def test_a_cancel_while_it_compensates_breaks_nothing_off_and_the_failure_stands(passivating: bool) -> None:
    desk = Desk()
    town = Town(SlowUndo, desk.activities, passivating=passivating)
    seen: list[tuple[WorkflowStatus, list[str]]] = []

    def unbook(what: str, booked: str) -> None:
        seen.append((town.rig.state.status, [one.phase for one in town.rig.state.compensations.values()]))
        desk.unbook(what, booked)

    town._activities["unbook"] = unbook
    town.at(5.0, Cancel())
    town.at(6.0, Cancel())
    town.run()
    assert town.status is WorkflowStatus.FAILED
    assert seen == [(WorkflowStatus.COMPENSATING, ["due"])]
    assert desk.undone == [("a", "A")]


@workflow.defn
class Parallel:
    @workflow.run
    async def run(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "first", undo=unbook)
            await asyncio.gather(
                saga.do(book, "slow", undo=unbook, retry_policy=ONCE),
                saga.do(book, "full", undo=unbook, retry_policy=ONCE),
            )


def test_steps_that_are_under_way_have_ended_before_anything_is_undone(passivating: bool) -> None:
    desk = Desk(full="full", slow="slow")
    town = Town(Parallel, desk.activities, passivating=passivating)
    town.run()
    assert town.status is WorkflowStatus.FAILED
    assert desk.undone == [("full", None), ("slow", None), ("first", "FIRST")]


@workflow.defn
class NeverBegun:
    @workflow.run
    async def run(self) -> str:
        async with workflow.saga() as saga:
            await saga.do(book, "a", undo=unbook)
            step = asyncio.create_task(saga.do(book, "b", undo=unbook))
            await asyncio.sleep(0)
            step.cancel()
            await asyncio.wait([step])
            raise ApplicationError("enough")


def test_a_step_that_is_known_never_to_have_begun_is_not_undone(passivating: bool) -> None:
    desk = Desk()
    town = Town(NeverBegun, desk.activities | {"book": desk.book}, passivating=passivating)
    town.run()
    assert desk.undone[-1] == ("a", "A")
    assert ("b", None) not in desk.undone


@workflow.defn
class TooLate:
    """The step's worker never takes it, and it is asked for again before: a task that waits for a grant."""

    @workflow.run
    async def run(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "a", undo=unbook)
            async with asyncio.timeout(5):
                await saga.do(book, "b", undo=unbook, task_queue="elsewhere", heartbeat_timeout=60)


def test_a_step_that_was_cancelled_in_its_queue_is_not_undone(passivating: bool) -> None:
    desk = Desk()
    town = Town(TooLate, desk.activities, passivating=passivating)
    town.leaves = "elsewhere"
    town.run()
    assert town.status is WorkflowStatus.FAILED
    assert desk.undone == [("a", "A")]


@workflow.defn
class Nested:
    @workflow.run
    async def run(self, caught: bool) -> list[str]:
        async with workflow.saga() as outer:
            await outer.do(book, "outer", undo=unbook)
            inner = workflow.saga()
            try:
                async with inner:
                    await inner.do(book, "inner", undo=unbook)
                    raise ApplicationError("inner")
            except ApplicationError:
                if not caught:
                    raise
            return inner.undone


@pytest.mark.parametrize("caught", [False, True])
def test_an_inner_saga_is_undone_first_and_alone_where_its_error_is_caught(caught: bool) -> None:
    desk = Desk()
    town = Town(Nested, desk.activities)
    result = town.run(caught)
    if caught:
        assert result == ["unbook"]
        assert desk.undone == [("inner", "INNER")]
    else:
        assert desk.undone == [("inner", "INNER"), ("outer", "OUTER")]


@workflow.defn
class Buggy:
    @workflow.run
    async def run(self) -> None:
        try:
            async with workflow.saga() as saga:
                await saga.do(book, "a", undo=unbook)
                raise ValueError("oops")
        except ValueError:
            return


def test_a_bug_that_leaves_a_saga_undoes_nothing_and_suspends_the_workflow() -> None:
    desk = Desk()
    town = Town(Buggy, desk.activities)
    town.run()
    assert town.status is WorkflowStatus.SUSPENDED
    assert desk.undone == []
    assert "nothing was undone" in (town.rig.state.suspension or pytest.fail()).reason


@workflow.defn
class Explicit:
    @workflow.run
    async def run(self) -> list[str]:
        saga = workflow.saga()
        try:
            await saga.do(book, "a", undo=lambda booked: self.note(booked))
            await saga.do(book, "b", undo=fix)
            raise ApplicationError("enough")
        except ApplicationError:
            undone = await saga.compensate()
        return [*undone, *self.notes, *await saga.compensate()]

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def note(self, booked: str) -> None:
        self.notes.append(booked)


def test_a_saga_may_be_undone_by_hand_and_only_once(passivating: bool) -> None:
    desk = Desk()
    town = Town(Explicit, desk.activities, passivating=passivating)
    assert town.run() == ["fix", "<lambda>", "A", "fix", "<lambda>"]
    assert desk.undone == [("b",)]
    assert town.status is WorkflowStatus.COMPLETED


@workflow.defn
class FailedByHandler:
    @workflow.run
    async def run(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "a", undo=unbook)
            await workflow.wait_condition(lambda: False)

    @workflow.signal
    def stop(self) -> None:
        raise ApplicationError("stopped by hand")


def test_a_handler_that_fails_the_run_has_it_undone_before(passivating: bool) -> None:
    desk = Desk()
    town = Town(FailedByHandler, desk.activities, passivating=passivating)
    town.at(1.0, Signal(name="stop"))
    town.run()
    assert town.status is WorkflowStatus.FAILED
    assert desk.undone == [("a", "A")]
    assert town.result is not None
    assert town.result.failure is not None
    assert town.result.failure.message == "stopped by hand"


@workflow.defn
class Unmoved(FailedByHandler):
    """Its method ends as if nothing had been."""

    @workflow.run
    async def run(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "a", undo=unbook)
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                workflow.logger.info("what for?")


def test_a_run_that_a_handler_has_failed_is_undone_though_its_method_ends_as_if_nothing_had_been(
    passivating: bool,
) -> None:
    desk = Desk()
    town = Town(Unmoved, desk.activities, passivating=passivating)
    town.at(1.0, Signal(name="stop"))
    town.run()
    assert town.status is WorkflowStatus.FAILED
    assert desk.undone == [("a", "A")]
    assert town.rig.state.compensations == {}


@workflow.defn
class Interrupted:
    """A task of its own is cancelled while a step is under way, which comes to a result all the same."""

    @workflow.run
    async def run(self, by_itself: bool) -> None:
        steps = asyncio.create_task(self.steps())
        if by_itself:
            await asyncio.sleep(5)
            steps.cancel()
        await steps

    async def steps(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "slow", undo=unbook)
            await saga.do(book, "never", undo=unbook)


@pytest.mark.parametrize("by_itself", [False, True])
def test_behind_a_step_whose_task_was_cancelled_nothing_is_done_and_what_it_returned_is_known(
    by_itself: bool,
) -> None:
    desk = Desk(slow="slow")
    town = Town(Interrupted, desk.activities)
    town.completes_when_stopped = True
    if not by_itself:
        town.at(5.0, Cancel())
    town.run(by_itself)
    assert town.status is WorkflowStatus.CANCELED
    assert desk.tried == [("book", "slow"), ("unbook", "slow", "after all")]


@workflow.defn
class Branches:
    """One fails and undoes what it did, which takes longer than the other goes on."""

    @workflow.run
    async def run(self, slow_step: bool) -> None:
        await asyncio.gather(self.one(slow_step), self.other())

    async def one(self, slow_step: bool) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "a", undo=unbook)
            await saga.do(book, "b", undo=self.rest)
            if slow_step:
                asyncio.create_task(saga.do(book, "slow", undo=unbook))  # noqa: RUF006 - the saga knows it
            raise ApplicationError("one failed")

    async def other(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "c", undo=unbook)
            await asyncio.sleep(5)
            raise ApplicationError("the other failed")

    async def rest(self) -> None:
        await asyncio.sleep(10)


@pytest.mark.parametrize("slow_step", [False, True])
def test_a_saga_that_a_branch_undoes_is_undone_before_another_branch_fails_the_run(
    passivating: bool, slow_step: bool
) -> None:
    desk = Desk(slow="slow")
    town = Town(Branches, desk.activities, passivating=passivating)
    town.run(slow_step)
    assert town.status is WorkflowStatus.FAILED
    assert [stop for stop, _ in desk.undone if stop != "slow"] == ["c", "a"]
    assert town.rig.state.compensations == {}


def test_a_handler_that_fails_the_run_while_it_is_undone_breaks_nothing_off(passivating: bool) -> None:
    desk = Desk()
    town = Town(SlowUndo, desk.activities, passivating=passivating)
    town.at(5.0, Signal(name="stop"))
    town.run()
    assert town.status is WorkflowStatus.FAILED
    assert desk.undone == [("a", "A")]
    assert town.rig.state.compensations == {}


@workflow.defn
class Leaves:
    """It does not wait for a task that undoes something."""

    @workflow.run
    async def run(self, go_on: bool) -> str:
        undoing = asyncio.create_task(self.undo())
        await asyncio.sleep(5)
        if go_on:
            workflow.continue_as_new(False)
        return f"done {undoing.done()}"

    async def undo(self) -> None:
        async with workflow.saga() as saga:
            await saga.do(book, "a", undo=unbook)
            await saga.do(book, "b", undo=self.rest)
            raise ApplicationError("enough")

    async def rest(self) -> None:
        await asyncio.sleep(10)


@pytest.mark.parametrize("go_on", [False, True])
def test_what_is_being_undone_is_undone_before_the_run_completes_or_goes_on(
    passivating: bool, go_on: bool
) -> None:
    desk = Desk()
    town = Town(Leaves, desk.activities, passivating=passivating)
    assert town.run(go_on) == "done False"
    assert desk.undone == [("a", "A")] * (2 if go_on else 1)
    assert town.rig.state.compensations == {}
