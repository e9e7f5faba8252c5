"""When heartbeat details are written: a while after they came, with a hand-over, before an instance leaves."""

from __future__ import annotations

from unittest.mock import patch

from dalsegno.actors.supervisor.partition.heartbeat_keeping import KEPT_WITHIN_SECONDS
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.activities import heartbeats
from dalsegno.broker.protocol import messages as wire
from dalsegno.payload import Payload
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, start, started, task_in
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import SECOND, ScriptedCode, activity


def details(text: str) -> Payload:
    return Payload("json/plain", text.encode())


def working() -> tuple[ScriptedWorld, wire.ActivityTask]:
    world = ScriptedWorld(ScriptedCode([[activity(1, heartbeat_timeout=600 * SECOND)]]))
    world.own()
    world.deliver(start())
    world.go_on(confirm=False)
    task = task_in(world.published_of(wire.ActivityTask)[0])
    world.deliver(started(task))
    world.go_on()
    return world, task


def beat(world: ScriptedWorld, task: wire.ActivityTask, text: str) -> None:
    body = wire.ActivityHeartbeat(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        details=details(text),
    )
    world.deliver(command(body, f"beat-{text}"))
    world.go_on()


def stored(world: ScriptedWorld) -> int:
    return world.database.rows["w"].sequence


def kept(world: ScriptedWorld) -> Payload | None:
    """What a host that takes the partition over finds."""
    world.engine.lease_lost(FIRST)
    world.own(epoch=2)
    world.deliver(command(wire.DescribeWorkflow(workflow_id="w"), "look"))
    world.go_on()
    actor = world.engine.partitions[FIRST].actors.peek("w")
    assert actor is not None
    assert actor.instance.state is not None
    return actor.instance.state.activities[1].kept_details


def test_those_of_very_many_activities_take_several_rows_one_after_the_other() -> None:
    wanted = [activity(number, heartbeat_timeout=600 * SECOND) for number in range(1, 6)]
    world = ScriptedWorld(ScriptedCode(lambda index, _: wanted if index == 0 else ()))
    world.own()
    world.deliver(start())
    world.go_on(confirm=False)
    for outgoing in world.published_of(wire.ActivityTask):
        world.deliver(started(task_in(outgoing)))
        beat(world, task_in(outgoing), task_in(outgoing).activity_id)
    before = stored(world)
    with patch.object(heartbeats, "KEPT_AT_ONCE_MAX", 2):
        world.engine.partitions[FIRST].begin_draining()
        world.go_on()
    assert stored(world) == before + 3
    kept(world)
    actor = world.engine.partitions[FIRST].actors.peek("w")
    assert actor is not None
    assert actor.instance.state is not None
    found = [it.kept_details for it in actor.instance.state.activities.values()]
    assert found == [details(str(number)) for number in range(1, 6)]


def test_many_heartbeats_are_written_as_one_row_when_a_while_has_passed() -> None:
    world, task = working()
    before = stored(world)
    for number in range(5):
        beat(world, task, str(number))
        world.engine.sweep()
        world.go_on()
    assert stored(world) == before
    world.pass_time(KEPT_WITHIN_SECONDS)
    world.engine.sweep()
    world.go_on()
    assert stored(world) == before + 1
    assert kept(world) == details("4")


def test_a_peaceful_hand_over_takes_the_newest_details_along() -> None:
    world, task = working()
    beat(world, task, "3")
    world.engine.release(FIRST)
    world.pass_time(0.1)
    assert world.released == []
    world.go_on()
    world.pass_time(0.1)
    assert world.released == [(FIRST, 1)]
    assert kept(world) == details("3")


def test_an_instance_leaves_memory_only_when_its_details_are_written() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on(confirm=False)
    beat(world, task_in(world.published_of(wire.ActivityTask)[0]), "8")
    world.pass_time(HostSettings().idle_seconds)
    world.engine.sweep()
    world.go_on()
    assert world.engine.partitions[FIRST].actors.peek("w") is not None
    world.pass_time(KEPT_WITHIN_SECONDS)
    world.engine.sweep()
    world.go_on()
    world.pass_time(HostSettings().idle_seconds)
    world.engine.sweep()
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    assert kept(world) == details("8")
