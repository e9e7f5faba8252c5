"""What the database says late, when the partition has been another host's meanwhile."""

from __future__ import annotations

from functools import partial

from tests.partition_ids import FIRST
from tests.supervisor.mail import query, signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, payload, timer

LATER = 2**52


def test_what_was_read_before_another_host_had_the_partition_is_not_taken_for_what_is_stored_now() -> None:
    code = ScriptedCode([[timer(1, LATER)]])
    world = ScriptedWorld(code)
    world.own()
    world.deliver(start())
    world.go_on()
    take = world.engine.while_owned(FIRST, partial(world.engine.loaded, FIRST))
    old = world.database.load("w")

    world.lose_channel()
    world.engine.lease_lost(FIRST)
    other = ScriptedWorld(code)
    other.database = world.database
    other.own(epoch=2)
    other.deliver(signal("s"))
    other.go_on()
    world.own(epoch=3)
    told = len(world.replies())
    world.deliver(query("q"))
    world.run()
    take([old])
    world.run()
    assert len(world.replies()) == told

    world.go_on()
    assert world.replies()[-1].result == payload('["q", 2]')


def test_an_answer_is_taken_while_the_partition_is_ours_and_not_after() -> None:
    world = ScriptedWorld(ScriptedCode([]))
    world.own()
    taken: list[str] = []
    take = world.engine.while_owned(FIRST, taken.append)
    take("ours")
    world.engine.lease_lost(FIRST)
    take("nobody's")
    world.own(epoch=2)
    take("ours again")
    assert taken == ["ours"]
