"""The rows by which lists find deadlines."""

from __future__ import annotations

from datetime import timedelta

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.signals.commands import Signal
from tests.workflow_actor.rig import Rig


def rows_of(activation: Activation) -> list[tuple[int, str, bool]]:
    return [(row.number, row.name, row.is_over) for row in activation.deadlines]


@workflow.defn
class TwoPromises:
    def __init__(self) -> None:
        self.told = 0

    @workflow.run
    async def run(self) -> None:
        first = workflow.deadline("first", timedelta(hours=2))
        workflow.deadline("second", timedelta(hours=3))
        await workflow.wait_condition(lambda: self.told == 2)
        first.met()
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    def go(self) -> None:
        self.told += 1


def test_those_that_are_open_are_listed_anew_when_what_was_loaded_is_written_first() -> None:
    """Where they were set the tables may have been older, and have had no rows for them."""
    rig = Rig(WorkflowRegistry([(TwoPromises, None)]))
    begun = rig.start(workflow_type="TwoPromises")
    assert rows_of(begun) == [(1, "first", False), (2, "second", False)]
    assert rows_of(rig.send(Signal(name="nothing"))) == []
    rig.move()
    assert rows_of(rig.send(Signal(name="go"))) == [(1, "first", False), (2, "second", False)]
    assert rows_of(rig.send(Signal(name="nothing"))) == []
    rig.move()
    assert rows_of(rig.send(Signal(name="go"))) == [(1, "first", True), (2, "second", False)]
