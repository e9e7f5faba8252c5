"""Hosts that are killed while an activity waits for a person, or right when that has spoken: nothing of it is
lost, and nothing happens twice."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.policies import WorkflowStatus
from tests.default_converter import to_payload
from tests.supervisor.mail import command, completed, start, task_in
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.incidents.shop import BROKEN, Order

pytestmark = pytest.mark.usefixtures("quiet")

CODE = WorkflowRegistry([(Order, None)])


def host(before: ScriptedWorld | None = None) -> ScriptedWorld:
    """Another, that knows what `before` has committed, and nothing else of it."""
    world = ScriptedWorld(CODE)
    if before is not None:
        world.database, world.time = before.database, before.time
    world.database.format_written = CODEC.newest
    world.engine.format_written(CODEC.newest)
    world.own(epoch=1 if before is None else 2)
    return world


def tasks(world: ScriptedWorld) -> list[wire.ActivityTask]:
    return [task_in(sent) for sent in world.published_of(wire.ActivityTask)]


def failed(task: wire.ActivityTask) -> Message:
    body = wire.ActivityFailed(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        failure=BROKEN,
    )
    return encode(body, message_id=f"failed {task.token.hex()}")


def resolve(action: wire.IncidentAction, result: object = None) -> Message:
    given = to_payload(result) if action == "complete" else None
    return command(wire.ResolveIncident(workflow_id="w", number=1, action=action, result=given), f"m {action}")


def begun() -> tuple[ScriptedWorld, wire.ActivityTask]:
    world = host()
    world.deliver(start(args=(to_payload(30),)))
    world.go_on(confirm=False)
    (task,) = tasks(world)
    world.confirm_all()
    world.go_on()
    return world, task


def opened() -> tuple[ScriptedWorld, wire.ActivityTask]:
    world, task = begun()
    world.deliver(failed(task))
    world.go_on()
    return world, task


def told_of_incidents(world: ScriptedWorld) -> list[tuple[str, int, str | None]]:
    """Who was told, of which, and what."""
    answers = [(sent, decode(sent)) for sent in world.sent if sent.type == wire.Reply.TYPE]
    return [
        (str(sent.correlation_id), reply.incident, reply.reason)
        for sent, reply in answers
        if isinstance(reply, wire.Reply) and reply.incident is not None
    ]


def test_who_waits_for_the_result_is_told_of_an_incident_when_it_is_opened() -> None:
    world = host()
    world.deliver(start(args=(to_payload(30),), replies=("accepted", "result"), tell_suspended=True))
    world.deliver(command(wire.AwaitResult(workflow_id="w", tell_suspended=True), "asks"))
    world.deliver(command(wire.AwaitResult(workflow_id="w"), "asks for that alone"))
    world.go_on(confirm=False)
    (task,) = tasks(world)
    world.confirm_all()
    world.go_on()
    assert told_of_incidents(world) == []
    world.deliver(failed(task))
    world.go_on()

    told = told_of_incidents(world)
    assert [(who, number) for who, number, _ in told] == [("call start-1", 1), ("call asks", 1)]
    assert all("failed after 1 attempt" in (what or "") for _, _, what in told)


def test_who_asks_for_the_result_while_an_incident_is_open_is_told_at_once_and_of_the_end_later() -> None:
    world, _ = opened()
    world.deliver(command(wire.AwaitResult(workflow_id="w", tell_suspended=True), "asks"))
    world.go_on()
    ((who, number, what),) = told_of_incidents(world)
    assert (who, number) == ("call asks", 1)
    assert what is not None
    world.deliver(resolve("complete", 25))
    world.go_on()

    assert len(told_of_incidents(world)) == 1
    assert [reply.status for reply in world.replies() if reply.kind == "result"] == [WorkflowStatus.COMPLETED]


def incidents_in(world: ScriptedWorld) -> list[int]:
    world.deliver(command(wire.DescribeWorkflow(workflow_id="w"), f"describe {len(world.sent)}"))
    world.go_on()
    (described,) = [reply.description for reply in world.replies()[-1:]]
    assert described is not None
    return [one.number for one in described.incidents]


def answers(world: ScriptedWorld) -> list[tuple[str | None, str | None]]:
    return [(reply.kind, reply.error and reply.error.code) for reply in world.replies()]


def test_one_that_a_host_has_committed_and_not_acknowledged_is_there_once() -> None:
    world, task = begun()
    world.deliver(failed(task))
    world.loaded()
    world.committed()
    other = host(world)
    tag = other.deliver(failed(task), redelivered=True)
    other.go_on()
    assert other.acknowledged() == tag
    assert incidents_in(other) == [1]


def test_it_is_open_still_when_its_host_was_killed_and_is_logged_once() -> None:
    with capture_logs() as logs:
        world, _ = opened()
        other = host(world)
        other.live_through(60)
        assert incidents_in(other) == [1]
    (told,) = [entry for entry in logs if entry["event"] == "incident_opened"]
    assert (told["log_level"], told["workflow_id"], told["incident"]) == ("warning", "w", 1)
    assert told["reason"] == "activity charge failed after 1 attempt: no such card"


def test_one_whose_retry_is_committed_when_its_host_is_killed_is_tried_again_once() -> None:
    world, _ = opened()
    world.deliver(resolve("retry"))
    world.loaded()
    world.committed()  # its task has not left
    other = host(world)
    tag = other.deliver(resolve("retry"), redelivered=True)
    other.go_on(confirm=False)
    (task,) = tasks(other)
    other.confirm_all()
    other.go_on()
    assert other.acknowledged() == tag
    other.deliver(completed(task))
    other.go_on()
    assert other.status() is WorkflowStatus.COMPLETED


def test_one_whose_retry_is_not_committed_when_its_host_is_killed_is_open_until_that_comes_again() -> None:
    world, _ = opened()
    world.deliver(resolve("retry"))
    world.loaded()
    world.rounds.clear()  # killed meanwhile
    other = host(world)
    assert incidents_in(other) == [1]
    other.deliver(resolve("retry"), redelivered=True)
    other.go_on(confirm=False)
    assert len(tasks(other)) == 1


def test_one_that_is_completed_when_its_host_is_killed_is_completed_once() -> None:
    world, _ = opened()
    world.deliver(resolve("complete", 25))
    world.loaded()
    world.committed()
    other = host(world)
    tag = other.deliver(resolve("complete", 25), redelivered=True)
    other.go_on()
    assert other.acknowledged() == tag
    assert other.status() is WorkflowStatus.COMPLETED
    assert answers(other)[-1] == ("answer", None)
