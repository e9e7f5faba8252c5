"""Defects of the engine itself: each harms one instance, or one partition for a moment; no cause is lost."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.persistence.port import InstanceWrite
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import await_result, query, signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import SECOND, T0, ScriptedCode, activity, timer

pytestmark = pytest.mark.usefixtures("quiet")


def test_an_instance_whose_wake_up_crashes_its_actor_each_time_is_suspended() -> None:
    world = ScriptedWorld(ScriptedCode([[timer(1, T0 + SECOND)], ZeroDivisionError()]))
    world.own()
    world.deliver(start())
    world.live_through(60)
    assert world.status() is WorkflowStatus.SUSPENDED


def test_a_defect_is_told_with_the_number_of_the_partition() -> None:
    world = ScriptedWorld(ScriptedCode([ZeroDivisionError(), []]))
    world.own()
    world.deliver(start())
    with capture_logs() as logs:
        world.run()
    (told,) = (entry for entry in logs if entry["event"] == "workflow_actor_failed")
    assert (told["workflow_id"], told["partition"]) == ("w", FIRST.number)
    assert type(told["partition"]) is int


def test_the_database_refuses_one_of_two_inputs_and_only_that_is_given_up() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    world.database.rejects = lambda write: (
        "22P05" if any(row.cause.endswith("bad") for row in write.journal) else None
    )
    world.deliver(await_result("waits"))
    world.deliver(signal("good"))
    world.deliver(signal("good"), redelivered=True)
    world.deliver(signal("bad"))
    tag = world.deliver(query("q"))
    world.go_on()
    assert world.acknowledged() == tag
    assert set(world.database.seen["w"]) == {"start-1", "good"}
    assert world.status() is WorkflowStatus.RUNNING
    refused = [reply.error.code for reply in world.replies() if reply.error]
    assert refused == ["rejected"]


def test_a_message_is_not_given_up_for_a_wake_up_that_the_database_refuses() -> None:
    world = ScriptedWorld(ScriptedCode([[timer(1, T0 + SECOND)]]))
    world.own()
    world.deliver(start())
    world.go_on()

    def rejects(write: InstanceWrite) -> str | None:
        return "22P05" if any(row.cause.startswith("wake-up") for row in write.journal) else None

    world.database.rejects = rejects
    world.deliver(start("start-2", "other"))
    world.run()
    world.pass_time(1.05)
    tag = world.deliver(signal("good"))
    world.live_through(30)
    assert world.acknowledged() == tag
    assert "good" in world.database.seen["w"]
    assert world.status() is WorkflowStatus.SUSPENDED


def test_a_partition_that_fails_leaves_no_actor_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    supervisor = world.engine.partitions[FIRST]
    actor = supervisor.actors.peek("w")
    assert actor is not None
    monkeypatch.setattr(supervisor, "_intake", None)
    world.deliver(signal("s1"))
    world.run()
    world.deliver(signal("s2"))
    world.pass_time(0.2)
    assert world.released == [(FIRST, 1)]
    assert actor.actor_stopped.is_set()
    assert len(world.engine.workflow_dispatcher) == 0
    world.own(epoch=2)
    tag = world.deliver(signal("s1"), redelivered=True)
    world.go_on()
    assert world.acknowledged() == tag


def test_a_rebuild_that_breaks_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dalsegno.actors.workflow_actor.gates.LONG_LOG", 20)
    code = ScriptedCode([])
    world = ScriptedWorld(code)
    world.own()
    for workflow_id in ("w", "other"):
        world.deliver(start(f"start {workflow_id}", workflow_id))
        for number in range(30):
            world.deliver(signal(f"{workflow_id} {number}", workflow_id))
        world.go_on()
    world.live_through(20)
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    real = code.script
    broken = [3]

    def script(index: int, input_: Any) -> Any:
        if index == 25 and broken:
            broken.pop()
            return ZeroDivisionError()
        return real(index, input_)

    code.script = script
    world.deliver(query("q1"))
    tag = world.deliver(query("q2", "other"))
    world.live_through(10)
    assert world.acknowledged() == tag


@pytest.mark.parametrize("name", ["dead", "two\nlines", "q" * 300])
def test_an_activity_for_a_task_queue_that_no_broker_takes_fails_at_once(name: str) -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1, task_queue=name)], [timer(1, T0 + 3600 * SECOND)]]))
    world.own()
    tag = world.deliver(start())
    world.live_through(5)
    assert world.acknowledged() == tag
    assert world.published_of(wire.ActivityTask) == []
    assert world.declaring == []
    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.rows["w"].wake_at == T0 + 3600 * SECOND  # it went on: the activity has failed


def test_two_invalid_messages_that_share_id_and_body_leave_two_dead_letters() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    for type_ in ("no.such.type", "nor.this"):
        world.deliver(Message(body=b"x", message_id="same", type=type_, content_type="application/cbor"))
    world.go_on(confirm=False)
    dead = {message.message_id for message in world.sent if "x-dalsegno-reason" in message.headers}
    assert len(dead) == 2
