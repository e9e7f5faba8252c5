"""What is said to who asked: the same whoever says it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.commands import Caller, Command, Start, WakeUp
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.state import RunOutcome, WorkflowState, blank
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.policies import WorkflowStatus

CALLER = Caller("dalsegno.reply.mine", "c-1")
INFO = RunInfo(workflow_id="w", run_id="run-1", workflow_type="order", task_queue="default", started_at=7)
REFUSAL = "closed", "it has ended"


def running() -> WorkflowState:
    return blank(INFO, python="3.11")


def start(run_id: str = "run-1", *, wants_accepted: bool = True, caller: Caller | None = CALLER) -> Start:
    return Start(
        workflow_id="w",
        run_id=run_id,
        workflow_type="order",
        task_queue="default",
        caller=caller,
        wants_accepted=wants_accepted,
    )


def test_a_start_is_accepted_and_any_other_command_answered() -> None:
    (accepted,) = answers.to_command(start(), "w", running())
    (answered,) = answers.to_command(Signal(name="go", caller=CALLER), "w", running())
    assert (accepted.kind, answered.kind) == ("accepted", "answer")
    for answer in (accepted, answered):
        assert (answer.run_id, answer.status, answer.error) == ("run-1", WorkflowStatus.RUNNING, None)


def test_a_start_that_wants_no_answer_hears_of_a_refusal_all_the_same() -> None:
    silent = start(wants_accepted=False)
    assert answers.to_command(silent, "w", running()) == ()
    (refused,) = answers.to_command(silent, "w", running(), Decision(refusal=REFUSAL))
    assert refused.error == REFUSAL


@pytest.mark.parametrize("command", [None, WakeUp(), start(caller=None), Signal(name="go")])
def test_who_named_no_address_gets_no_answer(command: Command | None) -> None:
    assert answers.to_command(command, "w", running(), Decision(refusal=REFUSAL)) == ()
    if command is not None:
        assert answers.to_command_again(command, "closed", "w", running()) is None


def test_a_command_that_was_refused_before_a_workflow_was_there_is_refused_again() -> None:
    again = answers.to_command_again(Signal(name="go", caller=CALLER), "not_found", "w", None)
    assert again is not None
    assert again.error is not None
    assert (again.error[0], again.run_id, again.status) == ("not_found", None, None)


def test_a_start_that_comes_again_is_told_of_its_own_run_and_not_of_the_one_in_its_place() -> None:
    own = answers.to_command_again(start(), "", "w", running())
    earlier = answers.to_command_again(start("run-0"), "", "w", running())
    assert own is not None
    assert earlier is not None
    assert (own.run_id, own.status) == ("run-1", WorkflowStatus.RUNNING)
    assert (earlier.run_id, earlier.status) == ("run-0", None)


def test_a_result_is_there_once_the_run_has_ended() -> None:
    assert answers.result_of(CALLER, None) is None
    assert answers.result_of(CALLER, running()) is None
    value = Payload(JSON_PLAIN, b"1")
    ended = replace(running(), outcome=RunOutcome(WorkflowStatus.COMPLETED, value, None, 9))
    result = answers.result_of(CALLER, ended)
    assert result is not None
    assert (result.workflow_id, result.run_id, result.status) == ("w", "run-1", WorkflowStatus.COMPLETED)
    assert (result.result, result.failure) == (value, None)
