"""What the start hands over: to `run` and to an `__init__` that wants it; what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import PayloadError, workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.workflow_actor.program.play import Play, played


@workflow.defn
class Initialised:
    @workflow.init
    def __init__(self, first: int, *others: str) -> None:
        self.given = [first, *others]

    @workflow.run
    async def run(self, number: int, name: str = "none") -> list[Any]:
        return [self.given, number, name]


def test_init_is_given_what_run_is_given_by_position() -> None:
    assert played(Initialised, 3, "x").result == [[3, "x"], 3, "x"]
    assert played(Initialised, 3).result == [[3], 3, "none"]


@workflow.defn(failure_exception_types=[PayloadError])
class FailsForPayloads:
    @workflow.run
    async def run(self, number: int) -> object:
        await workflow.wait_condition(lambda: self.done)
        return object()

    def __init__(self) -> None:
        self.done = False

    @workflow.signal
    def finish(self, done: bool) -> None:
        self.done = done


@workflow.defn
class SuspendsForPayloads:
    @workflow.run
    async def run(self, number: int) -> None: ...


@workflow.defn(failure_exception_types=[Exception])
class FailsForAll:
    @workflow.run
    async def run(self, number: int) -> None: ...


@pytest.mark.parametrize("args", [("text",), (), (1, 2)])
def test_arguments_that_do_not_fit_fail_a_workflow_that_fails_for_such(args: tuple[Any, ...]) -> None:
    for cls in (FailsForPayloads, FailsForAll):
        play = Play(cls)
        play.begin(*args)
        assert play.closed
        assert play.failure.type == "PayloadError"
        assert "cannot take the arguments of its start" in play.failure.message
        play.replayed()


def test_arguments_that_do_not_fit_suspend_any_other_workflow() -> None:
    with pytest.raises(
        WorkflowCodeError, match=r"cannot take the arguments of its start.*Argument 1 \('number'\)"
    ):
        Play(SuspendsForPayloads).begin("text")


def test_signals_and_results_that_do_not_fit_fail_it_too() -> None:
    play = Play(FailsForPayloads)
    play.begin(1)
    play.signal("finish", "soon")
    assert "'finish' does not fit its handler" in play.failure.message
    play = Play(FailsForPayloads)
    play.begin(1)
    play.signal("finish", True)
    assert "The result of FailsForPayloads cannot be stored" in play.failure.message
