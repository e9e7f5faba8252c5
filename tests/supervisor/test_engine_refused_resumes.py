"""A resume that is refused changes nothing: it gives no handler another chance, and hurries nobody."""

from __future__ import annotations

import pytest

from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import command, signal, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_engine_halted import begun, unreadable
from tests.supervisor.test_engine_strikes_of_queries import RUN, STRUCK, ask, struck_world


def resume(message_id: str, run_id: str | None = None) -> Message:
    return command(wire.ResumeWorkflow(workflow_id="w", run_id=run_id), message_id)


def errors(world: ScriptedWorld) -> list[tuple[str, str]]:
    return [(reply.error.code, reply.error.message) for reply in world.replies() if reply.error is not None]


@pytest.mark.parametrize("in_memory", [True, False])
def test_strikes_of_a_query_stand_when_another_run_is_to_be_resumed(in_memory: bool) -> None:
    world = struck_world()
    if in_memory:
        world.deliver(signal("s"))
        world.go_on()
    world.deliver(resume("r", run_id="another"))
    world.deliver(ask("q", "q"))
    world.go_on()
    assert [code for code, _ in errors(world)] == ["not_found", "query_failed"]
    assert world.database.strikes == {RUN: STRUCK}


def test_strikes_of_a_query_stand_when_a_run_that_has_ended_is_to_be_resumed() -> None:
    world = struck_world()
    world.deliver(terminate("t"))
    world.deliver(resume("r"))
    world.deliver(ask("q", "q"))
    world.go_on()
    (closed, _), (failed, hint) = errors(world)
    assert (closed, failed) == ("closed", "query_failed")
    assert "workflow resume" not in hint, "that would be refused"
    assert world.database.strikes == {RUN: STRUCK}


def test_what_cannot_be_run_is_not_tried_sooner_by_a_resume_of_another_run() -> None:
    world = begun()
    unreadable(world)
    for number in range(8):
        world.deliver(signal(f"s{number}"))
        world.live_through(100)
    world.database.unreadable.clear()
    world.deliver(resume("r", run_id="another"))
    world.go_on()
    assert [code for code, _ in errors(world)] == ["not_found"]
    assert world.status() is WorkflowStatus.SUSPENDED
