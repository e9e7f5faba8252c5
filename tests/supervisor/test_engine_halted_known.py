"""What comes again to an instance that cannot be run: it is answered as it was then, applied once, and what it
had caused and nobody has confirmed is still sent."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno.broker.protocol import messages as wire
from dalsegno.persistence.port import Loaded
from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import command, signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_engine_halted import begun, refusals, signals_in, unreadable
from tests.workflow_actor.rig import ScriptedCode, activity

pytestmark = pytest.mark.usefixtures("quiet")

SIGNAL = wire.SignalWorkflow.TYPE


def tasks_sent(world: ScriptedWorld) -> set[str | None]:
    return {message.message_id for message in world.sent if message.type == wire.ActivityTask.TYPE}


def test_a_signal_that_was_refused_once_is_refused_so_again_and_not_kept() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(signal("early"))
    world.go_on()
    assert refusals(world) == ["not_found"]
    world.deliver(start())
    world.go_on()
    unreadable(world)

    tag = world.deliver(signal("early"))
    world.go_on()

    assert world.acknowledged() == tag
    assert refusals(world) == ["not_found", "not_found"]
    assert world.database.mail == {}


def test_a_signal_that_was_applied_is_answered_and_kept_once_and_never_applied_again() -> None:
    world = begun()
    world.deliver(signal("s"))
    world.go_on()
    unreadable(world)

    tag = world.deliver(signal("s"))
    world.go_on()
    assert world.acknowledged() == tag
    assert refusals(world) == []
    assert len(world.database.mail) == 1

    world.database.unreadable.clear()
    world.live_through(30)
    assert signals_in(world) == ["s"]
    assert world.database.mail == {}


def test_what_a_command_had_caused_is_sent_though_its_instance_became_unreadable_when_it_came_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That it came before is found out by a commit; by then its task may never have left."""
    code = ScriptedCode([[], [activity(1)], [], []])
    world = ScriptedWorld(code)
    world.own()
    world.deliver(start())
    world.go_on()
    world.deliver(signal("s"))
    world.run()
    world.committed()
    database, world = world.database, ScriptedWorld(code)  # the host dies before it has sent anything
    world.database = database
    load = database.load

    def forgetful(workflow_id: str) -> Loaded:
        return replace(load(workflow_id), seen={})

    monkeypatch.setattr(database, "load", forgetful)
    world.own(epoch=2)
    tag = world.deliver(signal("s"), redelivered=True)
    world.run()
    world.loaded()
    database.unreadable.add("w")
    world.go_on()
    assert world.status() is WorkflowStatus.SUSPENDED
    assert world.acknowledged() == tag
    assert tasks_sent(world) == set()

    database.unreadable.clear()
    world.live_through(30)
    assert len(tasks_sent(world)) == 1
    assert signals_in(world) == ["s"]
    assert database.mail == {}


@pytest.mark.parametrize("kind", [wire.CancelWorkflow, wire.ResumeWorkflow, wire.SuspendWorkflow])
def test_every_command_that_is_kept_is_answered_as_it_was_then(kind: type[wire.CancelWorkflow]) -> None:
    world = begun()
    world.database.known["w"][kind.TYPE, "m"] = "closed"
    unreadable(world)
    tag = world.deliver(command(kind(workflow_id="w"), "m"))
    world.go_on()
    assert world.acknowledged() == tag
    assert refusals(world) == ["closed"]
    assert world.database.mail == {}


def test_one_that_came_before_keeps_no_other_of_its_round_from_being_kept_once() -> None:
    world = begun()
    world.database.known["w"][SIGNAL, "s1"] = "closed"
    unreadable(world)
    for number in range(3):
        tag = world.deliver(signal(f"s{number}"))
    world.go_on()
    assert world.acknowledged() == tag
    assert len(world.database.mail) == 2
    world.database.unreadable.clear()
    world.live_through(30)
    assert signals_in(world) == ["s0", "s2"]
