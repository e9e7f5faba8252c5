"""A run with a saga that goes on as another has not failed, whoever says so: nothing is undone."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from dalsegno import ApplicationError, workflow
from tests.workflow_actor.compensation.desk import book, unbook
from tests.workflow_actor.program.play import Play


async def leave() -> None:
    workflow.continue_as_new("block", "waits")


@workflow.defn
class Tour:
    """Has booked, in a block or not, and then waits, or leaves by a task of a group."""

    @workflow.run
    async def run(self, form: str, then: str) -> None:
        async with AsyncExitStack() as stack:
            saga = workflow.saga()
            if form == "block":
                await stack.enter_async_context(saga)
            await saga.do(book, "a", undo=unbook)
            if then == "leaves":
                async with asyncio.TaskGroup() as group:
                    group.create_task(leave())
            await asyncio.sleep(1_000)

    @workflow.signal
    def leave(self) -> None:
        workflow.continue_as_new("block", "waits")

    @workflow.signal
    def fail(self) -> None:
        raise ApplicationError("no")


def booked(form: str, then: str) -> Play:
    play = Play(Tour)
    play.begin(form, then)
    play.resolve(1, "A")
    return play


@pytest.mark.parametrize("form", ["block", "no block"])
def test_when_a_handler_has_the_run_go_on_as_another_nothing_is_undone(form: str) -> None:
    play = booked(form, "waits")
    play.signal("leave")
    assert play.digests[-2:] == ["drop compensations 1", "continue as new"]
    play.replayed()


@pytest.mark.parametrize("form", ["block", "no block"])
def test_when_a_task_of_a_group_has_the_run_go_on_as_another_nothing_is_undone(form: str) -> None:
    play = booked(form, "leaves")
    assert play.digests[-2:] == ["drop compensations 1", "continue as new"]
    play.replayed()


@pytest.mark.parametrize("form", ["block", "no block"])
def test_when_a_handler_fails_the_run_all_is_undone_first(form: str) -> None:
    play = booked(form, "waits")
    play.signal("fail")
    assert play.digests[-2:] == ["compensate 1", "activity 2 unbook"]
    play.resolve(2)
    assert play.digests[-1] == "fail"
    play.replayed()
