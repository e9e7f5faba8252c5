"""Effects that cannot leave, of instances that cannot be run for a defect of ours."""

from __future__ import annotations

import pytest

from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity


@pytest.mark.parametrize("how", ["parked", "unsendable"])
def test_what_waits_for_an_effect_of_a_halted_instance_that_cannot_leave_holds_up_nobody(how: str) -> None:
    """It is kept with the mail, and sends the effect when the instance can be run."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    tag = world.deliver(start())
    world.go_on(confirm=False)
    world.declared()
    world.confirm_all_but(wire.ActivityTask)
    supervisor = world.engine.partitions[FIRST]
    effect = (FIRST, "w", world.database.rows["w"].run_id, (1, 0))
    supervisor.standing_in.halt(supervisor.actors.child("w"), [], "the test says so")
    world.go_on(confirm=False)
    assert world.acknowledged() < tag
    if how == "parked":
        world.engine.effect_parked(effect)
    else:
        world.engine.effect_unsendable(effect, "it is too large")
    world.go_on(confirm=False)
    world.confirm_all_but(wire.ActivityTask)
    assert world.acknowledged() == tag
    assert len(world.database.mail) == 1
    world.live_through(30)
    assert world.database.mail == {}
    assert world.status() is WorkflowStatus.RUNNING
    assert not [sent for sent in world.sent if "x-dalsegno-reason" in sent.headers]
