"""What a workflow may know about its run."""
# ruff: noqa: RET503 - workflow.checkpoint never returns

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from dalsegno import ApplicationError, QueryFailedError, workflow
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


@workflow.defn(failure_exception_types=[KeyError])
class KnowsItself:
    """Says what it is asked to stop for, in an order that only replay can get right."""

    def __init__(self) -> None:
        self.reasons: list[str | None] = [workflow.cancellation_reason()]

    @workflow.run
    async def run(self, times: int) -> list[Any]:
        workflow.set_current_details(f"{times} more times")
        if times == 1:
            return [workflow.cancellation_reason(), workflow.instance() is self, workflow.memo()]
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await asyncio.wait([inner])
        self.reasons.append(workflow.cancellation_reason())
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.reasons.append(workflow.cancellation_reason())
        workflow.upsert_memo({"note": None, "times": times})
        workflow.checkpoint(1)

    @workflow.query
    def look(self) -> list[Any]:
        failures = [KeyError(), ApplicationError("no"), TimeoutError(), ValueError()]
        fails = [workflow.is_failure_exception(error) for error in failures]
        return [self.reasons, workflow.get_current_details(), workflow.instance() is self, fails]


def test_it_knows_why_it_is_to_stop_and_whether_an_error_would_fail_it() -> None:
    play = Play(KnowsItself, memo={"note": "urgent"})
    play.begin(2)
    looked = [[None, None], "2 more times", True, [True, True, True, False]]
    assert play.query("look") == looked
    assert play.program.details == "2 more times"
    play.cancel("no money")
    assert play.result == ["no money", True, {"times": 2}]
    (signed,) = play.signs
    assert (signed.asked_to_stop, signed.details) == ("no money", "2 more times")
    play.replayed()


def test_a_request_to_stop_may_have_no_reason_and_is_none_until_it_comes() -> None:
    play = Play(KnowsItself)
    play.begin(2)
    play.cancel()
    assert play.result[0] == ""


@workflow.defn
class Upserts:
    @workflow.run
    async def run(self, changes: Any) -> list[Any]:
        try:
            workflow.upsert_memo(changes)
        except (TypeError, ValueError) as error:
            return [f"{type(error).__name__}: {error}"]
        return [workflow.memo(), workflow.memo_value("note", None)]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"note": None, "size": [1]}, [{"size": [1]}, None]),
        ({}, [{"note": "urgent"}, "urgent"]),
        ([1], ["TypeError: updates must be"]),
        ({"big": "x" * 300_000}, ["ValueError: workflow.upsert_memo: the memo would be of"]),
        ({"x" * 300_000: 1}, ["ValueError: workflow.upsert_memo: the memo would be of"]),
    ],
)
def test_the_memo_is_changed_or_it_is_said_why_not(changes: Any, told: list[Any]) -> None:
    play = Play(Upserts, memo={"note": "urgent"})
    play.begin(changes)
    assert play.result == told or play.result[0].startswith(told[0])
    assert len(play.intents) == (2 if "size" in changes else 1)
    play.replayed()


def test_a_query_cannot_change_the_memo() -> None:
    play = Play(KeepsNote)
    play.begin()
    with pytest.raises(QueryFailedError, match=r"workflow.upsert_memo was called in .*may only read"):
        play.query("change")


@workflow.defn
class KeepsNote:
    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(60)

    @workflow.query
    def change(self) -> None:
        workflow.upsert_memo({"note": 1})
