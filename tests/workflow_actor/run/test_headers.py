"""Headers of what comes to a run, and of what it wants, where an older stored format has no place for them:
they are refused, or wait, and nothing is dropped."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.commands import Resume
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import CALLER, Rig, ScriptedCode, activity, answer, payload, start, task

HEADERS = {"customer": payload('"anna"')}
OTHERS = {"customer": payload('"ben"')}


def test_a_start_with_headers_is_refused_and_one_without_begins() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.instance.codec = CODEC.writing(2)
    (refused,) = rig.send_all(start(headers=HEADERS))
    told = answer(refused)
    assert told.error is not None
    assert "headers cannot be stored yet" in told.error[1]
    assert rig.instance.state is None
    rig.send_all(start())
    assert rig.state.status is WorkflowStatus.RUNNING


def test_a_signal_with_headers_is_refused_and_one_without_is_recorded() -> None:
    rig = Rig(ScriptedCode([[], []]))
    rig.instance.codec = CODEC.writing(2)
    rig.start()
    told = answer(rig.send(Signal(name="go", headers=HEADERS, caller=CALLER)))
    assert told.error is not None
    assert "headers cannot be stored yet" in told.error[1]
    assert rig.state.sequence == 1
    assert answer(rig.send(Signal(name="go", caller=CALLER))).error is None
    assert rig.state.sequence == 2


def test_code_that_gives_an_activity_headers_waits_until_they_can_be_stored() -> None:
    rig = Rig(ScriptedCode([[activity(1, headers=HEADERS)]]))
    rig.instance.codec = CODEC.writing(2)
    rig.start()
    assert rig.state.suspension is not None
    assert "a patch, headers): replace all hosts of older versions" in rig.state.suspension.reason
    rig.instance.codec = CODEC
    assert task(rig.send(Resume())).headers == HEADERS


def test_the_next_run_has_those_of_the_one_before_unless_it_is_given_others() -> None:
    for given, kept in ((None, HEADERS), (OTHERS, OTHERS), ({}, {})):
        rig = Rig(ScriptedCode([[ContinueAsNew(args=(), headers=given)]]))
        rig.send_all(start(headers=HEADERS))
        assert rig.state.info.headers == kept
