"""Commands that come again are known by their message IDs, those of each type apart."""

from __future__ import annotations

import pytest

from dalsegno.broker.protocol import messages as wire
from dalsegno.persistence.port import Loaded
from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import command, signal, start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity, timer

LATER = 2**52


def begun() -> ScriptedWorld:
    """Workflow w, started by the message "same"."""
    world = ScriptedWorld(ScriptedCode([[timer(1, LATER)], [activity(1)], [activity(2)]]))
    world.own()
    world.deliver(start("same"))
    world.go_on()
    return world


def tasks_sent(world: ScriptedWorld) -> int:
    """However often each."""
    return len({message.message_id for message in world.sent if message.type == wire.ActivityTask.TYPE})


@pytest.mark.parametrize("cold", [False, True])
def test_a_signal_with_the_message_id_of_the_start_is_applied(cold: bool) -> None:
    world = begun()
    if cold:
        world.live_through(15)
        assert world.engine.partitions[0].actors.peek("w") is None

    tag = world.deliver(signal("same"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 1


def test_a_signal_that_comes_again_is_applied_once_whoever_else_has_its_message_id() -> None:
    world = begun()
    world.deliver(signal("same"))
    world.go_on()
    world.live_through(15)

    tag = world.deliver(signal("same"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 1


def test_a_start_that_comes_again_is_known_behind_a_signal_with_its_message_id() -> None:
    world = begun()
    world.deliver(signal("same"))
    world.deliver(terminate("same"))
    world.go_on()
    assert world.status() is WorkflowStatus.TERMINATED
    world.live_through(15)

    world.deliver(start("same"), redelivered=True)
    world.go_on()

    assert world.status() is WorkflowStatus.TERMINATED


@pytest.mark.parametrize(
    "body",
    [
        wire.CancelWorkflow(workflow_id="w"),
        wire.SuspendWorkflow(workflow_id="w"),
        wire.TerminateWorkflow(workflow_id="w"),
    ],
    ids=lambda body: type(body).__name__,
)
def test_commands_of_two_types_with_one_message_id_are_both_carried_out_and_both_answered(
    body: wire.WireMessage,
) -> None:
    world = begun()
    world.deliver(signal("m"))
    world.deliver(command(body, "m"))
    world.go_on()

    assert {type_ for (type_, message_id) in world.database.known["w"] if message_id == "m"} == {
        wire.SignalWorkflow.TYPE,
        body.TYPE,
    }
    answers = {message.message_id for message in world.sent if message.correlation_id == "call m"}
    assert len(answers) == 2


def test_what_was_stored_without_its_type_is_known_for_any() -> None:
    world = begun()
    world.database.known["w"] = {("", "old"): ""}
    world.live_through(15)

    tag = world.deliver(signal("old"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 0


def test_what_is_looked_up_is_told_apart_by_type_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all that was answered is in memory."""
    world = begun()
    world.live_through(15)

    def partly(workflow_id: str) -> Loaded:
        row = world.database.rows[workflow_id]
        return Loaded(workflow_id=workflow_id, instance=row, seen={}, seen_partial=True)

    monkeypatch.setattr(world.database, "load", partly)

    tag = world.deliver(signal("same"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 1
