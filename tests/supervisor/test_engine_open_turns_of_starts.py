"""Starts whose turn stays open: of a workflow that is only taken to be new nothing is told, and nothing is done
for it outside, before it is known to be."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.interface.commands import Command, Start
from dalsegno.actors.workflow_actor.open_turn import TurnState
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import signal, start
from tests.supervisor.opened import LATER, LOCAL, Opened, describe, finish
from tests.workflow_actor.rig import ScriptedCode, timer

pytestmark = pytest.mark.usefixtures("quiet", "local")


def cold(*slow: type[Command], code: ScriptedCode) -> Opened:
    """Workflow w runs, and is not in memory."""
    opened = Opened(code=code)
    finish(opened)
    opened.world.live_through(1)
    opened.world.engine.sweep()
    assert opened.world.engine.partitions[FIRST].actors.peek("w") is None
    assert opened.world.status() is WorkflowStatus.RUNNING
    opened.off_loop.slow = slow
    return opened


def test_who_asks_behind_a_start_that_is_being_prepared_is_not_told_that_there_is_no_such_workflow() -> None:
    opened = cold(Start, code=ScriptedCode([[timer(9, LATER)]]))
    opened.world.deliver(start("start-2"))
    opened.world.deliver(describe("d1"))
    opened.world.run()
    assert opened.actor.is_guess
    assert opened.actor.turn is not None
    opened.world.go_on()
    assert opened.answered("d1") == []
    finish(opened)
    (reply,) = opened.answered("d1")
    assert reply.description is not None
    assert reply.description.status is WorkflowStatus.RUNNING
    (refused,) = opened.answered("start-2")
    assert refused.error is not None
    assert refused.error.code == "already_started"
    assert opened.rows == 1


def test_a_start_of_a_workflow_that_runs_begins_no_local_work() -> None:
    code = ScriptedCode([[LOCAL], [timer(9, LATER)], []])
    opened = cold(code=code)
    code.built.clear()
    opened.world.deliver(start("start-2", workflow_type="invoice"))  # of which nothing is known yet
    opened.world.deliver(describe("d1"))
    opened.world.go_on()
    assert opened.off_loop.working == []
    assert code.built[0].dropped, "the code of what was only a guess"
    (refused,) = opened.answered("start-2")
    assert refused.error is not None
    assert refused.error.code == "already_started"
    (reply,) = opened.answered("d1")
    assert reply.description is not None
    assert reply.description.status is WorkflowStatus.RUNNING
    assert opened.rows == 1


def test_local_work_of_a_new_workflow_begins_once_it_is_known_to_be_new() -> None:
    opened = cold(code=ScriptedCode([[LOCAL], [timer(9, LATER)]]))
    opened.world.deliver(start("other", "w2"))
    opened.world.run()
    assert opened.world.loads == [(FIRST, "w2")]
    assert opened.off_loop.working == []
    opened.world.go_on()
    assert len(opened.off_loop.working) == 1
    finish(opened)
    assert opened.world.status("w2") is WorkflowStatus.RUNNING
    assert len(opened.answered("other")) == 1


def test_what_wants_local_work_comes_behind_the_start_that_is_in_the_round() -> None:
    opened = cold(code=ScriptedCode([[timer(9, LATER)], [LOCAL], []]))
    opened.world.deliver(start("other", "w2"))
    opened.world.deliver(signal("s1", "w2"))
    opened.world.deliver(signal("s2", "w2"))
    opened.world.go_on()
    finish(opened)
    causes = [row.cause for row in opened.world.database.rows["w2"].journal]
    assert causes == ["workflow.start other", "workflow.signal s1", "workflow.signal s2"]
    assert [reply.error for reply in opened.world.replies() if reply.error is not None] == []


def test_a_type_that_once_wanted_local_work_at_once_is_not_taken_to_be_new_again() -> None:
    code = ScriptedCode([[LOCAL], [timer(9, LATER)]])
    opened = cold(code=code)
    for workflow_id, steps in (("w2", 2), ("w3", 1)):
        code.built.clear()
        opened.world.deliver(start(f"start {workflow_id}", workflow_id, workflow_type="invoice"))
        opened.world.go_on()
        finish(opened)
        assert opened.world.status(workflow_id) is WorkflowStatus.RUNNING
        assert len(code.built) == steps, "one of which was thrown away, if the workflow was taken to be new"


@pytest.mark.parametrize("state", [TurnState.PREPARING, TurnState.WORKING])
def test_other_code_takes_the_place_of_a_start_whose_turn_is_open(state: TurnState) -> None:
    is_working = state is TurnState.WORKING
    code = ScriptedCode([[LOCAL] if is_working else [], [timer(9, LATER)], []])
    opened = Opened(code=code)
    finish(opened)
    opened.off_loop.slow = () if is_working else (Start,)
    opened.world.deliver(start("other", "w2"))
    opened.world.go_on()
    actors = opened.world.engine.partitions[FIRST].actors
    before = actors.peek("w2")
    assert before is not None
    assert before.turn is not None
    assert before.turn.state is state

    code.source = "code-2"
    opened.world.engine.code_changed()
    opened.world.go_on()
    after = actors.peek("w2")
    assert after is not None
    assert after is not before
    finish(opened)
    assert after.instance.fingerprint == "code-2"
    assert opened.world.status("w2") is WorkflowStatus.RUNNING
    assert len(opened.answered("other")) == 1
