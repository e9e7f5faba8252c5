"""How long a turn may stay open, what becomes of it then, and who waits for it."""

from __future__ import annotations

import gc
from weakref import ref

import pytest

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.interface.commands import Start, Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.waiting import Unfit, Unready
from dalsegno.actors.workflow_actor.open_turn import PREPARING_SECONDS, WORKING_SECONDS
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, completed, query, signal, start, task_in, terminate
from tests.supervisor.opened import LATER, LOCAL, Opened, finish
from tests.workflow_actor.rig import DONE, SECOND, T0, ScriptedCode, ScriptedProgram, payload, timer

pytestmark = pytest.mark.usefixtures("quiet", "local")


def test_what_cannot_be_prepared_in_time_is_recorded_and_the_run_suspended_until_it_can() -> None:
    opened = Opened(Signal, code=ScriptedCode([[timer(9, LATER)], [DONE]]))
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.live_through(PREPARING_SECONDS + 0.2)
    assert opened.world.status() is WorkflowStatus.SUSPENDED
    assert len(opened.answered("s1")) == 1, "it is recorded"
    assert "was not there within 5 s" in str(
        opened.world.database.shown[opened.world.database.rows["w"].run_id]
    )
    opened.world.live_through(3)
    assert opened.world.status() is WorkflowStatus.COMPLETED


def test_what_was_found_not_to_be_there_suspends_the_run_and_says_why() -> None:
    opened = Opened(Start)
    opened.world.deliver(start("other", "w2"))
    opened.world.go_on()
    opened.off_loop.prepared(Unready("payload store 's3' does not answer"))
    opened.world.go_on()
    assert opened.world.status("w2") is WorkflowStatus.SUSPENDED
    opened.world.live_through(3)
    assert opened.world.status("w2") is WorkflowStatus.RUNNING


def test_a_query_that_could_not_be_prepared_is_refused_and_runs_no_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(ScriptedProgram, "query", lambda _, name, *more: asked.append(name) or payload())
    opened = Opened(Query)
    opened.world.deliver(query("q1"))
    opened.world.go_on()
    opened.off_loop.prepared(Unready("payload store 's3' does not answer"))
    opened.world.go_on()
    (reply,) = opened.answered("q1")
    assert reply.error is not None
    assert (reply.error.code, reply.error.message) == ("query_failed", "payload store 's3' does not answer")
    assert asked == []
    assert opened.world.status() is WorkflowStatus.RUNNING
    finish(opened)
    opened.world.deliver(query("q2"))
    opened.world.go_on()
    assert asked == ["q"]


def test_what_is_unfit_is_refused_once_and_leaves_nothing() -> None:
    opened = Opened(Signal)
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.off_loop.prepared(Unfit(("rejected", "there is no such shelf")))
    opened.world.go_on()
    opened.world.deliver(signal("s1"), redelivered=True)
    opened.world.go_on()
    assert [reply.error and reply.error.code for reply in opened.answered("s1")] == ["rejected"] * 2
    assert opened.off_loop.preparing == []
    assert opened.rows == 1


def test_at_its_bound_local_work_is_left_behind_and_its_outcome_is_a_cause_of_its_own() -> None:
    opened = Opened()
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.pass_time(WORKING_SECONDS + 0.2)
    opened.world.go_on()
    assert opened.rows == 2
    assert opened.actor.turn is None
    opened.off_loop.worked()
    opened.world.go_on()
    assert opened.world.database.rows["w"].journal[-1].cause == "local work"
    assert opened.rows == 3


def test_local_work_that_was_left_behind_and_its_task_that_was_sent_count_once() -> None:
    opened = Opened()
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.pass_time(WORKING_SECONDS + 0.2)
    opened.world.go_on(confirm=False)
    (sent,) = opened.world.published_of(wire.ActivityTask)
    opened.world.deliver(completed(task_in(sent)))
    opened.world.go_on()
    opened.off_loop.worked()
    opened.world.go_on()
    assert opened.rows == 3


def test_an_operator_s_word_waits_no_longer_than_the_bound_and_needs_no_preparing(opened: Opened) -> None:
    opened.off_loop.slow = (Signal, Terminate)
    opened.world.deliver(terminate("t1"))
    opened.world.live_through(PREPARING_SECONDS + WORKING_SECONDS + 0.5)
    assert opened.world.status() is WorkflowStatus.TERMINATED


def test_a_hand_over_waits_for_an_open_turn(opened: Opened) -> None:
    consumer = opened.world.consumers[FIRST]
    opened.world.engine.release(FIRST)
    opened.world.pass_time(0.5)
    assert opened.world.released == []
    finish(opened)
    opened.world.pass_time(0.1)
    opened.world.go_on()
    opened.world.pass_time(0.1)
    assert opened.world.released == [(FIRST, 1)]
    assert opened.rows == 2
    assert consumer.acknowledged == 3


@pytest.mark.parametrize("preparing", [True, False])
def test_a_hand_over_waits_for_the_open_turn_of_a_wake_up(preparing: bool) -> None:
    opened = Opened(
        *((WakeUp,) if preparing else ()),
        code=ScriptedCode([[timer(1, T0 + SECOND)], [LOCAL], []]),
    )
    opened.world.pass_time(1.2)
    opened.world.run()
    assert opened.actor.turn is not None
    opened.world.engine.release(FIRST)
    opened.world.pass_time(0.3)
    assert opened.world.released == []


def test_a_hand_over_waits_for_no_longer_than_it_does_for_anything() -> None:
    opened = Opened(Signal)
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.engine._settings = HostSettings(drain_seconds=1.0)
    opened.world.engine.release(FIRST)
    opened.world.pass_time(1.5)
    assert opened.world.released == [(FIRST, 1)]
    assert opened.rows == 1


@pytest.mark.parametrize("preparing", [True, False])
def test_a_turn_that_is_over_is_not_kept_until_its_bound(preparing: bool) -> None:
    """With it would be its message, of each turn of some seconds."""
    code = ScriptedCode([[timer(9, LATER)], [] if preparing else [LOCAL], []])
    opened = Opened(*((Signal,) if preparing else ()), code=code)
    opened.world.deliver(signal("s1"))
    opened.world.run()
    turn = opened.actor.turn
    assert turn is not None
    over = ref(turn)
    del turn
    finish(opened)
    gc.collect()
    assert over() is None
    assert opened.rows == 2


def test_an_instance_whose_turn_is_open_stays_in_memory(opened: Opened) -> None:
    opened.world.pass_time(0.5)
    opened.world.engine.sweep()
    assert opened.actor.turn is not None
    finish(opened)
    opened.world.live_through(1)
    opened.world.engine.sweep()
    assert opened.world.engine.partitions[FIRST].actors.peek("w") is None


def test_who_asks_about_a_workflow_that_is_only_taken_to_be_new_waits_for_its_first_turn() -> None:
    opened = Opened(Start)
    opened.world.deliver(start("other", "w2"))
    opened.world.deliver(command(wire.DescribeWorkflow(workflow_id="w2"), "d1"))
    opened.world.go_on()
    assert opened.answered("d1") == []
    finish(opened)
    (reply,) = opened.answered("d1")
    assert reply.description is not None
    assert opened.world.status("w2") is WorkflowStatus.RUNNING
