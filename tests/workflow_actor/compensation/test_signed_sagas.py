"""What of a saga goes over a sign, what cannot, and what cannot undo at all."""

from __future__ import annotations

import re

import pytest

from dalsegno import ApplicationError, activity, workflow
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.compensation.desk import Desk, Trip, book, fix, unbook
from tests.workflow_actor.town import Town


@workflow.defn
class Signed:
    @workflow.run
    async def run(self, round_: int) -> None:
        saga = workflow.saga("trip")
        await saga.do(book, f"stop {round_}", undo=unbook)
        if round_ == 3:
            raise ApplicationError("enough")
        workflow.checkpoint(round_ + 1)


def test_the_stack_goes_over_signs_and_is_undone_when_the_run_fails(passivating: bool) -> None:
    desk = Desk()
    town = Town(Signed, desk.activities, passivating=passivating)
    town.run(1)
    assert town.status is WorkflowStatus.FAILED
    assert desk.undone == [(f"stop {number}", f"STOP {number}") for number in (3, 2, 1)]


@workflow.defn
class SignedAndGone:
    @workflow.run
    async def run(self, round_: int) -> None:
        if round_ == 2:
            raise ApplicationError("enough")
        await workflow.saga().do(book, "a", undo=(fix, ["a"]), undo_options={"start_to_close_timeout": 7})
        workflow.checkpoint(2)


def test_what_no_saga_takes_up_behind_a_sign_is_undone_all_the_same() -> None:
    desk = Desk()
    town = Town(SignedAndGone, desk.activities)
    town.run(1)
    assert desk.undone == [("a",)]


@workflow.defn
class LeftForASign:
    """Its handler fails the run when the run method has been left for a sign, which waits for the handler."""

    @workflow.run
    async def run(self, round_: int) -> None:
        if round_ == 1:
            await workflow.saga("trip").do(book, "a", undo=unbook)
            workflow.deadline("gone", 5, on_overdue=self.refuse)
            await workflow.sleep(10)
            workflow.checkpoint(2)

    async def refuse(self) -> None:
        await workflow.sleep(20)
        raise ApplicationError("enough")


def test_what_fails_the_run_while_a_sign_waits_for_it_undoes_all_and_no_sign_is_set(passivating: bool) -> None:
    desk = Desk()
    town = Town(LeftForASign, desk.activities, passivating=passivating)
    town.run(1)
    assert town.status is WorkflowStatus.FAILED
    assert desk.undone == [("a", "A")]
    assert town.rig.state.signed.signs == 0


@workflow.defn
class SignedCode:
    @workflow.run
    async def run(self, kind: str) -> None:
        if kind == "code":
            await workflow.saga().do(book, "a", undo=self.nothing)
        else:
            await workflow.saga(kind).do(book, "a", undo=unbook)
            await workflow.saga(kind).do(book, "a", undo=unbook)
        workflow.checkpoint(kind)

    async def nothing(self) -> None:
        return


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("code", "what undoes book .* is code, which a sign cannot keep"),
        ("trip", "several sagas with steps to undo have the name 'trip'"),
        ("", "several sagas with steps to undo have no name"),
    ],
)
def test_a_sign_refuses_what_it_cannot_keep_of_a_saga(kind: str, reason: str) -> None:
    town = Town(SignedCode, Desk().activities)
    town.run(kind)
    suspension = town.rig.state.suspension
    assert suspension is not None
    assert suspension.kind == "bug"
    assert re.search(reason, suspension.reason)


@workflow.defn
class Odd:
    @workflow.run
    async def run(self) -> list[str]:
        told: list[str] = []
        saga = workflow.saga()
        for undo in (needs_booking, plain, two, (unbook,), 42):
            try:
                await saga.do(book, "a", undo=undo)  # type: ignore[arg-type]
            except TypeError as error:
                told.append(str(error))
        try:
            await saga.do(book, "a", undo=plain_code, undo_options={"start_to_close_timeout": 1})
        except TypeError as error:
            told.append(str(error))
        return told


@activity.defn
def needs_booking(what: str, booked: str) -> None: ...


@activity.defn
def plain() -> None: ...


def plain_code() -> None: ...


async def two(first: str, second: str) -> None: ...


def test_what_cannot_undo_is_refused_before_anything_is_done() -> None:
    desk = Desk()
    town = Town(Odd, desk.activities)
    told = town.run()
    assert desk.tried == []
    for text, words in zip(
        told,
        (
            "needs_booking as `... | None`",
            "plain takes no arguments, but is given 1",
            "two takes 2 arguments",
            "undo",
            "not an activity",
            "undo is a function of workflow code",
        ),
        strict=True,
    ):
        assert words in text


def test_as_long_as_an_older_format_must_be_written_code_that_opens_a_saga_is_suspended() -> None:
    desk = Desk()
    town = Town(Trip, desk.activities)
    town.rig.instance.codec = CODEC.writing(2)
    town.run(["a"])
    assert town.status is WorkflowStatus.SUSPENDED
    assert "dalsegno init" in (town.rig.state.suspension or pytest.fail()).reason
    assert desk.tried == []


@workflow.defn
class GoesOn:
    @workflow.run
    async def run(self, kind: str) -> str:
        if kind == "behind":
            return kind
        if kind == "within":
            async with workflow.saga() as saga:
                await saga.do(book, "a", undo=unbook)
                workflow.continue_as_new("behind")
        await workflow.saga().do(book, "a", undo=unbook)
        return workflow.continue_as_new("behind")


@pytest.mark.parametrize("kind", ["within", "without a block"])
def test_of_a_run_that_goes_on_as_another_nothing_is_undone(kind: str, passivating: bool) -> None:
    desk = Desk()
    town = Town(GoesOn, desk.activities, passivating=passivating)
    assert town.run(kind) == "behind"
    assert desk.tried == [("book", "a")]
