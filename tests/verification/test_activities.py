"""Activities whose ends verify has to know for sound ones."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.activities.commands import Resolve
from dalsegno.actors.workflow_actor.activities.intents import CancelActivity
from dalsegno.actors.workflow_actor.signals.commands import Signal
from tests.verification.stored import Stored, violations_of
from tests.workflow_actor.activities.test_outside import detached
from tests.workflow_actor.rig import DONE, Rig, ScriptedCode, activity, payload, task


def test_an_activity_that_goes_on_outside_may_end_after_its_cancellation() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [CancelActivity(number=1)], [], [DONE]]))
    stored = Stored(rig)
    sent = task(rig.start())
    rig.send(detached(sent))
    rig.send(Signal(name="cancel it"))
    assert 1 in rig.state.activities
    rig.send(Resolve(activity_id="1", token=sent.token, result=payload()))
    assert not rig.state.activities
    assert violations_of(stored.pages()) == []
