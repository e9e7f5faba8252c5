"""What an observer of a host is told, and when."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from tests.noted import Noted
from tests.partition_ids import nth
from tests.supervisor.mail import command, signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, timer

LATER = 2**52


def test_each_activation_and_its_round_are_told_once_they_are_durable_and_messages_once_they_may_go() -> None:
    noted = Noted()
    world = ScriptedWorld(ScriptedCode([[timer(1, LATER)], []]), observer=noted)
    world.own()
    noted.all.clear()
    world.deliver(start())
    world.run()
    assert noted.of("activation_done", "round_committed") == []
    world.time += 0.25
    world.committed()
    assert noted.of("activation_done") == [("activation_done", "order", "workflow.start")]
    assert noted.of("round_committed") == [("round_committed", 1, 0.25)]
    world.go_on()
    assert noted.of("messages_acknowledged") == [("messages_acknowledged", 1)]


def test_a_partition_is_told_when_it_is_taken_and_when_it_is_given_up_for_whatever_reason() -> None:
    noted = Noted()
    world = ScriptedWorld(ScriptedCode([]), observer=noted, partitions=4)
    world.own(nth(2))
    world.own(nth(3))
    world.engine.all_leases_lost()
    world.engine.lease_lost(nth(3))
    assert noted.of("partition_taken", "partition_given_up") == [
        ("partition_taken", 2),
        ("partition_taken", 3),
        ("partition_given_up", 2),
        ("partition_given_up", 3),
    ]


def test_a_commit_that_failed_is_told_and_its_activation_only_when_it_is_done() -> None:
    noted = Noted()
    world = ScriptedWorld(ScriptedCode([[timer(1, LATER)], []]), observer=noted)
    world.own()
    world.deliver(start())
    world.run()
    world.commit_fails()
    [(_, error)] = noted.of("commit_failed")
    assert isinstance(error, Exception)
    assert noted.of("activation_done", "round_committed") == []
    world.live_through(10)
    assert len(noted.of("activation_done")) == 1


def test_a_suspension_is_told_once_however_often_the_code_is_tried_again() -> None:
    noted = Noted()
    bug = WorkflowCodeError("ZeroDivisionError at orders.py:7")
    code = ScriptedCode([[timer(1, LATER)], bug])
    world = ScriptedWorld(code, observer=noted)
    world.own()
    world.deliver(start())
    world.deliver(signal("s"))
    world.go_on()
    world.live_through(40)
    assert noted.of("workflow_suspended", "workflow_resumed") == [("workflow_suspended", "order", "bug")]


def test_it_is_told_when_a_workflow_goes_on() -> None:
    noted = Noted()
    world = ScriptedWorld(ScriptedCode([[timer(1, LATER)], [], []]), observer=noted)
    world.own()
    world.deliver(start())
    world.deliver(command(wire.SuspendWorkflow(workflow_id="w", reason="wait"), "suspend"))
    world.go_on()
    world.deliver(command(wire.ResumeWorkflow(workflow_id="w"), "resume"))
    world.go_on()
    assert noted.of("workflow_suspended", "workflow_resumed") == [
        ("workflow_suspended", "order", "operator"),
        ("workflow_resumed", "order"),
    ]


def test_it_is_told_once_when_a_workflow_cannot_be_read_and_when_it_can_again() -> None:
    noted = Noted()
    world = ScriptedWorld(ScriptedCode([[timer(1, LATER)], [], [], []]), observer=noted)
    world.own()
    world.deliver(start())
    world.go_on()
    world.live_through(15)
    world.database.unreadable.add("w")
    for number in range(3):
        world.deliver(signal(f"s{number}"))
        world.run()
        world.loaded()
        if number == 0:
            world.formats_found()
            world.remains_found()
            world.run()
            world.commit_fails()
        world.live_through(5)
    suspended = ("workflow_suspended", "order", "corrupt")
    assert noted.of("workflow_suspended", "workflow_resumed") == [suspended]
    world.database.unreadable.clear()
    world.live_through(60)
    assert noted.of("workflow_suspended", "workflow_resumed") == [suspended, ("workflow_resumed", "order")]


def test_a_message_that_nobody_can_handle_is_told_with_the_reason() -> None:
    noted = Noted()
    world = ScriptedWorld(ScriptedCode([]), observer=noted)
    world.own()
    world.deliver(Message(body=b"junk", message_id="m", type="workflow.start"))
    world.go_on()
    [(_, message_type, reason)] = noted.of("message_refused")
    assert message_type == "workflow.start"
    assert reason
