"""What is noted of effects that no message holds is bounded by how many are outstanding, not by how many
ever were."""

from __future__ import annotations

from collections import deque

import pytest

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.sends import TaskEffect
from dalsegno.actors.workflow_actor.interface.commands import Park
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.outstanding.unheld import SLACK
from dalsegno.actors.workflow_actor.run.inputs import Input
from dalsegno.actors.workflow_actor.signals.commands import Signal
from tests.workflow_actor.rig import SECOND, Rig, ScriptedCode, activity, completed, task, task_id

ROUNDS = 3 * SLACK


@pytest.mark.parametrize("is_parked", [True, False], ids=["one is parked all the time", "none is parked"])
@pytest.mark.parametrize("at_once", [1, 2], ids=["one after the other", "one before the other is confirmed"])
def test_notes_of_effects_that_are_confirmed_do_not_pile_up(is_parked: bool, at_once: int) -> None:
    def schedule(index: int, input_: Input) -> list[Intent]:
        return [] if isinstance(input_, ActivityResolved) else [activity(index + 1)]

    rig = Rig(ScriptedCode(schedule))
    parked = task_id(rig.start())
    waiting: deque[tuple[EffectID, TaskEffect]] = deque()
    for _ in range(ROUNDS):
        wanted = rig.send(Signal(name="another"), held=False, after=SECOND)
        waiting.append((task_id(wanted), task(wanted)))
        assert rig.instance.wake_at is not None
        rig.instance.has_unsent(lambda *_: True, rig.now)
        if len(waiting) == at_once:
            effect, sent = waiting.popleft()
            rig.instance.confirm("run-1", effect)
            rig.needs_settle()
            rig.send(completed(sent))
        if is_parked:
            rig.send(Park(effects=(parked,), retry_at=rig.now + 10 * SECOND), held=False)
    unheld = rig.instance.confirmations.unheld
    room = SLACK + 2 * (len(rig.state.outstanding) + 1)
    assert max(len(unheld.notes), len(unheld._unsent), len(unheld._unseen)) <= room
