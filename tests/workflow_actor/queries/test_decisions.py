"""Queries and describe: they read, and leave no trace."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.interface.commands import Describe, Suspend, Terminate
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.queries.failures import QueryHandlerError
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.actors.workflow_actor.run.intents import SetSign
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.broker.protocol import messages as wire
from dalsegno.errors import QueryFailedError
from dalsegno.failure import Failure
from dalsegno.policies import QueryRejectCondition, WorkflowStatus
from tests.workflow_actor.rig import (
    CALLER,
    DONE,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    ScriptedProgram,
    activity,
    answer,
    completed,
    failed,
    heartbeat,
    payload,
    started,
    task,
    tasks,
    timer,
)

ASK = Query(name="total", caller=CALLER)


def test_a_query_is_answered_by_the_live_code_and_recorded_nowhere() -> None:
    rig = Rig(ScriptedCode([[], []]))
    rig.start()
    rig.send(Signal(name="add"))

    asked = rig.send(ASK)

    assert not asked.recorded
    assert answer(asked).kind == "answer"
    assert answer(asked).result == payload('["total", 2]')


@pytest.mark.parametrize(
    ("condition", "answered_by"),
    [
        (QueryRejectCondition.NONE, {"running", "terminated", "completed"}),
        (QueryRejectCondition.NOT_OPEN, {"running"}),
        (QueryRejectCondition.NOT_COMPLETED_CLEANLY, {"running", "completed"}),
    ],
)
def test_a_query_may_exclude_runs_that_have_ended_or_have_not_completed(
    condition: QueryRejectCondition, answered_by: set[str]
) -> None:
    ask = Query(name="total", caller=CALLER, reject_condition=condition)
    running, terminated, done = Rig(ScriptedCode([[]])), Rig(ScriptedCode([[]])), Rig(ScriptedCode([[DONE]]))
    for rig in (running, terminated, done):
        rig.start()
    terminated.send(Terminate())

    for rig in (running, terminated, done):
        told = answer(rig.send(ask))
        assert told.status is not None
        if told.status.value in answered_by:
            assert told.error is None
        else:
            assert told.error == ("query_rejected", f"workflow 'w' has ended: {told.status}")


def test_a_query_rebuilds_the_code_when_it_is_not_in_memory() -> None:
    rig = Rig(ScriptedCode([[], []]))
    rig.start()
    rig.send(Signal(name="add"))
    rig.reload()
    assert not rig.has_program()

    assert answer(rig.send(ASK)).result == payload('["total", 2]')
    assert rig.has_program()


def test_a_closed_run_answers_queries() -> None:
    rig = Rig(ScriptedCode([[], [DONE]]))
    rig.start()
    rig.send(Signal(name="add"))

    asked = rig.send(ASK)

    assert answer(asked).result == payload('["total", 2]')
    assert answer(asked).status is WorkflowStatus.COMPLETED


def test_a_suspended_run_refuses_queries_with_its_reason() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start()
    rig.send(Suspend(reason="maintenance"))

    assert answer(rig.send(ASK)).error == ("rejected", "workflow 'w' is suspended: maintenance")


def test_a_run_whose_code_never_ran_refuses_queries() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start(workflow_type="refund")
    rig.send(Terminate())

    assert answer(rig.send(ASK)).error == ("rejected", "the code of workflow 'w' has never run")


def test_a_query_of_a_closed_run_that_today_s_code_cannot_replay_fails_with_the_reason() -> None:
    code = ScriptedCode([[activity(1)], [DONE]])
    rig = Rig(code)
    rig.send(completed(task(rig.start())))
    code.script = lambda index, _: [timer(1, T0)] if index == 0 else [DONE]

    error = answer(rig.send(ASK)).error

    assert error is not None
    assert error[0] == "query_failed"
    assert "history shows 'activity 1 charge'" in error[1]


def test_a_failing_query_handler_is_answered_and_harms_nothing() -> None:
    class Failing(ScriptedProgram):
        def query(self, name: str, args: object, headers: object = None) -> None:  # type: ignore[override]
            raise QueryFailedError(f"no handler {name}")

    code = ScriptedCode([[], []])
    code.build = lambda info, signed, patches: Failing(code.script, 0)  # type: ignore[method-assign,assignment,return-value]
    rig = Rig(code)
    rig.start()

    assert answer(rig.send(ASK)).error == ("query_failed", "no handler total")
    assert rig.send(Signal(name="s")).recorded


def test_what_a_query_handler_raised_goes_with_the_answer() -> None:
    failure = Failure(message="no", type="Closed", details=(payload("7"),))

    class Failing(ScriptedProgram):
        def query(self, name: str, args: object, headers: object = None) -> None:  # type: ignore[override]
            raise QueryHandlerError("the query failed: \ud800", failure)

    code = ScriptedCode([[], []])
    code.build = lambda info, signed, patches: Failing(code.script, 0)  # type: ignore[method-assign,assignment,return-value]
    rig = Rig(code)
    rig.start()

    asked = answer(rig.send(ASK))
    assert (asked.error, asked.failure) == (("query_failed", "the query failed: \\ud800"), failure)


def test_describe_tells_what_is_pending() -> None:
    rig = Rig(ScriptedCode([[activity(1), activity(2), activity(3), timer(1, T0 + 90 * SECOND)]]))
    first, second, _ = tasks(rig.start(memo={"k": payload()}))
    rig.send(started(first))
    rig.send(failed(second), after=SECOND)

    described = answer(rig.send(Describe(caller=CALLER))).description

    assert described is not None
    description = wire.Description(**described)
    assert description.status is WorkflowStatus.RUNNING
    assert description.sequence == 3
    assert description.history_length == 1
    assert description.next_wake_up_at == T0 + 2 * SECOND
    assert description.pending_timers == 1
    assert description.memo == {"k": payload()}
    assert description.waiting_for == ("what the script says",)
    states = [(each["activity_id"], each["state"]) for each in described["pending_activities"]]
    assert states == [("1", "started"), ("2", "backing_off"), ("3", "scheduled")]
    backing_off = described["pending_activities"][1]
    assert backing_off["next_attempt_at"] == T0 + 2 * SECOND
    assert backing_off["last_failure"].message == "card declined"


def described(rig: Rig) -> wire.Description:
    description = answer(rig.send(Describe(caller=CALLER))).description
    assert description is not None
    return wire.Description(**description)


def test_describe_answers_the_same_hot_or_cold() -> None:
    rig = Rig(ScriptedCode([[activity(1), timer(1, T0 + SECOND)], []]))
    rig.send(started(task(rig.start(args=(payload("7"),)))))
    rig.send(Signal(name="s"))
    hot = described(rig)
    rig.reload()
    assert not rig.has_program()

    cold = described(rig)

    assert cold == hot
    assert cold.waiting_for == ("what the script says",)


def test_describe_of_code_that_cannot_be_brought_back_tells_what_the_state_knows_and_suspends_nothing() -> None:
    code = ScriptedCode([[activity(1), timer(1, T0 + SECOND)]])
    rig = Rig(code)
    rig.start()
    rig.reload()
    code.script = lambda index, _: [DONE]

    description = described(rig)

    assert description.waiting_for == ("activity 1 charge", "timer 1")
    assert description.status is WorkflowStatus.RUNNING


def test_describe_does_not_run_the_code_of_a_suspended_run() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND)]]))
    rig.start()
    rig.send(Suspend(reason="maintenance"))
    rig.reload()

    assert described(rig).waiting_for == ("timer 1",)


def test_describe_shows_who_works_since_when_and_the_last_word_of_it() -> None:
    rig = Rig(ScriptedCode([[activity(1, heartbeat_timeout=60 * SECOND)]]))
    working = task(rig.start())
    rig.send(started(working, worker="w-7"), after=SECOND)
    rig.send(heartbeat(working), after=SECOND)

    (pending,) = rig.instance.describe()["pending_activities"]

    assert (pending["worker"], pending["started_at"]) == ("w-7", T0 + SECOND)
    assert pending["last_heartbeat_at"] == T0 + 2 * SECOND


def test_describe_shows_what_a_run_was_given_and_what_came_of_it() -> None:
    rig = Rig(ScriptedCode([[], [DONE]]))
    rig.start(args=(payload("7"),))
    assert described(rig).input == (payload("7"),)

    rig.send(Signal(name="s"))

    assert described(rig).result == DONE.result


def test_describe_leaves_out_values_that_are_large() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start(args=(payload('"' + "x" * 20_000 + '"'), payload("1")))

    assert described(rig).input is None


def test_describe_counts_and_names_the_signals_that_wait() -> None:
    held_back = SetSign(signed=SignedState(state=payload("{}"), signs=1))
    code = ScriptedCode([[held_back]])
    rig = Rig(code)
    rig.start()
    rig.send(Suspend(reason="maintenance"))
    rig.send(Signal(name="a"))
    rig.send(Signal(name="b"))
    rig.send(Signal(name="a"))

    described = answer(rig.send(Describe(caller=CALLER))).description

    assert described is not None
    assert described["buffered_signals"] == 3
    assert described["buffered_signal_names"] == {"a": 2, "b": 1}
    assert described["suspended_reason"] == "maintenance"


def test_a_description_stays_small_whatever_signals_are_called() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND)]]))
    rig.start()
    rig.send(Suspend(reason="maintenance"))
    for number in range(50):
        rig.send(Signal(name=f"s-{number}"))

    described = answer(rig.send(Describe(caller=CALLER))).description

    assert described is not None
    assert described["buffered_signals"] == 50
    assert list(described["buffered_signal_names"]) == [f"s-{number}" for number in range(20)]
