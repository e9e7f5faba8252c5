"""How a run has ended is told to a run of another workflow as durably as a task is handed out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.deliveries.intake import Forward, ForWorkflow, Intake
from dalsegno.actors.supervisor.outbox.slow_shipments import PARK_AFTER_SECONDS
from dalsegno.actors.workflow_actor.interface.commands import OtherEnded
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.actors.workflow_actor.run.events import RunStarted
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Message, Outcome, Outgoing
from dalsegno.broker.protocol.between_workflows import WorkflowEnded
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import nth
from tests.supervisor.mail import start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, timer

PARENT = WorkflowOf("parent", "run-of-parent", 7)
LATER = 2**52
MARKER = 1
"""The tag of what a host sends itself first."""


def host(after: ScriptedWorld | None = None) -> ScriptedWorld:
    world = ScriptedWorld(ScriptedCode([[timer(1, LATER)], [], []]))
    world.engine.format_written(CODEC.newest)
    if after is not None:
        world.database = after.database
    world.own(epoch=1 if after is None else 2)
    return world


def awaited(by: Sequence[WorkflowOf] = (PARENT,)) -> ScriptedWorld:
    """A host with a run that a client has started, and that another workflow waits for, too."""
    world = host()
    world.deliver(start(replies=("accepted", "result")))
    world.go_on()
    row = world.database.rows["w"]
    (first,) = row.journal
    record = CODEC.decode_record(first.events)
    started = record.events[0]
    assert isinstance(started, RunStarted)
    recipients = (*started.recipients, *by)
    changed = replace(record, events=(replace(started, recipients=recipients), *record.events[1:]))
    stored = replace(first, events=CODEC.encode_record(changed))
    world.database.rows["w"] = replace(row, journal=(stored,))
    return host(after=world)


def told(world: ScriptedWorld) -> list[Outgoing]:
    return world.published_of(WorkflowEnded)


def ended(world: ScriptedWorld) -> Outgoing:
    world.deliver(terminate("t1"))
    world.go_on(confirm=False)
    (outgoing,) = told(world)
    return outgoing


def test_it_is_published_for_the_workflow_s_slot_among_the_results() -> None:
    world = awaited()
    outgoing = ended(world)
    assert (outgoing.exchange, outgoing.routing_key) == ("dalsegno.results", topology.routing_key_of("parent"))
    body = decode(outgoing.message)
    assert isinstance(body, WorkflowEnded)
    assert (body.workflow_id, body.run_id, body.number) == ("parent", "run-of-parent", 7)
    assert (body.ended_workflow_id, body.status) == ("w", WorkflowStatus.TERMINATED)
    assert body.ended_run_id == world.database.rows["w"].run_id
    assert body.failure is not None


def test_the_client_is_told_beside_it() -> None:
    world = awaited()
    ended(world)
    assert [reply.kind for reply in world.replies()] == ["answer", "result"]


def test_its_cause_stays_until_it_is_confirmed() -> None:
    world = awaited()
    outgoing = ended(world)
    for other in [other for other in world.published if other is not outgoing]:
        world.answer(other)
    assert world.acknowledged() == MARKER
    world.answer(outgoing)
    world.go_on()
    assert world.acknowledged() == MARKER + 1


def test_it_is_sent_again_with_its_id_when_the_host_died_before_it_was_confirmed() -> None:
    before = awaited()
    first = ended(before)
    after = host(after=before)
    after.deliver(terminate("t1"), redelivered=True)
    after.go_on(confirm=False)
    (again,) = told(after)
    assert again.message == first.message


def test_it_is_not_dropped_when_nothing_takes_it() -> None:
    """A client's reply is: its queue is gone for good. A partition's comes back."""
    world = awaited()
    outgoing = ended(world)
    world.answer(outgoing, Outcome.RETURNED)
    world.pass_time(PARK_AFTER_SECONDS / 2)
    (again,) = told(world)
    assert again.message == outgoing.message
    world.answer(again)
    world.go_on()
    assert world.acknowledged() == MARKER + 1


def test_what_is_told_to_one_workflow_keeps_its_order_and_others_do_not_wait_for_it() -> None:
    world = awaited([PARENT, replace(PARENT, number=8), WorkflowOf("another", "its-run", 1)])
    world.deliver(terminate("t1"))
    world.go_on(confirm=False)
    first, other = told(world)
    assert [_number(first), _number(other)] == [("parent", 7), ("another", 1)]
    world.answer(first, Outcome.REFUSED)
    world.answer(other)
    world.pass_time(PARK_AFTER_SECONDS / 2)
    (again,) = told(world)
    assert again.message == first.message
    world.answer(again)
    (second,) = told(world)
    assert _number(second) == ("parent", 8)
    world.answer(second)
    world.go_on()
    assert world.acknowledged() == MARKER + 1


def test_a_new_host_sends_both_in_their_order() -> None:
    before = awaited([PARENT, replace(PARENT, number=8)])
    ended(before)
    after = host(after=before)
    after.deliver(terminate("t1"), redelivered=True)
    after.go_on(confirm=False)
    (first,) = told(after)
    assert _number(first) == ("parent", 7)
    after.answer(first)
    (second,) = told(after)
    assert _number(second) == ("parent", 8)


def _number(outgoing: Outgoing) -> tuple[str, int]:
    body = decode(outgoing.message)
    assert isinstance(body, WorkflowEnded)
    return body.workflow_id, body.number


def message_to_parent() -> Message:
    body = WorkflowEnded(
        workflow_id="parent",
        run_id="run-of-parent",
        number=7,
        ended_workflow_id="w",
        ended_run_id="r",
        status=WorkflowStatus.COMPLETED,
    )
    return encode(body, message_id="m")


@pytest.mark.parametrize("is_own", [True, False])
def test_it_is_told_where_it_belongs_and_forwarded_elsewhere(is_own: bool) -> None:
    slot = topology.slot_of("parent")
    partition = slot % 4 if is_own else (slot + 1) % 4
    taken = Intake(nth(partition), 4).take(Delivery(message_to_parent(), 1, False, "", ""))
    if is_own:
        assert isinstance(taken, ForWorkflow)
        assert isinstance(taken.cause.command, OtherEnded)
    else:
        assert taken == Forward(topology.RESULTS_EXCHANGE, topology.routing_key_of("parent"), "parent")
