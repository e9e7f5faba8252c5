"""Children and their parents over the wire: each is told once, whatever comes twice, and in order."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno.actors.workflow_actor.children.child import ChildWorkflowSpec
from dalsegno.actors.workflow_actor.children.events import ChildClosed
from dalsegno.actors.workflow_actor.children.intents import StartChild
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.run.events import RunStarted
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker import topology
from dalsegno.broker.port import Message, Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.between_workflows import WorkflowAnswered, WorkflowEnded
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.broker.protocol.ids import effect_message_id
from dalsegno.policies import WorkflowStatus
from dalsegno.priority import at_level
from dalsegno.search_attributes import AttributeValue, SearchAttributeIndexedValueType
from tests.partition_ids import FIRST
from tests.supervisor.mail import signal, start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import DONE, SECOND, T0, ScriptedCode, Step, payload, timer

PARENT = wire.RequestOf(workflow_id="parent", run_id="run-of-parent", number=7)
MARKER = 1
"""The tag of what a host sends itself first."""


def child(number: int = 1, policy: Any = "terminate") -> StartChild:
    spec = ChildWorkflowSpec(f"child-{number}", "Shipment", "default", (payload(),))
    return StartChild(number=number, spec=spec, close_policy=policy)


def host(*steps: Step, after: ScriptedWorld | None = None, live: bool = True) -> ScriptedWorld:
    world = ScriptedWorld(ScriptedCode(steps))
    world.engine.format_written(CODEC.newest)
    if after is not None:
        world.database = after.database
    world.own(epoch=1 if after is None else 2, live=live)
    return world


def bodies(world: ScriptedWorld, kind: type[wire.WireMessage]) -> list[Any]:
    return [decode(outgoing.message) for outgoing in world.published_of(kind)]


def events(world: ScriptedWorld, workflow_id: str = "w") -> list[Any]:
    rows = world.database.rows[workflow_id].journal
    return [event for row in rows for event in CODEC.decode_record(row.events).events]


# --- the parent ------------------------------------------------------------------------------------------


def parent(*steps: Step, confirm: bool = True) -> ScriptedWorld:
    world = host(*steps)
    world.deliver(start())
    world.go_on(confirm=confirm)
    return world


def test_where_its_start_is_left_to_another_host_a_child_is_not_stopped_before_it() -> None:
    world = parent([child()], confirm=False)
    run_id = world.database.rows["w"].run_id
    world.deliver(terminate("t"))
    world.go_on(confirm=False)
    begins, stops = (effect_message_id(run_id, sequence, 0) for sequence in (1, 2))
    assert world.engine.outbox.in_flight_of({begins, stops}) == {begins, stops}
    world.engine.all_leases_lost()
    world.published.clear()

    assert world.engine.effect_again((FIRST, "w", run_id, (1, 0))) is None
    assert world.engine.outbox.in_flight_of({begins, stops}) == set()
    assert bodies(world, wire.TerminateWorkflow) == [], "whoever has the parent says it, after its start"


def to_parent(world: ScriptedWorld, **more: Any) -> Message:
    run_id = world.database.rows["w"].run_id
    if "status" in more:
        told: wire.WireMessage = WorkflowEnded(
            workflow_id="w", run_id=run_id, ended_workflow_id="child-1", ended_run_id="run-of-child", **more
        )
    else:
        told = WorkflowAnswered(workflow_id="w", run_id=run_id, by_run_id="run-of-child", asked="start", **more)
    return encode(told, message_id="told")


def test_the_start_of_a_child_says_all_that_was_said_of_it() -> None:
    found = AttributeValue(SearchAttributeIndexedValueType.KEYWORD, "north")
    spec = ChildWorkflowSpec(
        "child-1",
        "Shipment",
        at_level("default", 2),
        run_timeout=5,
        retry=RetrySchedule(maximum_attempts=3),
        delay=6,
        search_attributes={"Warehouse": found},
    )
    world = parent([StartChild(number=1, spec=spec, close_policy="terminate")], confirm=False)
    (body,) = bodies(world, wire.StartWorkflow)
    assert (body.run_timeout, body.start_delay, body.search_attributes) == (5, 6, {"Warehouse": found})
    assert (body.task_queue, body.priority) == ("default", 2)
    assert body.retry_policy == wire.WorkflowRetries(
        initial_interval=1_000_000,
        backoff_coefficient=2.0,
        maximum_interval=100_000_000,
        maximum_attempts=3,
        non_retryable_error_types=(),
    )


def test_a_child_is_started_at_its_own_slot_and_knows_its_parent() -> None:
    world = parent([child()], confirm=False)
    (outgoing,) = world.published_of(wire.StartWorkflow)
    key = topology.routing_key_of("child-1")
    assert (outgoing.exchange, outgoing.routing_key) == (topology.COMMANDS_EXCHANGE, key)
    (body,) = bodies(world, wire.StartWorkflow)
    run_id = world.database.rows["w"].run_id
    assert body.parent == wire.RequestOf(workflow_id="w", run_id=run_id, number=1)
    assert body.root == wire.RootRun(workflow_id="w", run_id=run_id)


def test_its_end_is_recorded_once_however_often_it_is_told() -> None:
    world = parent([child()])
    for tag in range(3):
        world.deliver(to_parent(world, number=1, status=WorkflowStatus.COMPLETED, result=payload()))
        world.go_on()
        assert world.acknowledged() == MARKER + 2 + tag
    assert [type(event) for event in events(world)].count(ChildClosed) == 1


def test_its_beginning_that_is_told_after_its_end_is_nothing() -> None:
    world = parent([child()])
    world.deliver(to_parent(world, number=1, status=WorkflowStatus.COMPLETED, result=payload()))
    world.deliver(to_parent(world, number=1))
    world.go_on()
    assert world.acknowledged() == MARKER + 3


@pytest.mark.parametrize("more", [{"number": 1}, {"number": 1, "status": WorkflowStatus.COMPLETED}])
def test_what_is_told_to_a_parent_that_has_ended_is_nothing(more: dict[str, Any]) -> None:
    world = parent([child()])
    world.deliver(terminate("t"))
    world.go_on()
    world.deliver(to_parent(world, **more))
    world.go_on()
    assert world.acknowledged() == MARKER + 3
    (settled,) = world.database.rows["w"].journal[-1:]
    assert settled.cause == "settle", "what it has told the child once more is forgotten"


def test_a_child_whose_start_has_not_left_yet_is_stopped_behind_it() -> None:
    world = parent([child()], confirm=False)
    (first,) = world.published_of(wire.StartWorkflow)
    world.answer(first, Outcome.REFUSED)
    world.deliver(terminate("t"))
    world.go_on(confirm=False)
    assert bodies(world, wire.TerminateWorkflow) == []
    world.live_through(3, confirm=False)
    (again,) = world.published_of(wire.StartWorkflow)
    assert again.message == first.message
    world.answer(again)
    (stop,) = bodies(world, wire.TerminateWorkflow)
    assert (stop.workflow_id, stop.child_of.number, stop.answer_to) == ("child-1", 1, None)


def test_the_child_of_the_next_run_is_started_behind_the_stop_of_the_one_before() -> None:
    world = parent([child()], [ContinueAsNew(args=())])
    world.deliver(signal("s"))
    world.go_on(confirm=False)
    (stop,) = world.published_of(wire.TerminateWorkflow)
    world.answer(stop, Outcome.REFUSED)
    world.live_through(3, confirm=False)
    assert bodies(world, wire.StartWorkflow) == []
    (again,) = world.published_of(wire.TerminateWorkflow)
    assert again.message == stop.message
    world.answer(again)
    (start_of_next,) = bodies(world, wire.StartWorkflow)
    assert (start_of_next.workflow_id, start_of_next.parent.number) == ("child-1", 1)
    assert start_of_next.parent.run_id == world.database.rows["w"].run_id


@pytest.mark.parametrize("ends", ["by a message", "by a wake-up"])
def test_a_child_whose_start_died_with_its_host_is_stopped_behind_it(ends: str) -> None:
    """What a wake-up made no message sends again."""
    steps: list[Step] = [[timer(1, T0 + 5 * SECOND)], [child(), timer(2, T0 + 8 * SECOND)], [DONE]]
    before = parent(*steps)
    before.live_through(6, confirm=False)
    (first,) = before.published_of(wire.StartWorkflow)

    after = host(*steps, after=before, live=ends == "by a wake-up")
    after.time = before.time + (10 if ends == "by a wake-up" else 0)
    if ends == "by a message":
        after.deliver(terminate("t"))
    after.live_through(1, confirm=False)

    assert after.status().closed
    (again,) = after.published_of(wire.StartWorkflow)
    assert again.message.message_id == first.message.message_id
    assert bodies(after, wire.TerminateWorkflow) == []
    after.answer(again)
    (stop,) = bodies(after, wire.TerminateWorkflow)
    assert stop.workflow_id == "child-1"


@pytest.mark.parametrize(
    ("policy", "kinds"),
    [("terminate", [wire.TerminateWorkflow]), ("request_cancel", [wire.CancelWorkflow]), ("abandon", [])],
)
@pytest.mark.parametrize("how", ["completed", "terminated"])
def test_each_child_that_is_open_is_told_that_its_parent_has_ended(
    policy: str, kinds: list[Any], how: str
) -> None:
    world = parent([child(1, policy), child(2, policy)], [], [DONE])
    world.deliver(to_parent(world, number=2, status=WorkflowStatus.COMPLETED, result=payload()))
    world.go_on()
    world.deliver(terminate("t") if how == "terminated" else signal("s"))
    world.go_on(confirm=False)
    stops = [body for kind in (wire.TerminateWorkflow, wire.CancelWorkflow) for body in bodies(world, kind)]
    assert [(type(body), body.workflow_id) for body in stops] == [(kind, "child-1") for kind in kinds]


# --- the child -------------------------------------------------------------------------------------------


def child_start(message_id: str = "start-of-child") -> Message:
    body = wire.StartWorkflow(workflow_id="w", workflow_type="order", parent=PARENT)
    return encode(body, message_id=message_id)


def test_a_child_says_that_it_has_begun_and_how_it_has_ended_in_order() -> None:
    world = host([], [DONE])
    world.deliver(child_start())
    world.go_on(confirm=False)
    world.deliver(signal("s"))
    world.go_on(confirm=False)
    (began,) = world.published_of(WorkflowAnswered)
    assert world.published_of(WorkflowEnded) == []
    body = decode(began.message)
    assert isinstance(body, WorkflowAnswered)
    assert (body.workflow_id, body.run_id, body.number, body.error) == ("parent", "run-of-parent", 7, None)
    assert body.by_run_id == world.database.rows["w"].run_id
    world.answer(began)
    (ended,) = bodies(world, WorkflowEnded)
    assert (ended.number, ended.status) == (7, WorkflowStatus.COMPLETED)


def test_of_a_child_that_ends_as_it_begins_only_the_end_is_told_also_when_its_start_comes_again() -> None:
    before = host([DONE])
    before.deliver(child_start())
    before.go_on(confirm=False)
    (first,) = before.published_of(WorkflowEnded)
    after = host([], after=before)
    tag = after.deliver(child_start(), redelivered=True)
    after.go_on(confirm=False)
    (again,) = after.published_of(WorkflowEnded)
    assert again.message == first.message
    assert before.published_of(WorkflowAnswered) == after.published_of(WorkflowAnswered) == []
    after.answer(again)
    after.go_on()
    assert after.acknowledged() == tag


def test_a_child_that_goes_on_as_a_new_run_at_once_says_that_it_has_begun() -> None:
    world = host([ContinueAsNew(args=())], [])
    world.deliver(child_start())
    world.go_on(confirm=False)
    (began,) = bodies(world, WorkflowAnswered)
    assert (began.number, began.error) == (7, None)
    assert bodies(world, WorkflowEnded) == []


def test_a_start_that_comes_again_is_answered_as_it_was_with_the_same_id() -> None:
    before = host([])
    before.deliver(child_start())
    before.go_on(confirm=False)
    (first,) = before.published_of(WorkflowAnswered)
    after = host([], after=before)
    after.deliver(child_start(), redelivered=True)
    after.go_on(confirm=False)
    (again,) = after.published_of(WorkflowAnswered)
    assert again.message == first.message
    assert [type(event) for event in events(after)].count(RunStarted) == 1


def test_a_child_whose_id_is_taken_is_refused_each_time_that_it_comes() -> None:
    world = host([])
    world.deliver(start())
    world.go_on()
    for _ in range(2):
        world.deliver(child_start())
        world.go_on(confirm=False)
        body = bodies(world, WorkflowAnswered)[-1]
        assert (body.error.code, body.number) == ("already_started", 7)
        world.go_on()


@pytest.mark.parametrize("kind", [wire.TerminateWorkflow, wire.CancelWorkflow, wire.SignalWorkflow])
def test_what_is_for_a_child_is_not_done_to_a_stranger(kind: Any) -> None:
    world = host([])
    world.deliver(start())
    world.go_on()
    before = world.database.rows["w"].sequence
    named = {"name": "go"} if kind is wire.SignalWorkflow else {}
    world.deliver(encode(kind(workflow_id="w", child_of=PARENT, answer_to=PARENT, **named), message_id="m"))
    world.go_on(confirm=False)
    (body,) = bodies(world, WorkflowAnswered)
    assert body.error.code == "not_found"
    assert world.database.rows["w"].sequence == before


@pytest.mark.usefixtures("quiet")
def test_what_the_parent_of_a_child_says_to_one_that_cannot_be_read_waits_until_it_is_known_whose_it_is() -> (
    None
):
    world = host([])
    world.deliver(start())
    world.go_on()
    world.live_through(15)
    world.database.unreadable.add("w")
    parent = wire.RequestOf(workflow_id="parent", run_id="r", number=1)
    stop = wire.TerminateWorkflow(workflow_id="w", child_of=parent)
    tag = world.deliver(encode(stop, message_id="of the parent"))
    world.go_on()
    assert world.acknowledged() == tag
    assert world.status() is WorkflowStatus.SUSPENDED

    world.database.unreadable.clear()
    world.live_through(30)

    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.mail == {}


# --- who is no parent ------------------------------------------------------------------------------------


def await_end(message_id: str = "await") -> Message:
    return encode(wire.AwaitEndOfWorkflow(workflow_id="w", answer_to=PARENT), message_id=message_id)


def test_who_waits_for_a_workflow_is_told_its_end_once_however_often_it_asks() -> None:
    world = host([])
    world.deliver(start())
    for _ in range(2):
        world.deliver(await_end())
        world.go_on()
    world.deliver(terminate("t"))
    world.go_on(confirm=False)
    (body,) = bodies(world, WorkflowEnded)
    assert (body.workflow_id, body.number, body.status) == ("parent", 7, WorkflowStatus.TERMINATED)


def test_who_waits_for_one_that_has_ended_is_told_at_once() -> None:
    world = host([DONE])
    world.deliver(start())
    world.go_on()
    world.deliver(await_end())
    world.go_on(confirm=False)
    (body,) = bodies(world, WorkflowEnded)
    assert body.status is WorkflowStatus.COMPLETED


def test_who_waits_for_one_that_is_not_there_is_told_so() -> None:
    world = host()
    world.deliver(await_end())
    world.go_on(confirm=False)
    (body,) = bodies(world, WorkflowAnswered)
    assert (body.asked, body.error.code) == ("end", "not_found")


def test_a_signal_of_another_workflow_is_answered_each_time_and_taken_once() -> None:
    world = host([])
    world.deliver(start())
    world.go_on()
    message = encode(
        wire.SignalWorkflow(workflow_id="w", name="go", answer_to=PARENT), message_id="signal of another"
    )
    for _ in range(2):
        world.deliver(message)
        world.go_on(confirm=False)
        assert bodies(world, WorkflowAnswered)[-1].error is None
        world.go_on()
    assert [type(event).__name__ for event in events(world)].count("SignalReceived") == 1
