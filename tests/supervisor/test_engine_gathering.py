"""While a round is written, the next is gathered of other instances; those in it wait, and come first."""

from __future__ import annotations

import pytest

from tests.partition_ids import FIRST
from tests.supervisor.mail import signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity

pytestmark = pytest.mark.usefixtures("quiet")


def writing_one() -> ScriptedWorld:
    """The start of `w` is being written."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.run()
    world.loaded()
    assert set(written(world)) == {"w"}
    return world


def written(world: ScriptedWorld) -> list[str]:
    """Who is in the round that the database was given last."""
    return [write.workflow_id for write in world.rounds[-1].instances]


def gathered(world: ScriptedWorld) -> set[str]:
    world.run()
    return set(world.engine.open_rounds.current.entries)


def test_while_a_round_is_written_others_are_decided_and_nothing_of_them_leaves() -> None:
    world = writing_one()
    world.deliver(start("start-2", workflow_id="other"))
    world.loaded()
    assert gathered(world) == {"other"}
    assert len(world.rounds) == 1, "one commit at a time"
    assert not world.published
    world.committed()
    assert written(world) == ["other"], "it was ready"
    assert not world.engine.open_rounds.current.entries


def test_an_instance_that_is_being_written_waits_and_comes_before_later_mail_of_others() -> None:
    world = writing_one()
    world.deliver(signal("s-1"))
    world.deliver(start("start-2", workflow_id="other"))
    world.deliver(signal("s-2"))
    world.loaded()
    assert gathered(world) == {"other"}
    world.committed()
    assert set(written(world)) == {"other", "w"}
    told = [row.cause for write in world.rounds[-1].instances for row in write.journal if "s-" in row.cause]
    assert [cause.partition("s-")[2] for cause in told] == ["1", "2"]


@pytest.mark.parametrize("though_done", [False, True])
def test_a_round_that_fails_takes_nothing_along_of_what_was_gathered_meanwhile(though_done: bool) -> None:
    world = writing_one()
    world.deliver(start("start-2", workflow_id="other"))
    before, last = world.acknowledged(), world.deliver(signal("s-1"))
    world.loaded()
    assert gathered(world) == {"other"}
    world.commit_fails(though_done=though_done)
    assert world.acknowledged() == before
    world.live_through(10)
    assert world.acknowledged() == last
    assert {name: len(row.journal) for name, row in world.database.rows.items()} == {"w": 2, "other": 1}


def test_what_was_gathered_for_a_lease_that_is_lost_meanwhile_is_void() -> None:
    world = writing_one()
    world.deliver(start("start-2", workflow_id="other"))
    world.deliver(signal("s-1"))
    world.loaded()
    assert gathered(world) == {"other"}
    world.engine.lease_lost(FIRST)
    world.committed()
    world.live_through(2)
    assert set(world.database.rows) == {"w"}, "which was on its way"
    assert len(world.database.rows["w"].journal) == 1
    assert not world.rounds


def test_no_more_is_gathered_than_a_round_may_have() -> None:
    world = writing_one()
    for number in range(250):
        world.deliver(start(f"start-{number + 2}", workflow_id=f"other-{number}"))
    world.loaded()
    assert len(gathered(world)) == world.engine.rounds._settings.round_activations
    world.go_on()
    assert len(world.database.rows) == 251
