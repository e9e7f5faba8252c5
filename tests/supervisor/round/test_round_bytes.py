"""A round is bounded in bytes, too: what has gathered is committed before more is begun."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect
from dalsegno.broker.port import Message
from dalsegno.payload import Payload
from tests.partition_ids import FIRST
from tests.supervisor.mail import start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import CALLER, ScriptedCode

KB = 1000
LIMIT = 10 * KB


def world_of(limit: int = LIMIT) -> ScriptedWorld:
    world = ScriptedWorld(ScriptedCode([]), settings=HostSettings(round_bytes=limit))
    world.own()
    return world


def start_of(index: int, size: int) -> Message:
    argument = Payload("json/plain", b'"' + b"x" * (size - 2) + b'"')
    return start(f"start {index}", f"w{index}", args=(argument,))


@pytest.mark.parametrize(("size", "at_once"), [(4 * KB, 3), (100, 20), (50 * KB, 1)])
def test_a_round_gathers_until_it_has_its_bytes_and_one_large_activation_passes_alone(
    size: int, at_once: int
) -> None:
    world = world_of()
    for index in range(20):
        world.deliver(start_of(index, size))
    world.run()
    rounds = []
    while world.rounds:
        written = [row for instance in world.rounds[0].instances for row in instance.journal]
        rounds.append(len(written))
        assert sum(len(row.events) for row in written[:-1]) < LIMIT
        world.committed()
    assert sum(rounds) == 20
    assert rounds[0] == at_once


def test_answers_count_as_what_is_written_does() -> None:
    world = world_of()
    world.deliver(start_of(1, 100))
    world.run()
    (entry,) = world.engine.open_rounds.writing.entries.values() if world.engine.open_rounds.writing else ()
    gathered = world.engine.open_rounds.current
    answer = AnswerEffect(
        caller=CALLER, kind="answer", workflow_id="w1", run_id=None, status=None, result=Payload("b", bytes(KB))
    )
    gathered.add_effect(entry.actor, 0, Cause(WakeUp(), name="query"), answer)
    assert gathered.bytes == KB
    gathered.add_again(entry.actor, 0, Cause(WakeUp(), name="query"), [answer, answer])
    assert gathered.bytes == 3 * KB


def test_what_is_void_leaves_room_for_what_comes() -> None:
    """A round that is full of what is void would never be committed, and so would never be empty."""
    world = world_of()
    world.deliver(start_of(1, 5 * LIMIT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.engine.rounds, "_commit", lambda: None)
        world.run()
    assert world.engine.open_rounds.current.bytes > LIMIT
    world.engine.lease_lost(FIRST)
    assert world.engine.open_rounds.current.bytes == 0
    world.own(epoch=2)
    world.deliver(start_of(2, KB))
    world.run()
    assert [instance.workflow_id for instance in world.rounds[0].instances] == ["w2"]
