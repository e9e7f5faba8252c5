"""A host that has not been told yet that a newer format may be written looks for itself before it refuses what
needs it: others have been told, and what a workflow asks of another is not asked twice."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.formats import format_of
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, signal, start, started, task_in
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_engine_children import PARENT
from tests.supervisor.test_engine_halted import unreadable
from tests.workflow_actor.rig import ScriptedCode, Step, activity, timer

pytestmark = pytest.mark.usefixtures("quiet")

LATER = 2**52
TO_PARENT = wire.WorkflowAnswered, wire.WorkflowEnded


def host(*steps: Step, may_write: int = CODEC.newest, told: int = 2) -> ScriptedWorld:
    world = ScriptedWorld(ScriptedCode(steps or [[timer(1, LATER)], [], []]))
    world.database.format_written = may_write
    world.engine.format_written(told)
    world.own()
    return world


def child_start(**changes: Any) -> Message:
    body = wire.StartWorkflow(workflow_id="w", workflow_type="order", parent=PARENT)
    return encode(replace(body, **changes), message_id="start-of-child")


def told_parent(world: ScriptedWorld) -> list[Any]:
    return [body for body in map(decode, world.sent) if isinstance(body, TO_PARENT)]


def formats(world: ScriptedWorld) -> list[int]:
    return [format_of("record", row.events) for row in world.database.rows["w"].journal]


def test_a_child_is_started_by_a_host_that_was_told_nothing_yet() -> None:
    world = host()
    tag = world.deliver(child_start())
    world.go_on()

    assert formats(world) == [3]
    assert [body.error for body in told_parent(world)] == [None]
    assert world.acknowledged() == tag


def test_what_comes_behind_it_waits_for_it_in_order() -> None:
    world = host()
    world.deliver(child_start())
    world.deliver(signal("s1"))
    world.run()
    assert not world.rounds
    world.go_on()

    journal = world.database.rows["w"].journal
    assert [row.cause.split()[0] for row in journal] == ["workflow.start", "workflow.signal"]


def test_it_is_refused_where_no_host_may_write_it() -> None:
    world = host(may_write=2)
    tag = world.deliver(child_start())
    world.go_on()

    assert "w" not in world.database.rows
    (answer,) = told_parent(world)
    assert answer.error is not None
    assert "dalsegno init" in answer.error.message
    assert world.acknowledged() == tag


def test_it_comes_again_where_the_partition_is_lost_meanwhile() -> None:
    world = host()
    world.deliver(child_start())
    world.run()
    world.engine.lease_lost(FIRST)
    world.formats_found()

    assert (world.acknowledged(), told_parent(world)) == (1, [])


@pytest.mark.parametrize(
    "more",
    [
        {"run_timeout": LATER},
        {"start_delay": LATER},
        {"retry_policy": wire.WorkflowRetries()},
        {"search_attributes": {"Customer": AttributeValue(Type.KEYWORD, "anna")}},
    ],
)
def test_what_a_client_asks_for_is_taken_as_well(more: dict[str, Any]) -> None:
    world = host()
    world.search_attributes = {"Customer": Type.KEYWORD}
    world.deliver(start(**more))
    world.go_on()

    assert [reply.error for reply in world.replies()] == [None]
    assert formats(world) == [3]


def test_an_attempt_goes_on_outside_where_that_may_be_written_by_now() -> None:
    world = host([activity(1)], [])
    world.deliver(start())
    world.go_on(confirm=False)
    task = task_in(world.published_of(wire.ActivityTask)[0])
    world.deliver(started(task))
    detached = wire.ActivityDetached(
        workflow_id="w", run_id=task.run_id, activity_id=task.activity_id, attempt=1, token=task.token
    )
    world.deliver(encode(detached, message_id="detached"))
    world.go_on()

    assert formats(world)[-1] == 3, "or the attempt had failed, in format 2"


def test_a_child_start_that_meets_a_stand_in_waits_as_well() -> None:
    world = host()
    world.deliver(start())
    world.go_on()
    unreadable(world)
    world.deliver(signal("s1"))
    world.go_on()
    world.deliver(child_start())
    world.go_on()

    assert world.database.shown[world.database.rows["w"].run_id][0] is WorkflowStatus.SUSPENDED
    assert not [body.error for body in told_parent(world) if body.error and "init" in body.error.message]


def test_who_was_told_a_newer_format_is_not_told_an_older_one_again() -> None:
    """The answer was on its way when it looked for itself."""
    world = host()
    world.deliver(child_start())
    world.go_on()
    world.engine.format_written(2)
    world.deliver(signal("s1"))
    world.deliver(command(wire.StartWorkflow(workflow_id="v", workflow_type="order"), "start-v"))
    world.go_on()

    assert formats(world) == [3, 3]
