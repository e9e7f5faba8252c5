"""What a workflow may know about its run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import Receipt


@workflow.defn
class Knows:
    @workflow.run
    async def run(self) -> list[Any]:
        info = workflow.info()
        receipt = workflow.memo_value("receipt", type_hint=Receipt)
        return [
            [info.workflow_id, info.run_id, info.workflow_type, info.task_queue, info.execution_timeout],
            info.start_time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC) == workflow.now(),
            [workflow.time(), workflow.time_ns()],
            [workflow.in_workflow(), workflow.unsafe.is_replaying()],
            [workflow.memo()["note"], receipt.amount, workflow.memo_value("none", 7)],
        ]


def test_it_knows_its_ids_its_start_the_time_and_its_memo() -> None:
    play = Play(Knows, memo={"note": "urgent", "receipt": Receipt("r", 3)})
    play.begin()
    assert play.result == [
        ["order-7", "run-1", "Knows", "main", None],
        True,
        [1_700_000_000.0, 1_700_000_000_000_000_000],
        [True, False],
        ["urgent", 3, 7],
    ]


@workflow.defn
class WantsNote:
    @workflow.run
    async def run(self) -> None:
        workflow.memo_value("note")


def test_a_note_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(WorkflowCodeError, match="The memo of this workflow has no key 'note'"):
        Play(WantsNote).begin()


def test_the_execution_timeout_is_shown_as_a_timedelta() -> None:
    info = RunInfo(
        workflow_id="w",
        run_id="r",
        workflow_type="Knows",
        task_queue="q",
        started_at=0,
        execution_timeout=1_500_000,
    )
    program = WorkflowRegistry([(Knows, None)]).build(info, SignedState())
    assert program is not None
    assert program._runtime.info.execution_timeout is not None
    assert program._runtime.info.execution_timeout.total_seconds() == 1.5
