"""How urgent a run is: kept from run to run, handed on, and refused where it cannot be stored."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.shown.describe import describe
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.policies import WorkflowStatus
from dalsegno.priority import at_level
from tests.workflow_actor.rig import Rig, ScriptedCode, activity, answer, start, tasks

URGENT = at_level("default", 1)


@pytest.mark.parametrize(("of_next", "kept"), [(None, 2), (4, 4), (3, 3)])
def test_the_next_run_is_as_urgent_unless_it_is_told_otherwise(of_next: int | None, kept: int) -> None:
    rig = Rig(ScriptedCode([[ContinueAsNew(args=(), priority=of_next)]]))
    rig.send_all(start(priority=2))
    assert rig.state.info.priority == kept


def test_a_task_of_a_level_waits_there_and_is_shown_as_of_its_task_queue() -> None:
    rig = Rig(ScriptedCode([[activity(1, task_queue=URGENT), activity(2)]]))
    (activation,) = rig.send_all(start(priority=5))
    assert [task.task_queue for task in tasks(activation)] == [URGENT, "default"]
    assert [waiting.task_queue for waiting in rig.instance.waiting_tasks()] == [URGENT, "default"]
    shown = describe(rig.state, None, Heartbeats(), wake_at=None)
    assert shown["priority"] == 5
    assert [(one["task_queue"], one["priority"]) for one in shown["pending_activities"]] == [
        ("default", 1),
        ("default", None),
    ]


def test_a_start_that_says_it_is_refused_while_no_format_has_a_place_for_it() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.instance.codec = CODEC.writing(2)
    (refused,) = rig.send_all(start(priority=1))
    told = answer(refused)
    assert told.error is not None
    assert "priority cannot be stored yet" in told.error[1]
    assert rig.instance.state is None
    rig.send_all(start())
    assert rig.state.status is WorkflowStatus.RUNNING


def test_code_that_wants_it_is_suspended_until_then() -> None:
    rig = Rig(ScriptedCode([[activity(1, task_queue=URGENT)]]))
    rig.instance.codec = CODEC.writing(2)
    rig.start()
    assert rig.state.status is WorkflowStatus.SUSPENDED
    assert rig.state.suspension is not None
    assert "a priority" in rig.state.suspension.reason
