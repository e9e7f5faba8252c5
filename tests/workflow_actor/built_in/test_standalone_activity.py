"""An activity without a workflow of a user: what it asks for, and how it ends."""

from __future__ import annotations

from typing import Any

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.intents import CancelActivity, ScheduleActivity
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.program import WorkflowProgram
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.inputs import Begin, CancelRequested, SignedState
from dalsegno.actors.workflow_actor.run.intents import CancelRun, CompleteRun, FailRun
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.standalone_activity import STANDALONE_ACTIVITY, RetryOfStandalone, StandaloneActivity
from tests.default_converter import to_payload
from tests.workflow_actor.program.play import built

SECRET = Payload("secret/aes", b"\x00what only workers can read")


def begun(asked: Any, *args: Payload, workflow_id: str = "mail-7") -> tuple[WorkflowProgram, list[Intent]]:
    info = RunInfo(
        workflow_id=workflow_id, run_id="r", workflow_type=STANDALONE_ACTIVITY, task_queue="main", started_at=0
    )
    program = WorkflowRegistry([]).build(info, SignedState())
    assert program is not None
    built.append(program)
    return program, program.step(Begin(args=(to_payload(asked), *args)), now=1, replaying=False)


def told(program: WorkflowProgram, result: Payload | None, failure: Failure | None = None) -> list[Intent]:
    outcome = ActivityResolved(number=1, result=result, failure=failure)
    return program.step(outcome, now=2, replaying=False)


def test_it_asks_for_the_activity_as_it_was_told_to() -> None:
    retry = RetryOfStandalone(initial_interval=5_000_000, maximum_attempts=3, non_retryable_error_types=["No"])
    asked = StandaloneActivity(
        activity_type="send",
        task_queue="mail",
        start_to_close=7,
        schedule_to_close=9,
        schedule_to_start=8,
        heartbeat_timeout=6,
        retry=retry,
    )
    _, (wanted,) = begun(asked, SECRET)
    assert isinstance(wanted, ScheduleActivity)
    assert (wanted.activity_id, wanted.activity_type, wanted.task_queue) == ("mail-7", "send", "mail")
    assert (wanted.start_to_close, wanted.schedule_to_close) == (7, 9)
    assert (wanted.schedule_to_start, wanted.heartbeat_timeout) == (8, 6)
    assert (wanted.retry.initial_interval, wanted.retry.maximum_attempts) == (5_000_000, 3)
    assert wanted.retry.non_retryable_error_types == ("No",)
    assert wanted.args == (SECRET,), "what it is given is nobody's to read but the worker's"


def test_what_it_is_not_told_is_as_for_other_activities() -> None:
    _, (wanted,) = begun({"activity_type": "send"})
    assert isinstance(wanted, ScheduleActivity)
    assert (wanted.task_queue, wanted.start_to_close, wanted.args) == ("main", None, ())
    assert wanted.retry.maximum_attempts == 0


def test_its_result_is_that_of_the_activity_as_it_came() -> None:
    program, _ = begun({"activity_type": "send"})
    (done,) = told(program, SECRET)
    assert isinstance(done, CompleteRun)
    assert done.result == SECRET


def test_its_failure_has_that_of_the_activity_as_its_cause() -> None:
    program, _ = begun({"activity_type": "send"})
    cause = Failure(message="no such address", type="Gone", details=(SECRET,), non_retryable=True)
    failure = Failure(
        kind="activity", message="failed", cause=cause, activity_type="send", activity_id="mail-7", attempt=1
    )
    (failed,) = told(program, None, failure)
    assert isinstance(failed, FailRun)
    seen = failed.failure.cause
    assert seen is not None
    assert (seen.message, seen.type, seen.non_retryable) == ("no such address", "Gone", True)
    assert seen.details == (SECRET,)


def test_a_request_to_cancel_it_is_the_activitys_to_answer() -> None:
    program, _ = begun({"activity_type": "send"})
    (cancel,) = program.step(CancelRequested(reason="no more", kept=True), now=2, replaying=False)
    assert isinstance(cancel, CancelActivity)
    (ended,) = told(program, None, Failure(kind="canceled", message="the activity was cancelled"))
    assert isinstance(ended, CancelRun)


def test_one_that_is_told_nonsense_fails() -> None:
    for nonsense in (
        {"activity_type": "send", "start_to_close": 0},
        {"activity_type": ""},
        {"task_queue": "x"},
    ):
        _, (failed,) = begun(nonsense)
        assert isinstance(failed, FailRun), nonsense


def test_a_workflow_id_that_is_too_long_for_an_activity_leaves_it_its_number() -> None:
    _, (wanted,) = begun({"activity_type": "send"}, workflow_id="x" * 255)
    assert isinstance(wanted, ScheduleActivity)
    assert wanted.activity_id == "1"
