"""What a run that is over has told another workflow is told again once, not for ever: each of the two comes
back to memory for the other's word, and knows nothing of what was confirmed before."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.children.child import ChildWorkflowSpec
from dalsegno.actors.workflow_actor.children.intents import StartChild
from dalsegno.actors.workflow_actor.children.sends import StartChildEffect, StopChildEffect
from dalsegno.actors.workflow_actor.interface.commands import OtherEnded, Settle
from dalsegno.actors.workflow_actor.interface.effects import RunEndedEffect
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import DONE, Rig, ScriptedCode, effects, start

PARENT = WorkflowOf("parent", "run-of-parent", 1)


def ended_with_an_open_child() -> Rig:
    spec = ChildWorkflowSpec("kid", "Kid", "default")
    rig = Rig(ScriptedCode([[StartChild(number=1, spec=spec, close_policy="terminate")], [DONE]]))
    assert effects(rig.start(), StartChildEffect)
    assert effects(rig.send(Signal(name="finish")), StopChildEffect)
    return rig


def confirm_all(rig: Rig) -> None:
    for effect_id, effect in rig.instance.outstanding():
        rig.instance.confirm(effect.run_id, effect_id)


def ended_child() -> Rig:
    rig = Rig(ScriptedCode([[DONE]]))
    assert effects(rig.send(start(parent=PARENT, caller=None, wants_result=False)), RunEndedEffect)
    return rig


def must_settle_what_it_tells_again(rig: Rig) -> None:
    rig.reload()
    assert not rig.needs_settle()
    confirm_all(rig)  # all of it is sent again for a message that came again
    assert rig.needs_settle()
    assert rig.send(Settle(), held=False).recorded
    rig.reload()
    assert rig.instance.outstanding() == []


def test_a_parent_that_is_over_forgets_what_it_has_told_its_child_again() -> None:
    rig = ended_with_an_open_child()
    word = OtherEnded(
        run_id="run-1",
        number=1,
        by_run="run-of-kid",
        status=WorkflowStatus.TERMINATED,
        result=None,
        failure=None,
    )
    rig.reload()
    assert rig.send(word).stale
    must_settle_what_it_tells_again(rig)


def test_a_child_that_is_over_forgets_what_it_has_told_its_parent_again() -> None:
    must_settle_what_it_tells_again(ended_child())
