"""Updates that come again, to whom their run may be long over, or cannot be run: each is told what became of it
there, and of no other."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.policies import WorkflowIDConflictPolicy
from tests.default_converter import to_payload
from tests.supervisor.mail import command, start, terminate
from tests.supervisor.people.test_other_runs import CALLER, Asked
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_engine_halted import unreadable
from tests.workflow_actor.run.test_continue_as_new import Rounds
from tests.workflow_actor.updates.test_updates import Basket

pytestmark = pytest.mark.usefixtures("quiet")


def update(
    message_id: str, name: str, *args: str, update_id: str = "u-1", run_id: str | None = None
) -> Message:
    body = wire.UpdateWorkflow(
        workflow_id="w",
        name=name,
        args=tuple(map(to_payload, args)),
        update_id=update_id,
        run_id=run_id,
        wait_for="completed",
    )
    return command(body, message_id)


def world_of(workflow: type) -> ScriptedWorld:
    world = ScriptedWorld(WorkflowRegistry([(workflow, None)]))
    world.database.format_written = CODEC.newest
    world.engine.format_written(CODEC.newest)
    world.own()
    return world


def begun() -> ScriptedWorld:
    world = world_of(Basket)
    world.deliver(start())
    world.go_on()
    return world


def run_id_in(world: ScriptedWorld) -> str:
    return world.database.rows["w"].run_id


def another_begins(world: ScriptedWorld) -> None:
    """It takes the place of the first, and has an update by the same ID."""
    world.deliver(terminate("t"))
    world.deliver(start("start-2"))
    world.deliver(update("m-2", "fail"))
    world.go_on()


def test_one_that_comes_again_is_answered_by_the_run_that_took_it_and_not_by_the_next() -> None:
    world = begun()
    first = run_id_in(world)
    world.deliver(update("m", "add", "pen", run_id=first))
    world.go_on()
    another_begins(world)
    before = len(world.replies())

    tag = world.deliver(update("m", "add", "pen", run_id=first))
    world.go_on()

    assert [cause.command.run_id for _, cause in world.other_runs] == [first]  # type: ignore[union-attr]
    assert len(world.replies()) == before
    assert world.acknowledged() == tag


def test_one_that_comes_again_when_its_run_has_gone_on_as_another_is_answered_by_that_run() -> None:
    """Its sender has named none, and its first answer may have been lost."""
    world = world_of(Rounds)
    begin = wire.StartWorkflow(workflow_id="w", workflow_type="order", args=(to_payload(1),))
    world.deliver(command(begin, "start"))
    world.go_on()
    first = run_id_in(world)
    for message_id, name, argument in (("s-1", "hear", "pen"), ("s-2", "go_on", 1)):
        if name == "go_on":
            world.deliver(update("m", "say", "pen"))
        said = wire.SignalWorkflow(workflow_id="w", name=name, args=(to_payload(argument),))
        world.deliver(command(said, message_id))
        world.go_on()
    assert run_id_in(world) != first
    before = len(world.replies())

    tag = world.deliver(update("m", "say", "pen"))
    world.go_on()

    assert [cause.command.run_id for _, cause in world.other_runs] == [first]  # type: ignore[union-attr]
    assert len(world.replies()) == before
    assert world.acknowledged() == tag


async def test_one_that_comes_again_two_runs_later_is_looked_for_run_by_run() -> None:
    world = world_of(Rounds)
    begin = wire.StartWorkflow(workflow_id="w", workflow_type="order", args=(to_payload(1),))
    world.deliver(command(begin, "start"))
    world.deliver(update("m", "say", "pen"))
    runs, rows = [], []
    for message_id, name, argument in (("1", "hear", "pen"), ("2", "go_on", 1), ("3", "go_on", 1)):
        said = wire.SignalWorkflow(workflow_id="w", name=name, args=(to_payload(argument),))
        world.deliver(command(said, message_id))
        world.go_on()
        world.live_through(1)
        rows.append(world.database.load("w").instance)
        runs.append(run_id_in(world))
    assert len(set(runs)) == 3

    world.deliver(update("m", "say", "pen"))
    world.go_on()
    ((_, cause),) = world.other_runs
    assert cause.command.run_id == runs[1]  # type: ignore[union-attr]

    asked = Asked(Update(update_id="u-1", name="say", run_id=runs[1], caller=CALLER), rows[1], code=world.code)
    asked.cause.goes_back = cause.goes_back
    asked.other_runs.answer("w", asked.cause, asked.followed.append)
    for _ in range(10):
        await asyncio.sleep(0)
    assert [followed.command.run_id for followed in asked.followed] == [runs[0]]  # type: ignore[union-attr]


def await_update(message_id: str, run_id: str | None = None) -> Message:
    return command(wire.AwaitUpdate(workflow_id="w", run_id=run_id, update_id="u-1"), message_id)


def takes_the_place(world: ScriptedWorld) -> None:
    world.deliver(start("start-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))
    world.go_on()


def told(world: ScriptedWorld, correlation_id: str) -> list[Message]:
    return [message for message in world.sent if message.correlation_id == correlation_id]


def test_who_waits_for_an_update_of_a_run_that_another_takes_the_place_of_is_answered_by_that_run() -> None:
    """He has named none: the next run knows nothing of it, and would say that there is no such update."""
    world = begun()
    first = run_id_in(world)
    world.deliver(update("m", "order", "pen"))
    world.deliver(await_update("a"))
    world.go_on()
    takes_the_place(world)

    ((_, cause),) = world.other_runs
    assert isinstance(cause.command, AwaitOutcome)
    assert (cause.command.run_id, cause.command.update_id, cause.message_id) == (first, "u-1", "a")
    assert told(world, "call a") == []


def test_who_asks_after_that_is_told_that_there_is_no_such_update() -> None:
    world = begun()
    world.deliver(update("m", "order", "pen"))
    world.go_on()
    takes_the_place(world)
    world.deliver(await_update("a"))
    world.go_on()

    assert [reply.error.code for reply in world.replies() if reply.error] == ["not_found"]


def test_who_waits_for_an_update_of_a_run_that_was_ended_unread_is_told_so_when_he_asks_again() -> None:
    world = begun()
    world.deliver(update("m", "order", "pen"))
    world.go_on()
    unreadable(world)
    world.deliver(await_update("a"))
    world.go_on()
    takes_the_place(world)
    assert told(world, "call a") == []
    world.database.unreadable.clear()
    world.live_through(70)
    world.deliver(await_update("b"))
    world.go_on()

    (reply,) = map(decode, told(world, "call b"))
    assert isinstance(reply, wire.Reply)
    assert reply.error is not None
    assert reply.error.code == "not_found"


def test_who_waits_for_an_update_of_an_ended_run_that_cannot_be_read_is_refused() -> None:
    """How the run has ended is known; of its updates nothing is, and nothing more will be."""
    world = begun()
    world.deliver(update("m", "order", "pen"))
    world.deliver(terminate("t"))
    world.go_on()
    unreadable(world)
    world.deliver(await_update("a"))
    world.go_on()

    (reply,) = map(decode, told(world, "call a"))
    assert isinstance(reply, wire.Reply)
    assert reply.error is not None
    assert reply.error.code == "rejected"


def test_one_that_was_refused_and_comes_again_is_told_why_again() -> None:
    """Its first answer may have been lost."""
    world = begun()
    for _ in range(2):
        world.deliver(update("m", "add", ""))
        world.go_on()
    first, again = world.replies()[-2:]
    for told in (first, again):
        assert told.error is not None
        assert told.error.code == "update_rejected"
        assert "an item has a name" in told.error.message
        assert told.failure is not None
        assert told.failure.type == "Nameless"


def test_one_that_was_taken_before_its_run_could_not_be_run_any_more_is_on_record() -> None:
    world = begun()
    world.deliver(update("m", "wait"))
    world.go_on()
    unreadable(world)
    before = len(world.replies())

    tag = world.deliver(update("m", "wait"))
    world.go_on()

    (told,) = world.replies()[before:]
    assert (told.error, told.update_id, told.update_stage) == (None, "u-1", "admitted")
    assert world.acknowledged() == tag
    world.database.unreadable.clear()
    world.live_through(30)
    assert world.database.mail == {}
    assert [reply.update_stage for reply in world.replies()[before:]] == ["admitted", "accepted"]
