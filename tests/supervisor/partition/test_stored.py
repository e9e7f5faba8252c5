"""What the store has must fit together before an instance is made of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.actors.workflow_actor.stored.codec import CorruptStateError
from tests.supervisor.mail import start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity


def test_a_journal_that_ends_before_its_instance_does_is_not_taken_for_the_whole() -> None:
    code = ScriptedCode([[activity(1)]])
    world = ScriptedWorld(code)
    world.own()
    world.deliver(start())
    world.go_on()
    row = world.database.rows["w"]
    assert instance_of(row, code, history_limit=10).sequence == row.sequence == 1
    with pytest.raises(CorruptStateError, match="instances has sequence 2, snapshot and journal end at 1"):
        instance_of(replace(row, sequence=2), code, history_limit=10)
