"""Commands of clients to an open run, and their answers."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.interface.commands import (
    Cancel,
    Command,
    Describe,
    Resume,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.run.events import CancelReceived
from dalsegno.actors.workflow_actor.run.inputs import Begin, CancelRequested
from dalsegno.actors.workflow_actor.run.intents import CancelRun
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.signals.events import Signaled, SignalReceived
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import CALLER, DONE, Rig, ScriptedCode, activity, answer, payload


def test_signals_reach_the_code_in_order_and_are_answered() -> None:
    rig = Rig(ScriptedCode([]))
    rig.start()

    first = rig.send(Signal(name="approve", args=(payload('"ann"'),), caller=CALLER))
    rig.send(Signal(name="approve", args=(payload('"bob"'),)))

    assert answer(first).kind == "answer"
    assert answer(first).error is None
    assert [input_.args[0].data for input_ in rig.programs_seen if isinstance(input_, Signaled)] == [
        b'"ann"',
        b'"bob"',
    ]
    assert len(rig.events(SignalReceived)) == 2


def test_each_cancel_request_is_recorded_and_reaches_the_code() -> None:
    rig = Rig(ScriptedCode([]))
    rig.start()

    first = rig.send(Cancel(reason="changed my mind", caller=CALLER))
    second = rig.send(Cancel(reason="at last", caller=CALLER))

    assert (first.recorded, second.recorded) == (True, True)
    assert answer(second).error is None
    assert rig.programs_seen == [
        Begin(),
        CancelRequested(reason="changed my mind", kept=True, as_failure=True),
        CancelRequested(reason="at last", kept=True, as_failure=True),
    ]
    assert len(rig.events(CancelReceived)) == 2
    assert rig.instance.describe()["cancel_requested"]


def test_hosts_that_may_write_the_format_before_alone_cancel_as_its_hosts_do() -> None:
    rig = Rig(ScriptedCode([]))
    rig.instance.codec = CODEC.writing(2)
    rig.start()
    rig.send(Cancel(reason="changed my mind"))
    assert [event.as_failure for event in rig.events(CancelReceived)] == [False]
    assert rig.programs_seen[-1] == CancelRequested(reason="changed my mind", kept=True)


def test_code_that_lets_the_cancellation_through_ends_the_run_as_cancelled() -> None:
    ended = CancelRun(failure=Failure(kind="canceled", message="changed my mind"))
    rig = Rig(ScriptedCode([[], [ended]]))
    rig.start()

    closed = rig.send(Cancel(caller=CALLER))

    assert closed.changed is not None
    assert closed.changed.status is WorkflowStatus.CANCELED
    assert closed.changed.reason == "changed my mind"
    assert answer(closed).status is WorkflowStatus.CANCELED


def test_a_cancel_request_to_a_run_that_is_cancelled_is_answered_with_success() -> None:
    rig = Rig(ScriptedCode([[], [CancelRun(failure=Failure(kind="canceled"))]]))
    rig.start()
    rig.send(Cancel())

    again = rig.send(Cancel(caller=CALLER))

    assert not again.recorded
    assert (answer(again).error, answer(again).status) == (None, WorkflowStatus.CANCELED)


ALL_COMMANDS: list[Command] = [
    Signal(name="s", caller=CALLER),
    Cancel(caller=CALLER),
    Terminate(caller=CALLER),
    Suspend(caller=CALLER),
    Resume(caller=CALLER),
]


@pytest.mark.parametrize("command", [*ALL_COMMANDS, Query(name="q", caller=CALLER), Describe(caller=CALLER)])
def test_a_command_without_a_run_is_answered_with_not_found(command: Command) -> None:
    rig = Rig(ScriptedCode([]))

    refused = rig.send(command)

    assert not refused.recorded
    assert answer(refused).error == ("not_found", "no workflow has the ID 'w'")


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_a_command_to_a_closed_run_is_refused_and_not_recorded(command: Command) -> None:
    rig = Rig(ScriptedCode([[DONE]]))
    rig.start()

    refused = rig.send(command)

    assert not refused.recorded
    assert answer(refused).error == ("closed", "workflow 'w' has ended: completed")


def test_a_command_to_a_run_that_is_not_the_current_one_is_not_found() -> None:
    code = ScriptedCode([[DONE]])
    rig = Rig(code)
    rig.start("run-1")
    code.script = lambda _index, _input: ()
    rig.start("run-2")

    for command in (
        Signal(name="s", run_id="run-1", caller=CALLER),
        Query(name="q", run_id="x", caller=CALLER),
    ):
        error = answer(rig.send(command)).error
        assert error is not None
        assert error[0] == "not_found"
    assert answer(rig.send(Terminate(run_id="run-2", caller=CALLER))).error is None


def test_a_terminated_run_ends_whatever_its_code_says() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start()

    closed = rig.send(Terminate(reason="enough", caller=CALLER))

    assert closed.changed is not None
    assert (closed.changed.status, closed.changed.reason) == (WorkflowStatus.TERMINATED, "enough")
    assert answer(closed).status is WorkflowStatus.TERMINATED
    assert rig.instance.outstanding() == []
    assert not rig.has_program()
