"""While the broker takes nothing, a host begins nothing beyond what may be on its way out; what it has not
begun waits at the broker, in the end."""

from __future__ import annotations

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.broker.held_bytes import HELD_BYTES_MIN
from dalsegno.broker.port import Message, Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import start, task_in
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity

SIZE = 400_000
WORKFLOWS = 12
FULL = -(-HELD_BYTES_MIN // SIZE)
"""So many tasks are as much as may be on its way."""


def start_of(number: int) -> Message:
    return start(f"start {number}", f"w{number}", args=())


def world_of_large_tasks() -> ScriptedWorld:
    """A small start leads to a large task."""
    argument = Payload("binary/plain", bytes(SIZE))
    code = ScriptedCode(lambda index, _: [activity(1, args=(argument,))] if index == 0 else ())
    settings = HostSettings(held_bytes=HELD_BYTES_MIN, round_activations=1)
    world = ScriptedWorld(code, settings=settings)
    world.own()
    for number in range(WORKFLOWS):
        world.deliver(start_of(number))
    return world


def test_no_more_is_begun_while_so_much_is_not_confirmed_and_all_is_when_it_is() -> None:
    world = world_of_large_tasks()
    world.go_on(confirm=False)
    world.pass_time(100.0)
    world.go_on(confirm=False)
    assert len(world.published_of(wire.ActivityTask)) == FULL
    assert len(world.database.rows) == FULL
    assert world.engine.outbox.weight.bytes < HELD_BYTES_MIN + SIZE + 10_000
    world.go_on()
    assert len(world.database.rows) == WORKFLOWS
    assert world.engine.outbox.weight.bytes == 0
    assert world.acknowledged() == WORKFLOWS + 1


def test_a_queue_that_takes_nothing_keeps_no_other_work_from_beginning() -> None:
    """Nothing else is on its way, so that it is the host's own markers that tell it."""
    world = world_of_large_tasks()
    for _ in range(3 * WORKFLOWS):
        world.go_on(confirm=False)
        for outgoing in world.published_of(wire.ActivityTask):
            world.answer(outgoing, Outcome.REFUSED)
        world.pass_time(2.0)
        world.engine.outbox.taken_beside(0.1)
        world.confirm_all_but(wire.ActivityTask)
    assert len(world.database.rows) == WORKFLOWS
    assert world.acknowledged() == WORKFLOWS + 1, "what was parked holds up no message"
    tasks = {task_in(outgoing).workflow_id for outgoing in world.published_of(wire.ActivityTask)}
    world.live_through(60.0)
    assert tasks <= set(world.database.rows)
    assert {row.status for row in world.database.rows.values()} == {WorkflowStatus.RUNNING}


def test_bodies_of_tasks_whose_queue_takes_nothing_are_held_by_their_workflows_alone() -> None:
    """What may be parked has no bound, so that another copy of it would have none either."""
    world = world_of_large_tasks()
    outbox = world.engine.outbox
    for _ in range(3 * WORKFLOWS):
        world.go_on(confirm=False)
        for outgoing in world.published_of(wire.ActivityTask):
            world.answer(outgoing, Outcome.REFUSED)
        world.pass_time(2.0)
        outbox.taken_beside(0.1)
        world.confirm_all_but(wire.ActivityTask)
    sent = {message.message_id: message for message in world.sent if message.type == wire.ActivityTask.TYPE}
    assert len(sent) == WORKFLOWS
    while refused := world.published_of(wire.ActivityTask):
        for outgoing in refused:
            world.answer(outgoing, Outcome.REFUSED)
    outbox.taken_beside(0.1)
    outbox.park_overdue()
    assert len(outbox) >= WORKFLOWS
    assert sum(len(shipment.message.body) for shipment in outbox._in_flight.values()) < SIZE
    world.sent.clear()
    world.live_through(30.0)
    again = {message.message_id: message for message in world.sent if message.type == wire.ActivityTask.TYPE}
    assert again == sent
    assert len(outbox) == 0


def test_what_is_parked_goes_to_the_next_owner_with_its_partition() -> None:
    world = world_of_large_tasks()
    for _ in range(3 * WORKFLOWS):
        world.go_on(confirm=False)
        for outgoing in world.published_of(wire.ActivityTask):
            world.answer(outgoing, Outcome.REFUSED)
        world.pass_time(2.0)
        world.engine.outbox.taken_beside(0.1)
        world.confirm_all_but(wire.ActivityTask)
    while refused := world.published_of(wire.ActivityTask):
        for outgoing in refused:
            world.answer(outgoing, Outcome.REFUSED)
    world.engine.outbox.taken_beside(0.1)
    world.engine.outbox.park_overdue()
    world.engine.lease_lost(FIRST)
    world.pass_time(10.0)
    assert world.published_of(wire.ActivityTask) == []
    assert len(world.engine.outbox) == 0
    world.own(epoch=2)
    world.sent.clear()
    world.live_through(30.0)
    assert len({m.message_id for m in world.sent if m.type == wire.ActivityTask.TYPE}) == WORKFLOWS
